"""Scripts, modules and callables as what a trial calls."""

import io
import pickle
import shutil
import sys
import warnings
import zipfile

import pytest

from tune_tasks.errors import TrainableError, UsageError
from tune_tasks.trial.trainable import (
    CallableTrainable,
    ModuleTrainable,
    PackedScript,
    ScriptTrainable,
    locate,
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(config, folder=None):
    with pytest.raises(TrainableError) as caught:
        locate(config, folder)
    return str(caught.value)


def test_the_working_directory_comes_before_the_specs_folder(folder):
    spec_folder = folder / "specs"
    spec_folder.mkdir()
    for place in (spec_folder, folder):
        (place / "s.py").write_text("def train(c, r): ...")
    config = {"script_file_path": "s.py"}
    assert locate(config, spec_folder) == ScriptTrainable(folder / "s.py", "train")
    (folder / "s.py").unlink()
    assert locate(config, spec_folder) == ScriptTrainable(spec_folder / "s.py", "train")
    (spec_folder / "s.py").unlink()
    looked = (
        f"config.script_file_path: no file 's.py'; looked at {folder}/s.py and {spec_folder}/s.py"
    )
    assert refusal(config, spec_folder) == looked
    (spec_folder / "sub").mkdir()
    (spec_folder / "sub" / "train_it.py").write_text("def train(c, r): ...")
    assert refusal({"script_file_path": "sub/trian_it.py"}, spec_folder).endswith(
        "; did you mean 'sub/train_it.py'?"
    )


@pytest.mark.parametrize("path", ["nobody.py", "~nobody/x.py", "x" * 300, "a\0b", "."])
def test_any_text_may_be_no_file(folder, path):
    assert refusal({"script_file_path": path}, folder).startswith(
        f"config.script_file_path: no file {path!r}; looked at "
    )


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "def tarin(c, r): ...",
            (
                "config.script_entrypoint: s.py has no 'train'; did you mean 'tarin'? (its"
                " functions: tarin)"
            ),
        ),
        (
            "class T:\n    def train(self): ...",
            "config.script_entrypoint: s.py has no 'train' (its functions: none)",
        ),
        (
            "def make():\n    def train(c, r): ...",
            "config.script_entrypoint: s.py has no 'train' (its functions: make)",
        ),
        ("def train(:", "s.py:1:11: the script is not valid Python: invalid syntax"),
        ("x = '\0'", "the script is not valid Python"),
    ],
)
def test_a_script_is_checked_without_running_it(folder, code, message):
    (folder / "s.py").write_text(code)
    assert message in refusal({"script_file_path": "s.py"}).replace(f"{folder}/", "")


@pytest.mark.parametrize(
    "code",
    [
        *[
            "def train(c, r): ...",
            "async def train(c, r): ...",
            "train = print",
            "from x import y as train",
            "from x import *",
        ],
        *[
            "try:\n    from x import train\nexcept ImportError:\n    def train(c, r): ...",
            "import re\nre.compile('\\d')\nclass train: ...",
        ],
    ],
)
def test_where_a_script_may_have_its_function_from(folder, code):
    (folder / "s.py").write_text(code)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert locate({"script_file_path": "s.py"}, None).entrypoint == "train"


@pytest.mark.parametrize("name", [5, "", "a.b", "not a name"])
def test_the_entry_point_is_a_name(folder, name):
    (folder / "s.py").write_text("def train(c, r): ...")
    message = f"config.script_entrypoint: expected a function's name, got {name!r}"
    assert refusal({"script_file_path": "s.py", "script_entrypoint": name}) == message


@pytest.mark.parametrize("name", ["script.py", "my-script.py", "script", "json.py"])
def test_a_script_is_loaded_with_fresh_globals_each_time(folder, name):
    (folder / name).write_text(
        "import helper_of_test\ncount = 0\n"
        "def train(c, r):\n    global count\n    count += 1\n    return count, helper_of_test.N"
    )
    (folder / "helper_of_test.py").write_text("N = 1")
    modules, path = dict(sys.modules), list(sys.path)
    trainable = locate({"script_file_path": name}, None)
    for n in (1, 22):
        (folder / "helper_of_test.py").write_text(f"N = {n}")
        with trainable.loaded() as train:
            assert [train({}, None), train({}, None)] == [(1, n), (2, n)]
            assert sys.modules[train.__module__].train is train
        assert sys.path == path
        assert {k: v for k, v in sys.modules.items() if k in modules or "helper" in k} == modules


def test_a_script_that_fails_leaves_nothing(folder):
    (folder / "s.py").write_text(
        "import sys\nsys.path.append('x')\nimport helper_of_test\ndef train(c, r): ...\n1 / 0"
    )
    (folder / "helper_of_test.py").write_text("")
    path = list(sys.path)
    with pytest.raises(ZeroDivisionError), locate({"script_file_path": "s.py"}, None).loaded():
        pass
    assert sys.path == path
    assert not {"s", "helper_of_test"} & set(sys.modules)


def test_a_packed_script_runs_where_its_folder_is_not(tmp_path):
    folder = tmp_path / "project"
    for name in ("pkg", ".git", ".venv", "__pycache__"):
        (folder / name).mkdir(parents=True)
        (folder / name / "file.py").write_text("VALUE = 7")
    (folder / "s.py").write_text(
        "from pkg.file import VALUE\ndef go(config, reporter): return VALUE"
    )
    packed = pickle.loads(
        pickle.dumps(PackedScript.pack(ScriptTrainable(folder / "s.py", "go").kept()))
    )
    names = zipfile.ZipFile(io.BytesIO(packed.archive)).namelist()
    shutil.rmtree(folder)
    with packed.loaded() as function:
        assert function({}, None) == 7
    assert names == ["s.py", "pkg/file.py"]


def test_a_trainable_without_files_is_ready_to_travel():
    trainable = CallableTrainable(abs)
    assert trainable.kept() is trainable
    assert trainable.for_run(verbose=True) is trainable
    assert trainable.packed() is trainable
    assert trainable.kept_script() is None
    assert not trainable.carries_code


def test_a_script_travels_packed(folder):
    (folder / "s.py").write_text("def go(config, reporter): return 7")
    script = ScriptTrainable(folder / "s.py", "go").kept()
    assert isinstance(script.packed(), PackedScript)
    assert script.kept_script() is script
    assert script.carries_code


def test_a_folder_that_is_too_large_to_travel_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("tune_tasks.trial.trainable._TRAVELLING_BYTES", 2**20)
    (tmp_path / "data").write_bytes(bytes(2**20 + 1))
    (tmp_path / "s.py").touch()
    with pytest.raises(
        UsageError, match=r"the script's folder .* is larger than 1 MiB and cannot travel"
    ):
        PackedScript.pack(ScriptTrainable(tmp_path / "s.py", "go").kept())


def test_a_star_import_that_has_no_such_function(folder):
    (folder / "s.py").write_text("from math import *")
    trainable = locate({"script_file_path": "s.py", "script_entrypoint": "sqrrt"}, None)
    with (
        pytest.raises(
            TrainableError, match=r"s\.py has no function 'sqrrt'; did you mean 'sqrt'\?"
        ),
        trainable.loaded(),
    ):
        pass


def test_modules_and_callables():
    trainable = locate({"script_file_path": "os.path:join"}, None)
    assert trainable == ModuleTrainable("os.path", "join")
    for each in (trainable, CallableTrainable(sys.modules["os.path"].join)):
        with each.loaded() as function:
            assert function is sys.modules["os.path"].join
    misspelt = locate({"script_file_path": "os.path:jion"}, None)
    with (
        pytest.raises(
            TrainableError, match=r"os\.path has no function 'jion'; did you mean 'join'\?"
        ),
        misspelt.loaded(),
    ):
        pass


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"a = 1\n\0", "{path}:2: the script is not valid Python: it holds a NUL byte"),
        (
            b"# coding: nothing\n",
            "{path}: the script is not valid Python: unknown encoding: nothing",
        ),
        (b"def train(:\n", "{path}:1:11: the script is not valid Python: invalid syntax"),
        (
            b"#" * 2_000_001,
            "{path}: the script has more than 2,000,000 bytes; move data into files of its own",
        ),
    ],
)
def test_a_script_that_cannot_be_parsed_is_one_sentence(source, message, tmp_path):
    path = tmp_path / "big.py"
    path.write_bytes(source)
    with pytest.raises(TrainableError) as error:
        locate({"script_file_path": str(path)}, None)
    assert str(error.value) == f"config.script_file_path: {message.format(path=path)}"
