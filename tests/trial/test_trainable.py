"""Modules and callables as what a trial calls."""

import sys

import pytest

from tune_tasks.errors import TrainableError
from tune_tasks.testing import TrainableContract
from tune_tasks.trial.module import ModuleTrainable
from tune_tasks.trial.script import ScriptTrainable
from tune_tasks.trial.trainable import CallableTrainable

REPORTS = "def train(config, reporter):\n    reporter(timesteps_total=1)\n"


class TestScript(TrainableContract):
    def make(self, folder):
        (folder / "script.py").write_text(REPORTS)
        return ScriptTrainable(folder / "script.py", "train")


class TestModule(TrainableContract):
    def make(self, folder):
        return ModuleTrainable(__name__, "_reports")


class TestCallable(TrainableContract):
    def make(self, folder):
        return CallableTrainable(_reports)


class TestClosure(TrainableContract):
    def make(self, folder):
        return CallableTrainable(lambda config, reporter: reporter(timesteps_total=1))


def _reports(config, reporter):
    reporter(timesteps_total=1)


def test_a_trainable_without_files_is_ready_to_travel():
    trainable = CallableTrainable(abs)
    assert trainable.kept() is trainable
    assert trainable.for_run(verbose=True) is trainable
    assert trainable.packed() is trainable
    assert trainable.kept_script() is None
    assert not trainable.carries_code


def test_modules_and_callables():
    trainable = ModuleTrainable("os.path", "join")
    for each in (trainable, CallableTrainable(sys.modules["os.path"].join)):
        with each.loaded() as function:
            assert function is sys.modules["os.path"].join
    misspelt = ModuleTrainable("os.path", "jion")
    with (
        pytest.raises(
            TrainableError, match=r"os\.path has no function 'jion'; did you mean 'join'\?"
        ),
        misspelt.loaded(),
    ):
        pass
