"""The code of a folder as it was: kept, imported from memory, found where it was."""

import functools
import importlib.util
import inspect
import os
import pickle
import pkgutil
import subprocess
import sys
import traceback
import types
from dataclasses import replace
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader
from pathlib import Path

import pytest

from tune_tasks.errors import TrainableError
from tune_tasks.model import snapshot as module
from tune_tasks.model.code_version import edits_since, version_of
from tune_tasks.model.snapshot import Snapshot
from tune_tasks.trial.module import KeptModule, ModuleTrainable
from tune_tasks.trial.script import ScriptTrainable
from tune_tasks.trial.trainable import CallableTrainable


def write(folder, **files):
    """Files by name, a double underscore for a slash: `pkg__a="..."` is `pkg/a.py`."""
    for name, source in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)


@pytest.fixture(autouse=True)
def nothing_stays():
    modules, path, hooks = set(sys.modules), list(sys.path), list(sys.path_hooks)
    yield
    for name in set(sys.modules) - modules:
        del sys.modules[name]
    assert sys.path_hooks == hooks
    sys.path[:] = path


def keep(folder, name="s"):
    """The script as it travels to a worker."""
    return pickle.loads(pickle.dumps(ScriptTrainable(folder / f"{name}.py", "train").kept()))


def result_of(trainable):
    with trainable.loaded() as train:
        return train({}, None)


IMPORTS = """
import snap_helper, snap_pkg.inner
from pathlib import Path
def train(config, reporter):
    from snap_space.late import LATE
    data = Path(__file__).parent / "data.txt"
    return snap_helper.N, snap_pkg.inner.N, LATE, data.read_text(), __file__
"""


@pytest.fixture
def script(tmp_path):
    """A script with a module, a package with a relative import, one without an `__init__.py`, and data."""
    write(tmp_path, s=IMPORTS, snap_helper="N = 1", snap_space__late="LATE = 3")
    (tmp_path / "snap_pkg").mkdir()
    (tmp_path / "snap_pkg" / "__init__.py").touch()
    write(tmp_path, snap_pkg__inner="from .more import N", snap_pkg__more="N = 2")
    (tmp_path / "data.txt").write_text("first")
    return tmp_path


def test_edits_have_no_effect_and_data_are_read_as_they_are(script):
    trainable = keep(script)
    write(
        script, s="1 / 0", snap_helper="N = 10", snap_space__late="1 / 0", snap_pkg__more="N = 20"
    )
    (script / "data.txt").write_text("second")
    for _ in range(2):
        assert result_of(trainable) == (1, 2, 3, "second", str(script / "s.py"))
    assert not {"s", "snap_helper", "snap_pkg", "snap_space.late"} & set(sys.modules)
    assert not list(script.rglob("__pycache__"))


def test_deleted_files_are_there(script):
    trainable = keep(script)
    for path in script.rglob("*.py"):
        path.unlink()
    (script / "snap_space").rmdir()
    assert result_of(trainable)[:3] == (1, 2, 3)


def test_modules_are_found_by_other_ways_to_the_folder(tmp_path):
    """A script that puts a folder on the path: by its real path, if a link leads to it."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    code = (
        "import sys\nfrom pathlib import Path\nsys.path.insert(0,"
        " str(Path(__file__).resolve().parent / 'lib'))\nimport snap_lib\ndef train(config,"
        " reporter): return snap_lib.N"
    )
    write(tmp_path / "real", s=code, lib__snap_lib="N = 1")
    trainable = keep(tmp_path / "link")
    write(tmp_path / "real", lib__snap_lib="N = 2")
    assert result_of(trainable) == 1


def test_what_was_not_there_is_taken_from_the_disk(tmp_path):
    """A script may write a module and import it."""
    code = (
        "from pathlib import Path\ndef train(config, reporter):\n    (Path(__file__).parent /"
        " 'snap_made.py').write_text('N = 5')\n    import snap_made\n    return snap_made.N"
    )
    write(tmp_path, s=code)
    assert result_of(keep(tmp_path)) == 5


def test_a_compiled_module_comes_before_its_source(tmp_path):
    write(tmp_path, s="def train(config, reporter): ...", snap_fast="")
    (tmp_path / f"snap_fast{EXTENSION_SUFFIXES[0]}").touch()
    with keep(tmp_path).loaded():
        assert isinstance(importlib.util.find_spec("snap_fast").loader, ExtensionFileLoader)


def test_tracebacks_and_sources_are_of_the_code_that_runs(tmp_path):
    write(tmp_path, s="def train(config, reporter):\n    raise ValueError('kept')\n")
    trainable = keep(tmp_path)
    write(tmp_path, s="# another\n# text\n")
    with trainable.loaded() as train:
        assert inspect.getsource(train).endswith("raise ValueError('kept')\n")
        with pytest.raises(ValueError, match="kept") as caught:
            train({}, None)
    assert f'"{tmp_path}/s.py", line 2, in train\n    raise ValueError(' in "".join(
        traceback.format_exception(caught.value)
    )


def test_a_package_lists_its_modules(script):
    write(
        script,
        s=(
            "import pkgutil, snap_pkg\ndef train(c, r): return [m.name for m in"
            " pkgutil.iter_modules(snap_pkg.__path__)]"
        ),
    )
    assert result_of(keep(script)) == ["inner", "more"]
    assert pkgutil.iter_modules([str(script)]) is not None


@pytest.mark.parametrize(
    "source",
    [
        "# -*- coding: latin-1 -*-\nTEXT = '\xe9'\ndef train(c, r): return TEXT".encode("latin-1"),
        b"\xef\xbb\xbfTEXT = '\xc3\xa9'\r\ndef train(c, r): return TEXT",
        "def train(c: int, r): return 'é' if train.__annotations__['c'] is int else ''".encode(),
    ],
)
def test_any_source_that_python_takes(tmp_path, source):
    (tmp_path / "s.py").write_bytes(source)
    assert result_of(keep(tmp_path)) == "é"


def test_what_is_kept(tmp_path, monkeypatch):
    write(tmp_path, s="", a__b__c="", a__d="", lib__x="")
    for folder in (".git", "__pycache__", "site-packages", "tune_results", "env"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.py").touch()
    (tmp_path / "env" / "pyvenv.cfg").touch()
    (tmp_path / "a" / "circle").symlink_to("..")
    (tmp_path / "data.csv").touch()
    taken = Snapshot.take(tmp_path / "s.py")
    assert (sorted(taken.sources), taken.is_whole) == (
        ["a/b/c.py", "a/d.py", "lib/x.py", "s.py"],
        True,
    )
    monkeypatch.setattr(module, "_MOST_LOOKED_AT", 3)  # s.py, data.csv, then the nearest
    taken = Snapshot.take(tmp_path / "s.py")
    assert (sorted(taken.sources), taken.is_whole) == (["a/d.py", "s.py"], False)


def test_not_more_is_kept_than_travels(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_MOST_BYTES", 100)
    write(tmp_path, s="#" * 200, a="#" * 60, b="#" * 60)
    taken = Snapshot.take(tmp_path / "s.py")
    assert (sorted(taken.sources), taken.is_whole) == (["a.py", "s.py"], False)


def test_a_script_that_has_gone(tmp_path):
    with pytest.raises(TrainableError, match=r"cannot read the script .*/s\.py: .*No such file"):
        ScriptTrainable(tmp_path / "s.py", "train").kept()


def test_a_module_of_ones_own_is_kept_with_its_package(script):
    sys.path.insert(0, str(script))
    write(script, snap_pkg__train="from .inner import N\ndef train(config, reporter): return N")
    trainable = pickle.loads(pickle.dumps(ModuleTrainable("snap_pkg.train", "train").kept()))
    assert "snap_pkg" not in sys.modules  # nothing of it was executed
    assert [name for name in trainable.snapshot.sources if "/" in name][:4] == [
        f"snap_pkg/{name}.py" for name in ("__init__", "inner", "more", "train")
    ]
    write(script, snap_pkg__more="N = 20")
    assert [result_of(trainable), result_of(trainable), "snap_pkg.train" in sys.modules] == [
        2,
        2,
        True,
    ]
    assert result_of(ModuleTrainable("snap_pkg.train", "train").kept()) == 20  # of the next sweep
    write(
        script,
        snap_pkg__train="import snap_helper\ndef train(config, reporter): return snap_helper.N",
    )
    trainable = ModuleTrainable("snap_pkg.train", "train").kept()
    write(script, snap_helper="N = 10")  # beside the package
    assert result_of(trainable) == 1
    assert isinstance(ModuleTrainable("snap_helper", "train").kept(), KeptModule)


def test_a_callable_is_kept_with_the_folder_of_its_module(script, monkeypatch):
    monkeypatch.syspath_prepend(script)
    write(
        script,
        snap_callable=(
            "def train(config, reporter): ...\nclass Train:\n    def __call__(self, config,"
            " reporter): ..."
        ),
    )
    import snap_callable

    for function in (
        snap_callable.train,
        functools.partial(snap_callable.train, a=1),
        snap_callable.Train(),
    ):
        assert CallableTrainable(function).code().sources.keys() >= {
            "snap_callable.py",
            "snap_helper.py",
        }
    assert CallableTrainable(os.getpid).code() is None
    program = types.FunctionType(snap_callable.train.__code__, {"__name__": "__main__"})
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(script / "s.py"), raising=False)
    assert "s.py" in CallableTrainable(program).code().sources
    monkeypatch.setattr(sys.modules["__main__"], "__file__", "<stdin>")
    assert CallableTrainable(program).code() is None


@pytest.mark.parametrize("name", ["json", "sys", "yaml.loader", "snap_nobody", "snap_space"])
def test_what_is_installed_or_not_there_is_not_kept(script, name):
    sys.path.insert(0, str(script))
    trainable = ModuleTrainable(name, "train")
    assert trainable.kept() is trainable


def git(folder, *args):
    subprocess.run(
        ["git", "-C", folder, "-c", "user.name=a", "-c", "user.email=a@b", *args],
        check=True,
        capture_output=True,
    )


def test_the_version_of_the_code(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", os.fspath(tmp_path.parent))
    write(tmp_path, s="N = 1", a="")
    before = version_of(Snapshot.take(tmp_path / "s.py"))
    assert (before.git_commit, before.git_dirty) == (None, None)
    git(tmp_path, "init", "-q")
    assert version_of(Snapshot.take(tmp_path / "s.py")) == before  # no commit yet
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "all")
    (tmp_path / "mlflow.db").touch()
    clean = version_of(Snapshot.take(tmp_path / "s.py"))
    assert (len(clean.git_commit), clean.git_dirty, clean.sha256) == (40, False, before.sha256)
    write(tmp_path, b="")  # which the commit does not have
    dirty = version_of(Snapshot.take(tmp_path / "s.py"))
    assert (dirty.git_commit, dirty.git_dirty) == (clean.git_commit, True)
    assert dirty.sha256 != clean.sha256


def test_which_files_were_edited_since(tmp_path):
    write(tmp_path, s="N = 1", a="", gone="")
    then = version_of(Snapshot.take(tmp_path / "s.py"))
    assert edits_since(then, Snapshot.take(tmp_path / "s.py")) is None
    write(tmp_path, s="N = 2", new="")
    (tmp_path / "gone.py").unlink()
    now = Snapshot.take(tmp_path / "s.py")
    assert edits_since(then, now) == "gone.py, new.py, s.py"
    # As an earlier release has written it.
    assert edits_since(replace(then, files={}), now) == "some file"


def test_our_own_package_is_never_imported_anew():
    """Even if it is in the folder that was kept, as in a clone of our repository."""
    folder = Path(module.__file__).parents[2]
    source = Path(module.__file__).relative_to(folder).as_posix()
    assert Snapshot(folder, {source: b""}, is_whole=True).modules() == set()
