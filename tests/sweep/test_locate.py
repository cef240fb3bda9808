"""The script or module that an experiment names: where it is looked for, and what is checked."""

import warnings

import pytest

from tune_tasks.errors import TrainableError
from tune_tasks.sweep.locate import locate
from tune_tasks.trial.module import ModuleTrainable
from tune_tasks.trial.script import ScriptTrainable


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


def test_a_module_is_named_with_its_function():
    named = locate({"script_file_path": "os.path:join"}, None)
    assert named == ModuleTrainable("os.path", "join")
