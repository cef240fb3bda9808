"""The tasks of the benchmarks of early stopping: trials whose curves are known.

- Tables: small networks on scikit-learn's data sets, from `learning_curves.py`.
- The Hartmann functions in 3 and 6 dimensions with a fidelity (Kandasamy et al. 2017), with the
  bias and the noise that `mf-prior-bench` gives them (Mallik et al. 2023): after few epochs the
  function is flatter, and its value is worse by a random amount. Bias and noise fall with the
  logarithm of the epochs.

Needs NumPy alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from _simulation import Curve
from learning_curves import AXES
from numpy.typing import NDArray

Array = NDArray[Any]

EPOCHS = 81
_TABLES = Path(__file__).with_name("learning_curves.npz")
_DRAWN = 2_000
_ALPHA = np.array([1.0, 1.2, 3.0, 3.2])
_A = {
    3: np.array([[3, 10, 30], [0.1, 10, 35], [3, 10, 30], [0.1, 10, 35]]),
    6: np.array(
        [
            [10, 3, 17, 3.5, 1.7, 8],
            [0.05, 10, 17, 0.1, 8, 14],
            [3, 3.5, 1.7, 10, 17, 8],
            [17, 8, 0.05, 10, 0.1, 14],
        ]
    ),
}
_P = {
    3: 1e-4
    * np.array([[3689, 1170, 2673], [4699, 4387, 7470], [1091, 8732, 5547], [381, 5743, 8828]]),
    6: 1e-4
    * np.array(
        [
            [1312, 1696, 5569, 124, 8283, 5886],
            [2329, 4135, 8307, 3736, 1004, 9991],
            [2348, 1451, 3522, 2883, 3047, 6650],
            [4047, 8828, 8732, 5743, 1091, 381],
        ]
    ),
}
_LEAST = {3: -3.86278, 6: -3.32237}
_BIAS_AND_NOISE = {"good": (2.5, 2.0), "bad": (3.5, 4.0)}


@dataclass(frozen=True)
class Task:
    """What is tuned.

    Attributes:
        name: For tables.
        best: The least value there is.
        typical: The median of the trials' last values: a regret of 1.
        draw: Trials without end, or until each config was drawn once, at random.
        options: The values of each parameter; empty if it is any number in [0, 1].
        at: A trial of a config: by parameter, the number of the option, or the number in [0, 1].
    """

    name: str
    best: float
    typical: float
    draw: Callable[[np.random.Generator], Iterator[Curve]]
    options: Mapping[str, Sequence[Any]]
    at: Callable[[Mapping[str, Any], np.random.Generator], Curve]

    def regret(self, value: float) -> float:
        """0 for the best value there is, 1 for the median of random trials."""
        return (value - self.best) / (self.typical - self.best)


@dataclass(frozen=True)
class Table:
    """Curves of all configs: values `[config, seed, epoch]` and seconds of an epoch."""

    values: Array
    seconds: Array

    def curve(self, config: int, seed: int) -> Curve:
        """That of one trial."""
        values = self.values[config, seed].tolist()
        return Curve(values, float(self.seconds[config, seed]), config)


@cache
def table(data_set: str, metric: str) -> Table:
    """One of the file's."""
    with np.load(_TABLES) as file:
        values = file[f"{data_set}_{metric}"].astype(np.float64)
        return Table(values, file[f"{data_set}_seconds"])


def tasks() -> Sequence[Task]:
    """All of them."""
    return [
        _of_table("digits", "error"),
        _of_table("digits", "loss"),
        _of_table("breast_cancer", "loss"),
        _of_table("wine", "loss"),
        *(_of_hartmann(dimensions, kind) for dimensions in (3, 6) for kind in ("good", "bad")),
    ]


def _of_table(data_set: str, metric: str) -> Task:
    curves = table(data_set, metric)

    def draw(rng: np.random.Generator) -> Iterator[Curve]:
        for config in rng.permutation(len(curves.values)):
            yield curves.curve(int(config), int(rng.integers(curves.values.shape[1])))

    shape = [len(values) for values in AXES.values()]

    def at(config: Mapping[str, Any], rng: np.random.Generator) -> Curve:
        number = np.ravel_multi_index([config[name] for name in AXES], shape)
        return curves.curve(int(number), int(rng.integers(curves.values.shape[1])))

    finite = np.where(np.isfinite(curves.values), curves.values, np.inf)
    best, typical = finite.min(), np.median(finite[:, :, -1])
    return Task(f"{data_set} {metric}", float(best), float(typical), draw, AXES, at)


def _of_hartmann(dimensions: int, kind: str) -> Task:
    def draw(rng: np.random.Generator) -> Iterator[Curve]:
        while True:
            yield Curve(hartmann(rng.random(dimensions), kind, rng).tolist(), rng.uniform(0.5, 1.5))

    names = [f"x{i}" for i in range(dimensions)]

    def at(config: Mapping[str, Any], rng: np.random.Generator) -> Curve:
        point = np.array([config[name] for name in names])
        return Curve(hartmann(point, kind, rng).tolist(), rng.uniform(0.5, 1.5))

    rng = np.random.default_rng(0)
    last = [next(draw(rng)).values[-1] for _ in range(_DRAWN)]
    typical = float(np.median(last))
    options: Mapping[str, Sequence[Any]] = dict.fromkeys(names, ())
    return Task(f"hartmann{dimensions} {kind}", _LEAST[dimensions], typical, draw, options, at)


def hartmann(point: Array, kind: str, rng: np.random.Generator) -> Array:
    """The values at a point of the unit cube after 1, 2, … epochs."""
    bias, noise = _BIAS_AND_NOISE[kind]
    dimensions = len(point)
    exponents = -(_A[dimensions] * (point - _P[dimensions]) ** 2).sum(axis=1)
    lacking = 1 - np.log(np.arange(1, EPOCHS + 1)) / math.log(EPOCHS)
    heights = _ALPHA - bias * lacking[:, np.newaxis]
    worse: Array = noise * lacking * np.abs(rng.normal(size=EPOCHS))
    return -(heights @ np.exp(exponents)) + worse
