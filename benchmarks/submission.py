"""Deciding which trial is next, with few and with a million pending trials.

`python benchmarks/submission.py [--repeat 5]`.

Each decision is what the driver does when a trial ends: take the end in, choose the next one, want
it started. Beside it stands Ray Tune's own choice: `BasicVariantGenerator`, which its driver asks
for the next trial. Both sides hold the trials as they do in a sweep; ours resolves each when it
is started.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from _side_by_side import show, show_machine, show_ratio

from tune_tasks.model.trial import EndedBy, Outcome, Trial, TrialState
from tune_tasks.sweep.core import Core
from tune_tasks.sweep.core_state import CoreExperiment
from tune_tasks.sweep.events import AttemptEnded, SweepBegan

DECISIONS = 1_000
PEER_DECISIONS = 5
PEER_MANY = 10_000
"""A hundred thousand take Ray Tune minutes."""
FEW, MANY = 10 + DECISIONS, 1_000_000
TO_REACH = 2.0
_WELL = Outcome(TrialState.TERMINATED, EndedBy.RETURNED, "train() returned")


class _Trials(Sequence[Trial]):
    """Trials that are resolved when they are asked for, as a plan's are."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        return Trial("exp", index, f"script_{index}", "script", {}, {}, seed=0)


def ours(pending: int) -> float:
    """Microseconds for a decision."""
    core = Core({"exp": CoreExperiment(_Trials(pending))})
    core.handle(SweepBegan(0, 2))
    start = time.perf_counter()
    for index in range(DECISIONS):
        core.handle(AttemptEnded(index, f"exp/{index}", 1, _WELL))
    return 1e6 * (time.perf_counter() - start) / DECISIONS


def ray_tune(pending: int) -> float:
    """Microseconds until Ray Tune has its next trial; few are timed, each may take a second."""
    from ray import tune
    from ray.tune.search.basic_variant import BasicVariantGenerator

    tune.register_trainable("exp", lambda config: None)
    generator = BasicVariantGenerator()
    generator.add_configurations(
        {"exp": {"run": "exp", "config": {"x": tune.grid_search(list(range(pending)))}}}
    )
    generator.next_trial()
    start = time.perf_counter()
    for _ in range(PEER_DECISIONS):
        generator.next_trial()
    return 1e6 * (time.perf_counter() - start) / PEER_DECISIONS


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=5, help="the median counts")
    repeat = parser.parse_args().repeat
    show_machine()
    figures = {
        f"ours, {FEW:,} trials": _several(ours, FEW, repeat),
        f"ours, {MANY:,} trials": _several(ours, MANY, repeat),
        f"Ray Tune, {FEW:,} trials": _several(ray_tune, FEW, repeat),
        f"Ray Tune, {PEER_MANY:,} trials": _several(ray_tune, PEER_MANY, 1),
    }
    show("Microseconds for a decision", figures, "µs", 1)
    few, many = (median(figures[f"ours, {count:,} trials"]) for count in (FEW, MANY))
    peer = median(figures[f"Ray Tune, {PEER_MANY:,} trials"])
    ratio = many / few
    show_ratio("ours, many / few", ratio, f"<= {TO_REACH:g}", reached=ratio <= TO_REACH)
    show_ratio(
        f"Ray Tune with {PEER_MANY:,} / ours with {MANY:,}",
        peer / many,
        ">= 1",
        reached=peer >= many,
    )


def _several(measure: Callable[[int], float], pending: int, repeat: int) -> list[float]:
    return [measure(pending) for _ in range(repeat)]


if __name__ == "__main__":
    main()
