"""Tables and a drawing of what `search.py` has measured."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Line = Mapping[str, Any]
Curve = NDArray[np.float64]
OURS = "ours"
_TRIALS = 100
_TABLES = 15
_BEFORE = 1.0
"""The regret before any trial has ended."""
_MOMENTS = np.linspace(0, 1, 101)
"""1 is how long the trials would take on all workers if each took as long as a mean config."""


@dataclass(frozen=True)
class Seed:
    """The sweeps of one method, one seed and one number of workers: means over the tables.

    Attributes:
        by_trials: The regret of the best config after each trial.
        by_time: The same at each of some moments.
        chosen: The regret of the config that seems the best in the end.
    """

    by_trials: Curve
    by_time: Curve
    chosen: float


Seeds = Mapping[int, Seed]


def report(lines: Sequence[Line], images: Path | None) -> None:
    """Print a table for each number of workers, and draw them all."""
    measured = {workers: _methods(lines, workers) for workers in _workers(lines)}
    for workers, methods in measured.items():
        _print_table(workers, methods)
    if images:
        _draw(measured, images / "search-regret.png")


def _workers(lines: Sequence[Line]) -> list[int]:
    return sorted({line["workers"] for line in lines})


def _methods(lines: Sequence[Line], workers: int) -> dict[str, Seeds]:
    """The seeds of which all tables are there, by method, in the order of the file."""
    found: dict[str, dict[int, list[Line]]] = defaultdict(lambda: defaultdict(list))
    for line in lines:
        if line["workers"] == workers:
            found[line["method"]][line["seed"]].append(line)
    whole = {
        method: {seed: _seed(each) for seed, each in seeds.items() if len(each) == _TABLES}
        for method, seeds in found.items()
    }
    return {method: seeds for method, seeds in whole.items() if seeds}


def _seed(lines: Sequence[Line]) -> Seed:
    return Seed(
        np.mean([line["regret"] for line in lines], axis=0),
        np.mean([_at_moments(line) for line in lines], axis=0),
        float(np.mean([line["chosen"][-1] for line in lines])),
    )


def _at_moments(line: Line) -> Curve:
    regret = np.array([_BEFORE, *line["regret"]])
    return regret[np.searchsorted(line["time"], _MOMENTS, side="right")]


def _print_table(workers: int, methods: Mapping[str, Seeds]) -> None:
    print(f"\n{workers} worker{'s' if workers > 1 else ''}: normalised regret")
    print(
        f"  {'':<24}{'seeds':>6}{'50 trials':>11}{'100 trials':>18}{'half time':>11}"
        f"{'full time':>18}{'chosen':>8}   after 100 trials, less ours (95 %)"
    )
    for method, seeds in methods.items():
        print(f"  {method:<24}{_figures(list(seeds.values()))}{_difference(methods, method)}")


def _figures(seeds: Sequence[Seed]) -> str:
    trials = np.array([each.by_trials for each in seeds])
    times = np.array([each.by_time for each in seeds])
    chosen = np.mean([each.chosen for each in seeds])
    return (
        f"{len(seeds):>6}{trials[:, _TRIALS // 2 - 1].mean():>11.4f}{_shown(trials[:, -1]):>18}"
        f"{times[:, len(_MOMENTS) // 2].mean():>11.4f}{_shown(times[:, -1]):>18}"
        f"{chosen:>8.4f}"
    )


def _shown(values: Curve) -> str:
    return f"{values.mean():.4f} ± {_half_width(values):.4f}"


def _half_width(values: Curve) -> float:
    """Of the interval in which the mean is with 95 %."""
    if len(values) < 2:
        return np.inf
    return float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))


def _difference(methods: Mapping[str, Seeds], method: str) -> str:
    """The seeds that both have are compared, one by one."""
    ours, theirs = methods.get(OURS, {}), methods[method]
    both = sorted(ours.keys() & theirs.keys())
    if method == OURS or not both:
        return ""
    more = np.array([theirs[s].by_trials[-1] - ours[s].by_trials[-1] for s in both])
    width = _half_width(more)
    said = "ours is better" if more.mean() > width else "ours is worse"
    verdict = said if abs(more.mean()) > width else "no difference"
    return f"   {more.mean():+.4f} ± {width:.4f}  {verdict}"


def _draw(measured: Mapping[int, Mapping[str, Seeds]], path: Path) -> None:
    """One column for each number of workers: against trials above, against time below."""
    import matplotlib as mpl
    from matplotlib import pyplot as plt

    mpl.rcParams["font.size"] = 9
    figure, axes = plt.subplots(
        2, len(measured), figsize=(4 * len(measured), 6.4), sharey=True, squeeze=False
    )
    for column, (workers, methods) in enumerate(measured.items()):
        above, below = axes[:, column]
        for method, seeds in methods.items():
            style = {"linewidth": 2.2 if method == OURS else 1.1, "label": method}
            trials = np.mean([each.by_trials for each in seeds.values()], axis=0)
            above.plot(np.arange(1, _TRIALS + 1), trials, **style)
            below.plot(_MOMENTS, np.mean([s.by_time for s in seeds.values()], axis=0), **style)
        above.set(title=f"{workers} at once", xlabel="trials that have ended", yscale="log")
        below.set(xlabel="time / (100 mean trials / workers)", yscale="log")
    for axis in axes[:, 0]:
        axis.set_ylabel("normalised regret")
    axes[0, -1].legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    print(f"\ndrawn: {path}")
