"""A script as what a trial calls: loaded anew each time, and packed for other machines."""

import io
import pickle
import shutil
import sys
import zipfile

import pytest

from tune_tasks.errors import TrainableError, UsageError
from tune_tasks.trial.script import PackedScript, ScriptTrainable


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["script.py", "my-script.py", "script", "json.py"])
def test_a_script_is_loaded_with_fresh_globals_each_time(folder, name):
    (folder / name).write_text(
        "import helper_of_test\ncount = 0\n"
        "def train(c, r):\n    global count\n    count += 1\n    return count, helper_of_test.N"
    )
    (folder / "helper_of_test.py").write_text("N = 1")
    modules, path = dict(sys.modules), list(sys.path)
    trainable = ScriptTrainable(folder / name, "train")
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
    with pytest.raises(ZeroDivisionError), ScriptTrainable(folder / "s.py", "train").loaded():
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


def test_a_script_travels_packed(folder):
    (folder / "s.py").write_text("def go(config, reporter): return 7")
    script = ScriptTrainable(folder / "s.py", "go").kept()
    assert isinstance(script.packed(), PackedScript)
    assert script.kept_script() is script
    assert script.carries_code


def test_a_folder_that_is_too_large_to_travel_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("tune_tasks.trial.script._TRAVELLING_BYTES", 2**20)
    (tmp_path / "data").write_bytes(bytes(2**20 + 1))
    (tmp_path / "s.py").touch()
    with pytest.raises(
        UsageError, match=r"the script's folder .* is larger than 1 MiB and cannot travel"
    ):
        PackedScript.pack(ScriptTrainable(tmp_path / "s.py", "go").kept())


def test_a_star_import_that_has_no_such_function(folder):
    (folder / "s.py").write_text("from math import *")
    trainable = ScriptTrainable(folder / "s.py", "sqrrt")
    with (
        pytest.raises(
            TrainableError, match=r"s\.py has no function 'sqrrt'; did you mean 'sqrt'\?"
        ),
        trainable.loaded(),
    ):
        pass
