"""Optuna's TPE, for trials that were told to it. Imported once a model is asked.

It proposes what Optuna's proposes, in less time. A sampler is made for one question, and a
parameter has one domain in all trials; so the domains are not compared, and the good trials are
told from the bad ones once, where Optuna does both for each parameter that only some trials have.

With one objective its kernels differ where values are in steps (docs/search.md has what that is
worth): they are a step wide at least. Optuna's become narrower the more trials there are, down to a
hundredth of the range, and then a trial says nothing of the next step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import TPESampler
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator
from optuna.samplers._tpe.sampler import (
    _split_complete_trials,
    _split_trials,
    default_gamma,
    default_gamma_multiobjective,
)
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

_ENDED = (TrialState.COMPLETE,)
_number = attrgetter("number")
_Halves = tuple[list[FrozenTrial], list[FrozenTrial]]


class ToldTpe(TPESampler):
    """See the module's docstring."""

    _halves: _Halves | None = None

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """See Optuna's `BaseSampler`: the parameters that all trials have, in order."""
        ended = study.get_trials(deepcopy=False, states=_ENDED)
        if not ended:
            return {}
        domains = ended[0].distributions
        names = set(domains).intersection(*(each.params for each in ended))
        return {name: domains[name] for name in sorted(names) if not domains[name].single()}

    def _sample(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """See Optuna's `TPESampler`: values for these parameters."""
        if self._halves is None:
            self._halves = _halves(study, trial)
        good, bad = (
            self._build_parzen_estimator(study, search_space, half, handle_below=is_good)
            for half, is_good in zip(self._halves, (True, False), strict=True)
        )
        drawn = good.sample(self._rng.rng, self._n_ei_candidates)
        best = self._compare(drawn, self._compute_acquisition_func(drawn, good, bad))
        return {name: domain.to_external_repr(best[name]) for name, domain in search_space.items()}

    def _get_internal_repr(
        self, trials: list[FrozenTrial], search_space: dict[str, BaseDistribution], study: Study
    ) -> dict[str, np.ndarray]:
        """See Optuna's `TPESampler`: the parameters' values in the trials that have all of them."""
        params = [each.params for each in trials]
        rows = [each for each in params if search_space.keys() <= each.keys()]
        return {
            name: np.asarray(list(_internal([row[name] for row in rows], domain)))
            for name, domain in search_space.items()
        }


class SteppedTpe(ToldTpe):
    """With one objective; see the module's docstring."""

    def __init__(self, *, seed: int, n_startup_trials: int) -> None:
        super().__init__(seed=seed, n_startup_trials=n_startup_trials)
        self._parzen_estimator_cls = _SteppedDensity


class _SteppedDensity(_ParzenEstimator):
    """Optuna's, whose kernels are no narrower than a step."""

    def _calculate_numerical_distributions(self, *given: Any) -> Any:
        found: Any = super()._calculate_numerical_distributions(*given)
        step = found.step / np.exp(found.mu) if found.is_log else found.step
        return found._replace(sigma=np.maximum(found.sigma, step))


def _internal(values: Sequence[Any], domain: BaseDistribution) -> Iterator[float]:
    # What was told of a category is its number, and the categories are 0, 1, 2, …
    return iter(values) if isinstance(domain, CategoricalDistribution) else map(float, values)


def _halves(study: Study, asked: FrozenTrial) -> _Halves:
    """The good trials and the others, which those that run are among."""
    told = [each for each in study.get_trials(deepcopy=False) if each.number != asked.number]
    ended = [each for each in told if each.state in _ENDED]
    is_multi = len(study.directions) > 1
    count = (default_gamma_multiobjective if is_multi else default_gamma)(len(ended))
    if any(each.system_attrs for each in ended):
        return _split_trials(study, told, count)
    # The same for trials that are all allowed; constraints are looked up slowly.
    good, others = _split_complete_trials(ended, study, count)
    running = [each for each in told if each.state is TrialState.RUNNING]
    # By a key: to compare two trials costs a call each time.
    return sorted(good, key=_number), sorted([*others, *running], key=_number)
