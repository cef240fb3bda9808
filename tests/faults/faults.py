"""The faults that are done to sweeps: to which process, and when."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

ROLES = [
    "driver",
    "worker",
    "recorder",
    "prefect server",
    "raylet",
    "gcs",
    "dashboard agent",
    "supervisor",
]
"""Processes that die, or stand still for some seconds, at any time of the sweep."""

GROUP = "the whole group"
"""Every process of the sweep dies at once, as if the machine had lost its power."""

MLFLOW = "MLflow server"
"""It dies and is started again after some seconds, or stands still."""

UNWELL = "unwell MLflow"
"""An MLflow server that answers late, with 500, or not at all after it has done what was asked."""

MACHINE = "another machine"
"""One of two loses all of its processes at once, or its network for some seconds."""

POINTS = {
    "tune_tasks.sweep.journal_file:JournalFile.write": 12,
    "tune_tasks.sweep.journal_file:JournalFile.sync": 12,
    "tune_tasks.sweep.journal:Journal.closed": 1,
    "tune_tasks.sweep.attempts:Attempts.start": 7,
    "tune_tasks.model.result_file:ResultFile.append": 12,
    "tune_tasks.model.files:AttemptPaths.write_outcome": 2,
    "tune_tasks.model.checkpoint_manifest:seal": 3,
    "tune_tasks.model.checkpoint_folder:put_in_place": 3,
    "tune_tasks.model.checkpoint_folder:remove": 1,
    "tune_tasks.trial.restoring:_take_reports": 1,
    "tune_tasks.tracking.mlflow_runs:MlflowRuns.find_or_create": 7,
    "tune_tasks.tracking.steps:Steps._note": 40,
    # Called for each metric of a batch.
    "mlflow.store.tracking.sqlalchemy_store:SqlAlchemyStore.sanitize_metric_value": 300,
    # Between the metrics of a batch and its tags.
    "mlflow.store.tracking.sqlalchemy_store:SqlAlchemyStore._set_tags": 30,
    "tune_tasks.tracking.mlflow:MlflowTracker.close_attempt": 7,
    "tune_tasks.tracking.mlflow:MlflowTracker.close_sweep": 1,
}
"""Functions before or after one of whose calls the process that runs them dies, or stands still.

With how many calls there are in one process.
"""

KINDS = [*ROLES, GROUP, MLFLOW, UNWELL, MACHINE, *POINTS]


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        target: One of `KINDS`.
        stands_still_s: Seconds that the process is stopped; None if it is killed.
        at: When, as a share of the undisturbed sweep's time; for a point, which call.
        when: Of a point: before or after the call.
        seed: Of an unwell server's troubles.
    """

    target: str
    stands_still_s: float | None = None
    at: float = 0.0
    when: str = ""
    seed: int = 0

    def __str__(self) -> str:
        if self.target == UNWELL:
            return f"{UNWELL}, seed {self.seed}"
        what = "kill" if self.stands_still_s is None else f"stop for {self.stands_still_s:.0f} s"
        if self.when:
            return f"{what} {self.when} call {self.at:g} of {self.target.partition(':')[2]}"
        return f"{what} {self.target} at {self.at:.0%}"

    def at_a_point(self) -> str:
        """What the processes are told of it, if it is at a point; else nothing."""
        if not self.when:
            return ""
        number = "SIGKILL" if self.stands_still_s is None else "SIGSTOP"
        return f"{self.target}:{self.when}:{self.at:g}:{number}"


def random_faults(
    number: int, seed: int, kinds: Sequence[str] = KINDS, further: Mapping[str, int] = POINTS
) -> Iterator[Fault]:
    """Every kind in turn, at random times.

    Args:
        number: How many.
        seed: Of what is random.
        kinds: Which ones.
        further: Points beside `POINTS`; these have their turn before the kinds.
    """
    generator = random.Random(seed)
    points = {**POINTS, **further}
    kinds = [*(point for point in further if point not in POINTS), *kinds]
    for index in range(number):
        target = kinds[index % len(kinds)]
        stops = generator.random() < 1 / 3 and target != GROUP
        still_s = generator.uniform(2, 12) if stops else None
        if target in points:
            when = generator.choice(["before", "after"])
            yield Fault(target, still_s, generator.randint(1, points[target]), when)
        elif target == UNWELL:
            yield Fault(target, seed=generator.randrange(1000))
        else:
            yield Fault(target, still_s, generator.random())
