"""What one trial more takes of the driver's memory for search and schedulers, and in Optuna alone.

`python benchmarks/memory.py [--trials 1000 10000]`.

Ours is the core of a driver, with everything that learns, judges or proposes, and its plan. So many
trials of the space of `asking.py` have ended, each after up to 50 reports; at the end the model is
asked once, so that what it keeps is there, too. What is counted is what is allocated by Python
(`tracemalloc`) after the last trial, less what was before the first. The rest of the driver (what
the status shows of each trial, Ray's and Prefect's clients) is not in it: it is there without a
search, too.

Optuna's is a study in memory with as many trials that were told the same.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from _core import METRIC, CoreSweep
from _side_by_side import show, show_machine, show_ratio
from asking import CONFIG, loss_of, suggested

from tune_tasks.model.checkpoint import CheckpointRef
from tune_tasks.model.milestones import Course, Reached
from tune_tasks.model.trial import EndedBy, Outcome, Stop, TrialState
from tune_tasks.sweep.events import (
    AttemptEnded,
    CheckpointCopied,
    CheckpointKept,
    MilestonesReached,
)
from tune_tasks.sweep.instructions import CopyCheckpoint, EndAttempt

TO_REACH_KB = 3.0
REPORTS = 50
_PRUNED = 9
"""Values that a trial reports in Optuna, as often as `median` judges here."""
_WARM_UP = 30
_MOST_MEMBERS = 1_000
"""Every verdict about a member ranks all of them."""


@dataclass(frozen=True)
class Side:
    """What is measured.

    Attributes:
        keys: Of the experiment.
        is_even: Whether all trials are equally good, so that nobody is ended early.
    """

    keys: Mapping[str, Any]
    is_even: bool = False

    @property
    def is_population(self) -> bool:
        """Whether all trials run at the same time."""
        return self.keys.get("scheduler") == "pbt"


SIDES: Mapping[str, Side] = {
    "random": Side({}),
    "tpe": Side({"search": "tpe"}),
    "tpe + asha": Side({"search": "tpe", "scheduler": "asha"}),
    "tpe + median": Side({"search": "tpe", "scheduler": "median"}),
    "tpe + median, nobody is ended": Side({"search": "tpe", "scheduler": "median"}, is_even=True),
    "pbt": Side({"scheduler": "pbt"}),
}


class _Remembered(CoreSweep):
    """A sweep whose trials report `REPORTS` times, if nobody ends them before.

    Args:
        side: What is measured.
        trials: How many.
    """

    def __init__(self, side: Side, trials: int) -> None:
        experiment = {
            "num_trials": trials,
            "stop": {"training_iteration": REPORTS},
            "config": CONFIG,
            **side.keys,
        }
        self._side = side
        self._last = trials - 1
        super().__init__(experiment, seed=1, workers=trials if side.is_population else 1)

    def propose(self, key: str) -> None:
        """Ask the model about the last trial; the others are drawn."""
        if key.endswith(f"/{self._last}"):
            super().propose(key)
        else:
            self.drawn(key)

    def run(self) -> None:
        """All trials come to their ends."""
        going = list(self._begun())
        while going:
            going = [each for each in going if each.goes_on()]
            going += self._begun()

    def _begun(self) -> Iterator[_Going]:
        while self.waiting:
            key = self.waiting.popleft()
            yield _Going(self, key, 1.0 if self._side.is_even else loss_of(self.config(key)))


class _Going:
    """A trial that runs."""

    def __init__(self, sweep: CoreSweep, key: str, loss: float) -> None:
        self._sweep = sweep
        self._key = key
        self._attempt = sweep.core.begun()[key]
        self._loss = loss
        self._steps = itertools.count(1)
        milestones = sweep.core.milestones(sweep.core.trial(key))
        self._courses = [Course(place, each) for place, each in enumerate(milestones)]

    def goes_on(self) -> bool:
        """Report once; returns whether it runs after that."""
        step = next(self._steps)
        loss = self._loss + 1 / step
        row = {"training_iteration": step, METRIC: loss}
        reached = tuple(each for course in self._courses for each in course.reached(row))
        stop = self._stop_at(step, reached) if reached else None
        if step == REPORTS and stop is None:
            stop = Stop(EndedBy.CRITERION, f"training_iteration {step} >= {step}")
        if stop is None:
            return True
        outcome = Outcome(TrialState.TERMINATED, stop.ended_by, stop.reason, reports=step)
        self._sweep.tell(AttemptEnded(0, self._key, self._attempt, outcome, {METRIC: loss}))
        return False

    def _stop_at(self, step: int, reached: tuple[Reached, ...]) -> Stop | None:
        """Why the trial is to end at a milestone; None if it is not."""
        if self._courses[0].awaits_checkpoint:
            self._sweep.tell(CheckpointKept(0, self._key, self._attempt, step, step))
        wishes = self._sweep.tell(MilestonesReached(0, self._key, self._attempt, step, reached))
        if any(isinstance(wish, CopyCheckpoint) for wish in wishes):
            copy = CheckpointRef(self._attempt, step, step, 2)
            wishes = self._sweep.tell(CheckpointCopied(0, self._key, self._attempt, copy))
        return next((wish.stop for wish in wishes if isinstance(wish, EndAttempt)), None)


def ours(side: Side, trials: int) -> float:
    """KB a trial."""
    return _grown(_Remembered(side, trials).run) / trials


def optuna_alone(trials: int, reports: int = 0) -> float:
    """KB a trial.

    Args:
        trials: How many have ended.
        reports: How many values each has reported to a pruner.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))

    def run() -> None:
        for _ in range(trials):
            trial = study.ask()
            loss = loss_of(suggested(trial))
            for step in range(reports):
                trial.report(loss, step)
            study.tell(trial, loss)

    return _grown(run) / trials


def _grown(run: Callable[[], None]) -> float:
    """How many KB more there are after it has run, and before what it leaves is let go of."""
    gc.collect()
    tracemalloc.start()
    run()
    gc.collect()
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return grown / 1_000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--sides", nargs="*", choices=SIDES, default=list(SIDES))
    wanted = parser.parse_args()
    show_machine()
    for side in SIDES.values():
        ours(side, _WARM_UP)  # what is imported is none of a trial's
    for trials in wanted.trials:
        figures = {
            name: [ours(SIDES[name], trials)]
            for name in wanted.sides
            if trials <= _MOST_MEMBERS or not SIDES[name].is_population
        }
        theirs = {
            "Optuna alone": [optuna_alone(trials)],
            f"Optuna alone, {_PRUNED} values reported": [optuna_alone(trials, _PRUNED)],
        }
        show(f"memory of a trial more, {trials:,} trials ended", figures | theirs, "KB", 2)
        most = max(figure for (figure,) in figures.values())
        show_ratio("the most", most, f"<= {TO_REACH_KB:g} KB", reached=most <= TO_REACH_KB)


if __name__ == "__main__":
    main()
