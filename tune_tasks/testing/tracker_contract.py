"""`TrackerContract`: the tests that every tracker passes."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.result import TrainingResult
from tune_tasks.testing.samples import (
    EXPERIMENT,
    FAILED,
    RETURNED,
    make_attempt,
    make_rows,
    make_summary,
    make_sweep,
)
from tune_tasks.tracking.base import Tracker

Curve = list[tuple[int, float]]
"""Points of a metric: timesteps and value, in the order of the timesteps."""


class TrackerContract(ABC):
    """Derive your tests from this class, and say how to make and to read a tracker.

    ```python
    class TestCsvTracker(TrackerContract):
        def make(self, folder):
            return CsvTracker(folder / "results.csv")

        def curve(self, folder, info, metric):
            return read_my_csv(folder / "results.csv", info.key, metric)
    ```
    """

    @abstractmethod
    def make(self, folder: Path) -> Tracker:
        """Make a tracker that writes to a store in the folder; called more than once for each."""

    @abstractmethod
    def curve(self, folder: Path, info: AttemptInfo, metric: str) -> Curve:
        """Read what the store has of a metric of an attempt; [] if there is nothing."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """The folder for the store and the trials."""
        return tmp_path

    @pytest.fixture
    def tracker(self, folder: Path) -> Tracker:
        """A tracker that is ready for attempts."""
        return self.ready(folder)

    @pytest.fixture
    def info(self, folder: Path) -> AttemptInfo:
        """An attempt."""
        return make_attempt(folder)

    def ready(self, folder: Path, *, again: bool = False) -> Tracker:
        """Make a tracker and begin a sweep."""
        tracker = self.make(folder)
        tracker.connect()
        tracker.begin(make_sweep(folder, f"sqlite:///{folder}/mlflow.db"), again=again)
        tracker.prepare()
        return tracker

    def record(self, tracker: Tracker, info: AttemptInfo, losses: Iterable[float]) -> None:
        """Have a tracker follow an attempt from its begin to its end."""
        tracker.open_attempt(info)
        tracker.log(info, make_rows(info, _results(losses)))
        tracker.close_attempt(info, RETURNED)

    def test_it_says_who_it_is_and_how_much_it_takes(self, tracker: Tracker) -> None:
        """Its name is for messages, its `rows_per_call` for the feeder."""
        assert tracker.name
        assert tracker.rows_per_call > 0

    def test_user_code_gets_text(self, tracker: Tracker, info: AttemptInfo) -> None:
        """Environment variables are texts."""
        environment = tracker.open_attempt(info)
        assert all(isinstance(text, str) for item in environment.items() for text in item)

    def test_what_is_reported_is_there(
        self, tracker: Tracker, info: AttemptInfo, folder: Path
    ) -> None:
        """Each report is a point of each of its metrics."""
        self.record(tracker, info, [0.5, 0.25])
        assert self.curve(folder, info, "mean_loss") == [(10, 0.5), (20, 0.25)]
        assert self.curve(folder, info, "nobody reported this") == []

    def test_reports_come_in_several_calls(
        self, tracker: Tracker, info: AttemptInfo, folder: Path
    ) -> None:
        """A call goes on after the last one."""
        rows = make_rows(info, _results([0.5, 0.25, 0.125]))
        tracker.open_attempt(info)
        tracker.log(info, rows[:1])
        tracker.log(info, rows[1:])
        tracker.close_attempt(info, RETURNED)
        assert self.curve(folder, info, "mean_loss") == [(10, 0.5), (20, 0.25), (30, 0.125)]

    def test_a_call_may_be_as_large_as_it_says(
        self, tracker: Tracker, info: AttemptInfo, folder: Path
    ) -> None:
        """`rows_per_call` rows are not too many."""
        number = min(tracker.rows_per_call, 500)
        self.record(tracker, info, [1.0] * number)
        assert len(self.curve(folder, info, "mean_loss")) == number

    def test_values_that_are_not_finite_are_left_out(
        self, tracker: Tracker, info: AttemptInfo, folder: Path
    ) -> None:
        """The finite ones of the same report are kept."""
        diverging = [
            TrainingResult(timesteps_total=10, mean_loss=math.nan, mean_accuracy=0.5),
            TrainingResult(timesteps_total=20, mean_loss=math.inf, mean_accuracy=0.25),
            TrainingResult(timesteps_total=30, mean_loss=0.5, mean_accuracy=-math.inf),
        ]
        tracker.open_attempt(info)
        tracker.log(info, make_rows(info, diverging))
        tracker.close_attempt(info, RETURNED)
        assert self.curve(folder, info, "mean_loss") == [(30, 0.5)]
        assert self.curve(folder, info, "mean_accuracy") == [(10, 0.5), (20, 0.25)]

    def test_the_curves_of_a_population_are_over_iterations(self, folder: Path) -> None:
        """A member that goes on from another one has that one's timesteps, and they overlap."""
        tracker = self.make(folder)
        tracker.connect()
        sweep = make_sweep(folder, f"sqlite:///{folder}/mlflow.db")
        population = replace(sweep.experiments[EXPERIMENT], changing=("lr",))
        tracker.begin(replace(sweep, experiments={EXPERIMENT: population}), again=False)
        tracker.prepare()
        info = make_attempt(folder)
        tracker.open_attempt(info)
        timesteps = [10, 20, 30, 10, 20]
        results = [TrainingResult(timesteps_total=t, mean_loss=float(t)) for t in timesteps]
        tracker.log(info, make_rows(info, results))
        tracker.close_attempt(info, RETURNED)
        over_iterations = list(enumerate(map(float, timesteps), 1))
        assert self.curve(folder, info, "mean_loss") == over_iterations

    def test_attempts_are_kept_apart(self, tracker: Tracker, folder: Path) -> None:
        """Also two attempts of one trial, at the same time."""
        infos = [make_attempt(folder), make_attempt(folder, number=2), make_attempt(folder, 1)]
        for info in infos:
            tracker.open_attempt(info)
        for loss, info in enumerate(infos):
            tracker.log(info, make_rows(info, _results([float(loss)])))
        for info in infos:
            tracker.close_attempt(info, FAILED)
        curves = [self.curve(folder, info, "mean_loss") for info in infos]
        assert curves == [[(10, 0.0)], [(10, 1.0)], [(10, 2.0)]]

    def test_attempts_are_followed_side_by_side(self, tracker: Tracker, folder: Path) -> None:
        """Each by a thread of its own, by as many as the tracker allows."""
        infos = [make_attempt(folder, index) for index in range(min(tracker.threads, 8))]
        with ThreadPoolExecutor(len(infos)) as pool:
            followed = [pool.submit(self.record, tracker, info, [0.5, 0.25]) for info in infos]
        for each in followed:
            each.result()
        for info in infos:
            assert self.curve(folder, info, "mean_loss") == [(10, 0.5), (20, 0.25)]

    def test_an_attempt_may_end_without_a_report(self, tracker: Tracker, info: AttemptInfo) -> None:
        """A trial may fail before its first report."""
        tracker.open_attempt(info)
        tracker.close_attempt(info, FAILED)

    def test_opening_and_closing_may_be_repeated(
        self, tracker: Tracker, info: AttemptInfo, folder: Path
    ) -> None:
        """A call that has failed after it had done its work is made again."""
        tracker.open_attempt(info)
        self.record(tracker, info, [0.5])
        tracker.close_attempt(info, RETURNED)
        assert self.curve(folder, info, "mean_loss") == [(10, 0.5)]

    def test_a_new_recorder_leaves_no_point_twice(
        self, tracker: Tracker, info: AttemptInfo, folder: Path
    ) -> None:
        """After the recorder's death a new tracker gets everything again, from the first report."""
        rows = make_rows(info, _results([0.5, 0.25]))
        tracker.open_attempt(info)
        tracker.log(info, rows[:1])
        second = self.ready(folder, again=True)
        second.open_attempt(info)
        second.log(info, rows)
        second.close_attempt(info, RETURNED)
        assert self.curve(folder, info, "mean_loss") == [(10, 0.5), (20, 0.25)]

    def test_the_sweep_ends(self, tracker: Tracker, info: AttemptInfo, folder: Path) -> None:
        """With its trials, where the tracker says they are."""
        self.record(tracker, info, [0.5])
        summary = make_summary(folder, [info])
        located = tracker.located(summary.experiments[0])
        assert (located.name, located.trials) == (EXPERIMENT, summary.trials)
        for _ in range(2):  # a call that has failed after it had done its work is made again
            tracker.close_sweep(summary)

    def test_it_says_where_an_attempt_is(self, tracker: Tracker, info: AttemptInfo) -> None:
        """If it has an id or a page, and not before the attempt is open."""
        assert tracker.run_id(info.key) is None
        assert tracker.run_url(info) is None
        tracker.open_attempt(info)
        assert tracker.run_id(info.key) != ""
        assert tracker.run_url(info) != ""


def _results(losses: Iterable[float]) -> list[TrainingResult]:
    """Reports of the losses, each ten timesteps after the last."""
    return [
        TrainingResult(timesteps_total=10 * number, mean_loss=loss)
        for number, loss in enumerate(losses, 1)
    ]
