"""Models that learn from trials: Optuna's samplers, and nothing else of Optuna.

Its storage, its pruners and its loop are not used. A study is built in memory for each question,
from what the sweep's core knows, and a sampler is made for it, with a seed of its own. That costs
as much as a sampler that is kept (0.6 ms more for each question) and proposes as well; but the
answer follows from the question, so that nothing has to be stored, and a sweep that goes on after
a crash proposes what it would have proposed.

- TPE: Bergstra et al. 2011, with the multivariate kernel and the bandwidths of Watanabe 2023.
  See `search.optuna_tpe` for where it differs. Running trials are told as bad ones, so that they
  repel; but not in a finite space, if there is one objective. They are where the good ones are, and
  the model would move away from what it has just found, while `Study` tries no config twice in any
  case. In a continuous space they would come to lie close together.
- GP: a Gaussian process with a Matérn kernel and the logarithm of the expected improvement (Ament
  et al. 2023); of several objectives, with that of the hypervolume (Daulton et al. 2020). Needs
  torch.
- NSGA-II: see `search.nsga2`.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeGuard

from tune_tasks.model.front import best_first
from tune_tasks.model.objective import Mode
from tune_tasks.search.observation import Fate, Observation, lessons, violations
from tune_tasks.search.searcher import Searcher
from tune_tasks.spec.domains import Categories, Coordinate, Scale, Steps
from tune_tasks.spec.resolution import Choose

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

_MOST = 3_000
"""Questions about more trials take too long: the model then sees the best and the last."""
_BEST = 1_000
_FAR = 5.0
"""How far beyond the best three quarters a value may be, in widths of those."""
_MANY_STEPS = 64
"""From so many on a model sees a position: TPE then takes half the time, and finds as much."""
_HUGE = 1e100
"""Its square is a finite number."""
_AT = datetime(2017, 1, 1)
_NOTHING: dict[str, Any] = {}
_NO_STEPS: dict[int, float] = {}


Model = Literal["tpe", "gp", "nsga2"]


class OptunaSearcher(Searcher):
    """Asks one of Optuna's samplers.

    Args:
        model: Which.
        scales: Every parameter's.
        modes: Of the objectives.
        fewest: While fewer trials have ended, values are drawn: those that end first are the short
            ones, and a model of so few is worse than chance.
        size: Of NSGA-II's generations.
        ignores_failures: Whether failed trials teach nothing; else they are as bad as the worst.
    """

    def __init__(
        self,
        model: Model,
        scales: Mapping[str, Scale],
        modes: Sequence[Mode],
        *,
        fewest: int,
        size: int = 0,
        ignores_failures: bool = False,
    ) -> None:
        self._model = model
        self._size = size
        self._scales = scales
        self._told_by_position = {
            name: scale for name, scale in scales.items() if _is_told_by_position(scale)
        }
        self._fewest = fewest
        self._modes = modes
        self._ignores_failures = ignores_failures
        is_finite = all(map(_is_finite, scales.values()))
        self._is_told_what_runs = not (model == "tpe" and len(modes) == 1 and is_finite)

    def ask(self, history: Sequence[Observation], index: int, rng: random.Random) -> Choose:
        """Propose what a trial tries; see `Searcher.ask`."""
        import optuna

        from tune_tasks.search.optuna_storage import ToldStorage

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        told = list(self._told(history))
        study = optuna.create_study(
            storage=ToldStorage(told),
            sampler=self._sampler(rng.getrandbits(32), told),
            directions=["maximize" if mode == "max" else "minimize" for mode in self._modes],
        )
        trial = study.ask()

        def choose(name: str, scale: Scale) -> Coordinate:
            if isinstance(scale, Categories):
                return int(trial.suggest_categorical(name, range(scale.count)))
            if _has_few(scale):
                return trial.suggest_int(name, scale.low, scale.high, log=scale.log)
            return scale.at(trial.suggest_float(name, 0.0, 1.0))

        return choose

    def _sampler(self, seed: int, told: Sequence[FrozenTrial]) -> BaseSampler:
        import optuna

        if self._model == "nsga2":
            from tune_tasks.search.nsga2 import ReplayedNsga2

            return ReplayedNsga2(
                seed, self._size, [each for each in told if each.state.is_finished()]
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            if self._model == "gp":
                return optuna.samplers.GPSampler(seed=seed, n_startup_trials=self._fewest)
            return self._tpe(seed)

    def _tpe(self, seed: int) -> BaseSampler:
        from tune_tasks.search.optuna_tpe import SteppedTpe, ToldTpe

        kind = SteppedTpe if len(self._modes) == 1 else ToldTpe
        return kind(seed=seed, n_startup_trials=self._fewest)

    def _told(self, history: Sequence[Observation]) -> Iterator[FrozenTrial]:
        seen = self._shortened(history)
        if self._model == "nsga2":
            # Parents have every parameter; those of an earlier form of the spec may lack one.
            seen = [each for each in seen if self._scales.keys() <= each.point.keys()]
        taught = lessons(seen, self._modes, ignores_failures=self._ignores_failures)
        known = {each.index: values for each, values in taught}
        if self._model == "gp":
            known = _all_tamed(known, self._modes)
        violated = violations(seen)
        frozen = _Frozen(self._scales)
        for number, each in enumerate(seen, start=1):
            is_told = self._is_told_what_runs if each.fate is Fate.RUNNING else each.index in known
            if not is_told:
                continue
            trial = frozen.trial(number, self._point(each), known.get(each.index, ()))
            for place, excess in enumerate(violated.get(each.index, ())):
                trial.set_constraint(str(place), _bounded(excess))
            yield trial

    def _point(self, each: Observation) -> dict[str, Coordinate]:
        """The parameters of a trial, without those that only an earlier form of the spec had."""
        point = each.point
        if not point.keys() <= self._scales.keys():
            point = {name: at for name, at in point.items() if name in self._scales}
        placed = {
            name: scale.position(point[name])
            for name, scale in self._told_by_position.items()
            if name in point
        }
        return {**point, **placed}

    def _shortened(self, history: Sequence[Observation]) -> Sequence[Observation]:
        if len(history) <= _MOST:
            return history
        last = history[_BEST - _MOST :]
        earlier = [each for each in history[: _BEST - _MOST] if each.values and each.is_feasible]
        points = [tuple(self._signed(each.values)) for each in earlier]
        best = sorted(best_first(points)[:_BEST])
        return [*(earlier[place] for place in best), *last]

    def _signed(self, values: Sequence[float]) -> Iterator[float]:
        for mode, value in zip(self._modes, values, strict=True):
            yield -value if mode == "max" else value


def _all_tamed(
    values: Mapping[int, tuple[float, ...]], modes: Sequence[Mode]
) -> dict[int, tuple[float, ...]]:
    tamed = [
        _tamed({index: each[place] for index, each in values.items()}, mode)
        for place, mode in enumerate(modes)
    ]
    return {index: tuple(column[index] for column in tamed) for index in values}


def _tamed(values: Mapping[int, float], mode: Mode) -> dict[int, float]:
    """The values, those apart that are far worse than most: they are told as less bad.

    A Gaussian process takes values for what they are, and one loss of 1e30 would make all the
    others look the same.
    """
    sign = -1.0 if mode == "max" else 1.0
    bad = {index: _bounded(sign * value) for index, value in values.items()}
    ordered = sorted(bad.values())
    if not ordered:
        return {}
    quarter = ordered[3 * len(ordered) // 4]
    worst = quarter + _FAR * (quarter - ordered[0])
    return {index: sign * min(value, worst) for index, value in bad.items()}


def _bounded(value: float) -> float:
    return min(max(value, -_HUGE), _HUGE)


class _Frozen:
    """Makes trials in Optuna's form.

    There are thousands in each question, so what they have in common is there once.
    """

    def __init__(self, scales: Mapping[str, Scale]) -> None:
        from optuna.trial import FrozenTrial, TrialState

        self._form = FrozenTrial
        self._states = TrialState
        self._distributions = {name: _distribution(scale) for name, scale in scales.items()}
        self._by_names: dict[tuple[str, ...], dict[str, BaseDistribution]] = {}

    def trial(
        self, number: int, params: dict[str, Coordinate], values: Sequence[float]
    ) -> FrozenTrial:
        """A trial; one without values runs."""
        return self._form(
            number=number,
            trial_id=number,
            state=self._states.COMPLETE if values else self._states.RUNNING,
            value=None,
            values=values or None,
            datetime_start=_AT,
            datetime_complete=_AT if values else None,
            params=params,
            distributions=self._of(tuple(params)),
            user_attrs=_NOTHING,
            system_attrs={},
            intermediate_values=_NO_STEPS,
        )

    def _of(self, names: tuple[str, ...]) -> dict[str, BaseDistribution]:
        known = self._by_names.get(names)
        if known is None:
            known = self._by_names[names] = {name: self._distributions[name] for name in names}
        return known


def _distribution(scale: Scale) -> BaseDistribution:
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if isinstance(scale, Categories):
        return CategoricalDistribution(range(scale.count))
    if _has_few(scale):
        return IntDistribution(scale.low, scale.high, log=scale.log)
    return FloatDistribution(0.0, 1.0)


def _has_few(scale: Scale) -> TypeGuard[Steps]:
    """Whether a model may see each step: a Gaussian process has all of them in memory."""
    return isinstance(scale, Steps) and scale.high - scale.low < _MANY_STEPS


def _is_finite(scale: Scale) -> bool:
    return isinstance(scale, Categories) or _has_few(scale)


def _is_told_by_position(scale: Scale) -> bool:
    return isinstance(scale, Steps) and not _has_few(scale)
