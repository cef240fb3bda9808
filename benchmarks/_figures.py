"""What the benchmarks of early stopping keep of a run, and what they say of many."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _simulation import Run
from _tasks import EPOCHS, Task
from numpy.typing import NDArray

MARK = EPOCHS // 9
"""Epochs from one look at the regret to the next."""
KEY = ("who", "task", "workers", "every", "seed")
_HUGE = 1e9

Row = Mapping[str, Any]


def figures(run: Run, task: Task, budget: int) -> dict[str, Any]:
    """What is kept of a run."""
    return {
        "regrets": [round(min(value, _HUGE), 6) for value in _regrets(run, task, budget)],
        "diverged": run.share_diverged,
        "trials": len(run.trials),
    }


def _regrets(run: Run, task: Task, budget: int) -> Iterator[float]:
    """The regret of the best report so far after each `MARK` epochs."""
    marks = iter(range(MARK, budget + 1, MARK))
    mark = next(marks)
    best = math.inf
    for spent, value in _spent(run):
        while mark is not None and spent > mark:
            yield task.regret(best)
            mark = next(marks, None)
        best = min(best, value)
    while mark is not None:
        yield task.regret(best)
        mark = next(marks, None)


def _spent(run: Run) -> Iterator[tuple[int, float]]:
    """For each report the epochs of all trials up to it, and its value if that is finite."""
    steps = [0] * len(run.trials)
    spent = 0
    for report in run.reports:
        spent += report.step - steps[report.trial]
        steps[report.trial] = report.step
        yield spent, report.value if math.isfinite(report.value) else math.inf


def read(path: Path) -> list[Row]:
    """The rows of a file, if it is there."""
    return [json.loads(line) for line in path.open()] if path.exists() else []


def name_of(row: Row) -> tuple[Any, ...]:
    """Which run a row is of."""
    return tuple(row[name] for name in KEY)


class Results:
    """The rows of one setting: so many workers, so many epochs from report to report.

    Only runs count that everybody has: the same tasks and seeds.
    """

    def __init__(self, rows: Iterable[Row], workers: int, every: int = 1) -> None:
        chosen = [row for row in rows if (row["workers"], row["every"]) == (workers, every)]
        self.who = list(dict.fromkeys(row["who"] for row in chosen))
        self.tasks = list(dict.fromkeys(row["task"] for row in chosen))
        self._rows = {(row["who"], row["task"], row["seed"]): row for row in chosen}
        seeds = {row["seed"] for row in chosen}
        self.seeds = [s for s in sorted(seeds) if self._has(s)]

    def _has(self, seed: int) -> bool:
        return all((who, task, seed) in self._rows for who in self.who for task in self.tasks)

    def regrets(self, who: str) -> NDArray[Any]:
        """`[task, seed, mark]`."""
        return self._all(who, "regrets")

    def mean(self, who: str, name: str) -> float:
        """Of a figure, over tasks and seeds."""
        return float(self._all(who, name).mean())

    def error(self, who: str, mark: int) -> float:
        """The standard error over seeds of the mean regret at a mark."""
        of_seeds = self.regrets(who)[:, :, mark].mean(axis=0)
        return float(of_seeds.std(ddof=1) / math.sqrt(len(of_seeds)))

    def to_reach(self, who: str, other: str) -> list[float]:
        """For each task the epochs to another's mean regret at the end, as a share of all epochs.

        Infinite if that is not reached.
        """
        pairs = zip(self.regrets(who), self.regrets(other), strict=True)
        return [_share(mine.mean(axis=0), theirs.mean(axis=0)[-1]) for mine, theirs in pairs]

    def _all(self, who: str, name: str) -> NDArray[Any]:
        rows = [[self._rows[who, task, seed][name] for seed in self.seeds] for task in self.tasks]
        return np.array(rows)


def _share(curve: Sequence[float], wanted: float) -> float:
    reached = (mark for mark, value in enumerate(curve, start=1) if value <= wanted)
    return next(reached, math.inf) / len(curve)
