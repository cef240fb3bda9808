"""`TrainableContract`: the tests that every trainable passes."""

from __future__ import annotations

import pickle
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import pytest
from cloudpickle import dumps

from tune_tasks.errors import TrialStopped
from tune_tasks.model.stopping import parse_criterion
from tune_tasks.testing.samples import make_trial
from tune_tasks.trial.reporter import StatusReporter
from tune_tasks.trial.reports import TrialReports
from tune_tasks.trial.trainable import Trainable


class TrainableContract(ABC):
    """Derive your tests from this class, and say how to make a trainable.

    Its `train()` is to report at least once before it returns.

    ```python
    class TestMyTrainable(TrainableContract):
        def make(self, folder):
            return MyTrainable()

        def config(self):
            return {"lr": 0.1}
    ```
    """

    @abstractmethod
    def make(self, folder: Path) -> Trainable:
        """Make a trainable.

        Args:
            folder: A folder for files that it needs.
        """

    def config(self) -> dict[str, Any]:
        """Return what `train()` is given."""
        return {}

    @pytest.fixture
    def trainable(self, tmp_path: Path) -> Trainable:
        """The trainable as it is planned."""
        folder = tmp_path / "code"
        folder.mkdir()
        return self.make(folder)

    @pytest.fixture
    def ready(self, trainable: Trainable) -> Trainable:
        """The trainable as the driver sends it to trials on the same machine."""
        return trainable.kept().for_run(verbose=False)

    def reports_of(self, trainable: Trainable, folder: Path) -> TrialReports:
        """Run a trial until its first report; returns what it has reported."""
        trial = make_trial(stop=(parse_criterion("training_iteration", 1),))
        folder.mkdir(exist_ok=True)
        reports = TrialReports(trial, folder / "result.json", "experiment-id")
        with trainable.loaded() as train:
            reports.begin()
            try:
                train(self.config(), StatusReporter(reports))
            except TrialStopped:
                pass
            finally:
                reports.close()
        return reports

    def test_it_reports(self, ready: Trainable, tmp_path: Path) -> None:
        """The function is loaded, called, and stopped by its first report."""
        assert self.reports_of(ready, tmp_path / "trial").progress.reports == 1

    def test_a_warm_process_runs_it_again(self, ready: Trainable, tmp_path: Path) -> None:
        """A process runs several trials, one after the other."""
        for number in (1, 2):
            folder = tmp_path / f"trial_{number}"
            assert self.reports_of(ready, folder).progress.reports == 1

    def test_it_travels(self, ready: Trainable, tmp_path: Path) -> None:
        """Trials on the same machine get it by pickle."""
        arrived = pickle.loads(dumps(ready))  # noqa: S301 - our own bytes
        assert self.reports_of(arrived, tmp_path / "trial").progress.reports == 1

    def test_it_travels_to_other_machines(self, ready: Trainable, tmp_path: Path) -> None:
        """With every file that it needs."""
        arrived = pickle.loads(dumps(ready.packed()))  # noqa: S301 - our own bytes
        assert self.reports_of(arrived, tmp_path / "trial").progress.reports == 1

    def test_loading_leaves_the_process_as_it_was(self, ready: Trainable, tmp_path: Path) -> None:
        """The next trial in this process may be another experiment's."""
        before = (list(sys.path), list(sys.argv))
        self.reports_of(ready, tmp_path / "trial")
        assert (sys.path, sys.argv) == before

    def test_getting_ready_changes_nothing(self, trainable: Trainable) -> None:
        """A trainable that is ready already stays as it is."""
        kept = trainable.kept()
        assert kept.kept() == kept
        assert kept.for_run(verbose=True).for_run(verbose=False) == kept.for_run(verbose=False)

    def test_its_code_is_known_once_it_is_kept(self, ready: Trainable) -> None:
        """If its code is in a script, the script's folder is its code."""
        script = ready.kept_script()
        if script:
            assert ready.code() == script.snapshot
