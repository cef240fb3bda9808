"""The names of an experiment's trials: what each one tries, in a few words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tune_tasks.model.masking import masked_by_path
from tune_tasks.model.text import escaped
from tune_tasks.spec.arrangement import Kept
from tune_tasks.spec.schema import ExperimentSpec
from tune_tasks.spec.search_space import SearchSpace


class TrialNames:
    """The names of an experiment's trials. A trial that has begun keeps its own.

    Args:
        spec: The experiment's.
        space: What is searched.
        kept: Trials that have begun under an earlier form of the spec, by index.
    """

    def __init__(self, spec: ExperimentSpec, space: SearchSpace, kept: Mapping[int, Kept]) -> None:
        self._spec = spec
        self._names = {index: each.name for index, each in kept.items()}
        # By dotted path, which is a parameter's name before the number of its branch.
        self._chosen = {parameter.name.partition("#")[0] for parameter in space.parameters}

    def keep(self, index: int, name: str) -> None:
        """Have a trial keep its name, whatever it tries later."""
        self._names[index] = name

    def of(self, index: int, searched: Mapping[str, Any]) -> str:
        """The name of a trial that tries this."""
        return self._names.get(index) or self._new_name(index, searched)

    def _new_name(self, index: int, searched: Mapping[str, Any]) -> str:
        values = masked_by_path(searched)
        settings = [f"{key}={self._shown(key, value)}" for key, value in values.items()]
        parts = [self._spec.alg, self._spec.env, str(index), *settings]
        return escaped("_".join(part for part in parts if part))

    def _shown(self, key: str, value: object) -> str:
        """A value as names have it; the digits of one that was chosen at random say nothing."""
        is_chosen = isinstance(value, float) and key in self._chosen
        return f"{value:.6g}" if is_chosen else str(value)
