"""Models that learn from trials: Optuna's samplers, and nothing else of Optuna.

Its storage, its pruners and its loop are not used. A study is built in memory for each question,
from what the sweep's core knows, and a sampler is made for it, with a seed of its own. That costs
as much as a sampler that is kept (0.6 ms more for each question) and proposes as well; but the
answer follows from the question, so that nothing has to be stored, and a sweep that goes on after
a crash proposes what it would have proposed.

- TPE: Bergstra et al. 2011, with the multivariate kernel and the bandwidths of Watanabe 2023.
  Running trials repel.
- GP: a Gaussian process with a Matérn kernel and the logarithm of the expected improvement (Ament
  et al. 2023). Needs torch.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal, TypeGuard

from tune_tasks.search.observation import Fate, Observation, lessons
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


class OptunaSearcher(Searcher):
    """Asks one of Optuna's samplers.

    Args:
        model: Which.
        scales: Every parameter's.
        fewest: While fewer trials have ended, values are drawn: those that end first are the short
            ones, and a model of so few is worse than chance.
        is_greater_better: Whether the greatest value of the objective is the best.
        ignores_failures: Whether failed trials teach nothing; else they are as bad as the worst.
    """

    def __init__(
        self,
        model: Literal["tpe", "gp"],
        scales: Mapping[str, Scale],
        *,
        fewest: int,
        is_greater_better: bool,
        ignores_failures: bool = False,
    ) -> None:
        self._model = model
        self._scales = scales
        self._as_they_are = {name for name, scale in scales.items() if _is_told_as_it_is(scale)}
        self._fewest = fewest
        self._is_greater_better = is_greater_better
        self._ignores_failures = ignores_failures

    def ask(self, history: Sequence[Observation], index: int, rng: random.Random) -> Choose:
        """Propose what a trial tries; see `Searcher.ask`."""
        import optuna

        from tune_tasks.search.optuna_storage import ToldStorage

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(
            storage=ToldStorage(list(self._told(history))),
            sampler=self._sampler(rng.getrandbits(32)),
            direction="maximize" if self._is_greater_better else "minimize",
        )
        trial = study.ask()

        def choose(name: str, scale: Scale) -> Coordinate:
            if isinstance(scale, Categories):
                return int(trial.suggest_categorical(name, range(scale.count)))
            if _has_few(scale):
                return trial.suggest_int(name, scale.low, scale.high, log=scale.log)
            return scale.at(trial.suggest_float(name, 0.0, 1.0))

        return choose

    def _sampler(self, seed: int) -> BaseSampler:
        import optuna

        from tune_tasks.search.optuna_tpe import ToldTpe

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            if self._model == "gp":
                return optuna.samplers.GPSampler(seed=seed, n_startup_trials=self._fewest)
            return ToldTpe(seed=seed, n_startup_trials=self._fewest)

    def _told(self, history: Sequence[Observation]) -> Iterator[FrozenTrial]:
        seen = self._shortened(history)
        taught = lessons(
            seen,
            is_greater_better=self._is_greater_better,
            ignores_failures=self._ignores_failures,
        )
        known = {each.index: value for each, value in taught}
        if self._model == "gp":
            known = _tamed(known, is_greater_better=self._is_greater_better)
        distributions = {name: _distribution(scale) for name, scale in self._scales.items()}
        for number, each in enumerate(seen, start=1):
            if each.fate is Fate.RUNNING or each.index in known:
                told = self._point(each)
                named = {name: distributions[name] for name in told}
                yield _told(number, each, told, named, known.get(each.index))

    def _point(self, each: Observation) -> dict[str, Coordinate]:
        """The parameters of a trial, without those that only an earlier form of the spec had."""
        return {
            name: at if name in self._as_they_are else self._scales[name].position(at)
            for name, at in each.point.items()
            if name in self._scales
        }

    def _shortened(self, history: Sequence[Observation]) -> Sequence[Observation]:
        if len(history) <= _MOST:
            return history
        last = history[_BEST - _MOST :]
        earlier = [each for each in history[: _BEST - _MOST] if each.value is not None]
        sign = -1 if self._is_greater_better else 1
        best = sorted(earlier, key=lambda each: (sign * (each.value or 0.0), each.index))[:_BEST]
        return [*sorted(best, key=lambda each: each.index), *last]


def _tamed(values: Mapping[int, float], *, is_greater_better: bool) -> dict[int, float]:
    """The values, those apart that are far worse than most: they are told as less bad.

    A Gaussian process takes values for what they are, and one loss of 1e30 would make all the
    others look the same.
    """
    sign = -1.0 if is_greater_better else 1.0
    bad = {index: min(max(sign * value, -_HUGE), _HUGE) for index, value in values.items()}
    ordered = sorted(bad.values())
    if not ordered:
        return {}
    quarter = ordered[3 * len(ordered) // 4]
    worst = quarter + _FAR * (quarter - ordered[0])
    return {index: sign * min(value, worst) for index, value in bad.items()}


def _told(
    number: int,
    each: Observation,
    params: dict[str, Coordinate],
    distributions: dict[str, BaseDistribution],
    value: float | None,
) -> FrozenTrial:
    """A trial in Optuna's form; one without a value runs."""
    from optuna.trial import FrozenTrial, TrialState

    state = TrialState.RUNNING if value is None else TrialState.COMPLETE
    steps: dict[int, float] = {}
    if each.fate is Fate.STOPPED and each.step is not None and value is not None:
        # TPE ranks them behind those that have finished, the further they came the better
        state = TrialState.PRUNED
        steps[int(each.step)] = value
        value = None
    return FrozenTrial(
        number=number,
        trial_id=number,
        state=state,
        value=value,
        datetime_start=_AT,
        datetime_complete=None if state is TrialState.RUNNING else _AT,
        params=params,
        distributions=distributions,
        user_attrs={},
        system_attrs={},
        intermediate_values=steps,
    )


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


def _is_told_as_it_is(scale: Scale) -> bool:
    return not isinstance(scale, Steps) or _has_few(scale)
