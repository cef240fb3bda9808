"""Which searcher a spec's `search` stands for. Pure."""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Mapping, Sequence

from tune_tasks.model.objective import Objectives
from tune_tasks.search.cmaes_model import CmaesSearcher
from tune_tasks.search.observation import Observation
from tune_tasks.search.optuna_models import Model, OptunaSearcher
from tune_tasks.search.searcher import Searcher
from tune_tasks.spec.domains import Categories, Scale
from tune_tasks.spec.resolution import Choose
from tune_tasks.spec.search import Search
from tune_tasks.spec.search_space import SearchSpace

_FEWEST = 10
"""Of trials that have ended, for a model; as Optuna has it."""
_MANY = 250
"""From so many trials on CMA-ES is better than a Gaussian process, and asks faster."""


def searcher_of(search: Search, space: SearchSpace, objectives: Objectives) -> Searcher:
    """The searcher of an experiment whose `search` learns."""
    return _Makes(search, space, objectives).searcher()


def has_torch() -> bool:
    """Whether torch is installed, which `gp` needs."""
    return importlib.util.find_spec("torch") is not None


def is_numeric(space: SearchSpace) -> bool:
    """Whether every trial has every parameter, and all are numbers or in an order."""
    return all(
        not parameter.is_conditional and not isinstance(parameter.scale, Categories)
        for parameter in space.parameters
    )


class _Makes:
    """Makes searchers of one space."""

    def __init__(self, search: Search, space: SearchSpace, objectives: Objectives) -> None:
        self._search = search
        self._scales: Mapping[str, Scale] = {each.name: each.scale for each in space.parameters}
        self._is_numeric = is_numeric(space)
        self._modes = [each.mode for each in objectives.each]
        self._has_constraints = bool(objectives.constraints)

    def searcher(self) -> Searcher:
        match self._search.algorithm:
            case "gp" | "nsga2" as model:
                return self._optuna(model)
            case "cmaes":
                return self._cmaes(self._search.startup_trials)
            case "auto" if self._is_numeric and len(self._modes) == 1:
                few = self._optuna("gp" if has_torch() else "tpe")
                many = self._optuna("tpe") if self._has_constraints else self._cmaes(_MANY)
                return _InTurn(few, many)
            case _:
                return self._optuna("tpe")

    def _optuna(self, model: Model) -> Searcher:
        return OptunaSearcher(
            model,
            self._scales,
            self._modes,
            fewest=min(_FEWEST, self._search.startup_trials),
            size=max(2, self._search.startup_trials),
            ignores_failures=self._search.ignores_failures,
        )

    def _cmaes(self, first: int) -> Searcher:
        return CmaesSearcher(
            self._scales,
            first,
            mode=self._modes[0],
            ignores_failures=self._search.ignores_failures,
        )


class _InTurn(Searcher):
    """One searcher for few trials, and another one, which begins at their best, for many."""

    def __init__(self, few: Searcher, many: Searcher) -> None:
        self._few = few
        self._many = many

    def ask(self, history: Sequence[Observation], index: int, rng: random.Random) -> Choose:
        searcher = self._few if len(history) < _MANY else self._many
        return searcher.ask(history, index, rng)
