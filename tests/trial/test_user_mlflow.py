"""What happens when the user's script imports MLflow; a module of the test's own stands for it."""

import importlib.util
import os
import sys

import pytest

from tune_tasks.trial.import_hook import after_import
from tune_tasks.trial.user_mlflow import trial_run_active


@pytest.fixture
def library(tmp_path, monkeypatch):
    (tmp_path / "some_library.py").write_text("ready = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "some_library"
    sys.modules.pop("some_library", None)


def test_the_action_follows_the_import(library):
    seen = []
    with after_import(library, lambda: seen.append(sys.modules[library].ready)):
        assert seen == []
        import some_library

        assert seen == [True]
        assert some_library.__spec__.origin.endswith("some_library.py")
    finders = list(sys.meta_path)
    with after_import(library, lambda: seen.append("again")):
        assert seen == [True, "again"]
    assert sys.meta_path == finders


def test_a_look_whether_the_library_is_there_is_no_import_of_it(library):
    seen = []
    with after_import(library, lambda: seen.append(sys.modules[library].ready)):
        specs = [importlib.util.find_spec(library) for _ in range(2)]
        assert seen == []
        import some_library

        assert seen == [True]
        specs[0].loader.exec_module(some_library)
    assert seen == [True]


def test_without_an_import_nothing_happens_and_nothing_stays(library):
    seen, finders = [], list(sys.meta_path)
    with after_import(library, lambda: seen.append(1)):
        pass
    import some_library  # noqa: F401

    assert (seen, sys.meta_path) == ([], finders)


def test_a_script_that_does_not_use_mlflow_does_not_import_it():
    names = ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_ID", "MLFLOW_RUN_ID")
    was_there, environment = "mlflow" in sys.modules, dict(os.environ)
    with pytest.raises(KeyError), trial_run_active(dict.fromkeys(names, "x")):
        raise KeyError
    assert ("mlflow" in sys.modules) == was_there
    assert dict(os.environ) == environment
