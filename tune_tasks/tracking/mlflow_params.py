"""A config as MLflow's params, and what its charts need beside them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tune_tasks.tracking.mlflow_names import marked, safe_key

ConfigPath = tuple[str, ...]
"""The keys that lead to a value of a config."""

_AS_TEXT = " as text"
_AXIS_TEXTS = 30  # MLflow's parallel coordinates drop runs beyond the 30th distinct text
# What JavaScript's Number() takes for a number: MLflow's charts go by it.
_NUMBER = re.compile(
    r"""\s*(
        [-+]? ( \d+\.?\d* | \.\d+ ) ( [eE][-+]?\d+ )?
      | [-+]? Infinity
      | 0[xX][\da-fA-F]+ | 0[oO][0-7]+ | 0[bB][01]+
    )?\s*""",
    re.ASCII | re.VERBOSE,
)


@dataclass(frozen=True)
class SearchedParam:
    """A param that is searched, as MLflow's charts have to take it.

    Parallel coordinates drop a run that lacks the param, a run with a text if most have a number
    (or the other way round), and a run with a text beyond the 30th.

    Attributes:
        name: The param's name in MLflow.
        is_even: Whether all trials have it, all with a number or all with a text.
        is_numeric: Whether all its values are numbers.
        texts: Number of its different values, counted up to 31.
    """

    name: str
    is_even: bool
    is_numeric: bool
    texts: int

    @property
    def chart_name(self) -> str:
        """The param that the charts show: itself, or a second one that has a text in every trial.

        The second one is for a param that is not even.
        """
        return self.name if self.is_even else safe_key(f"{self.name}{_AS_TEXT}")

    @property
    def fits_axis(self) -> bool:
        """Whether an axis of the param shows every trial."""
        return self.is_numeric or self.texts <= _AXIS_TEXTS


def searched_params(
    searched: Iterable[Mapping[str, Any]], always: Collection[str] | None = None
) -> tuple[SearchedParam, ...]:
    """Return the params of a search.

    Args:
        searched: The searched part of every trial's config. Of a trial that a model will propose
            it is an example: the same settings with other values.
        always: If there are such examples, the dotted paths of the settings that no trial lacks.
    """
    trials = 0
    tallies: dict[str, _Tally] = {}
    for config in searched:
        trials += 1
        for name, value in flat_params(config).items():
            tallies.setdefault(name, _Tally()).add(value)
    sure = tallies.keys() if always is None else set(map(safe_key, always))
    return tuple(tally.param(name, trials, is_sure=name in sure) for name, tally in tallies.items())


@dataclass
class _Tally:
    """Counts a param's values over the trials.

    Attributes:
        trials: Number of trials that have the param.
        numbers: Number of those whose value is a number.
        texts: The different values; no more of them than decide whether they fit an axis.
    """

    trials: int = 0
    numbers: int = 0
    texts: set[str] = field(default_factory=set)

    def add(self, value: str) -> None:
        self.trials += 1
        self.numbers += is_number(value)
        if len(self.texts) <= _AXIS_TEXTS:
            self.texts.add(value)

    def param(self, name: str, all_trials: int, *, is_sure: bool) -> SearchedParam:
        is_in_all = is_sure and self.trials == all_trials
        texts = len(self.texts)
        if not is_in_all:
            texts += 1  # that of the trials without the param
        return SearchedParam(
            name,
            is_even=is_in_all and self.numbers in (0, self.trials),
            is_numeric=is_in_all and self.numbers == all_trials,
            texts=texts,
        )


def chart_params(params: Sequence[SearchedParam], values: Mapping[str, str]) -> dict[str, str]:
    """Return the params that a trial needs beside its own, so that the charts show the trial.

    There is one for each param that is not even.

    Args:
        params: The params of the search.
        values: The trial's own, as `flat_params` gives them.
    """
    added = {}
    for param in params:
        if not param.is_even:
            value = values.get(param.name)
            added[param.chart_name] = "(none)" if value is None else f"={value}"
    return added


def is_number(text: str) -> bool:
    """Whether MLflow's charts take a param's value for a number."""
    return _NUMBER.fullmatch(text) is not None


def flat_params(config: Mapping[str, Any]) -> dict[str, str]:
    """Return params as MLflow takes them: `{"a": {"b": 1}}` as `{"a.b": "1"}`; lists are one value.

    Values are written as `mlflow.log_params(config)` in a script writes them, because MLflow
    refuses a second, other value. Two keys may have the same dotted name (`{"a.b": 1, "a": {"b":
    2}}`): the nested one has it in MLflow, and the other one a name of its own.
    """
    by_path = dict(param_values(config))
    owners = _owners(by_path)
    params = {}
    for path, value in by_path.items():
        name = ".".join(path)
        key = safe_key(name)
        if owners[name] != path:
            key = marked(key, repr(path))
        params[key] = str(value)
    return params


def _owners(paths: Iterable[ConfigPath]) -> dict[str, ConfigPath]:
    """Return which path has a dotted name: of several, the deepest."""
    return {".".join(path): path for path in sorted(paths, key=len)}


def param_values(
    config: Mapping[str, Any], path: ConfigPath = ()
) -> Iterator[tuple[ConfigPath, Any]]:
    """Yield the values that are params of their own, with their paths. A list is one value."""
    for key, value in config.items():
        below = (*path, str(key))
        if isinstance(value, Mapping) and value:
            yield from param_values(value, below)
        else:
            yield below, value
