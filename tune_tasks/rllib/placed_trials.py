"""The trials of an RLlib experiment whose configs are not all known, or change, with their shares.

What a trial's processes occupy follows from its config. It is known before the sweep begins, and
stays as it is, whatever a model proposes or a population takes over.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import overload

from tune_tasks.errors import Location, SpecError
from tune_tasks.model.trial import Resources, Trial
from tune_tasks.spec.expansion import Expansion
from tune_tasks.spec.scheduling import ReplayOptions
from tune_tasks.spec.schema import ExperimentSpec

Locator = Callable[..., Location | None]
"""The place of a path within the experiment."""
_Share = tuple[Resources, tuple[Resources, ...]]


class PlacedTrials(Sequence[Trial]):
    """Trials that are resolved anew each time, each with the shares that are known for it.

    Args:
        trials: Each is resolved when it is asked for.
        share: Gives a trial its shares.
    """

    def __init__(self, trials: Sequence[Trial], share: Callable[[Trial], Trial]) -> None:
        self._trials = trials
        self._share = share

    def __len__(self) -> int:
        return len(self._trials)

    @overload
    def __getitem__(self, place: int) -> Trial: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Trial]: ...
    def __getitem__(self, place: int | slice) -> Trial | Sequence[Trial]:
        if isinstance(place, slice):
            return [self[each] for each in range(len(self))[place]]
        return self._share(self._trials[place])


def placed_trials(
    experiment: ExperimentSpec, trials: Expansion, placed: Iterable[Trial], at: Locator
) -> PlacedTrials:
    """The trials with the shares of those that are like them.

    Args:
        experiment: Whose trials they are.
        trials: All of them.
        placed: Those that are known, with their shares, in each form that they will have.
        at: The place of a part of the experiment.

    Raises:
        SpecError: If some that may have one another's configs differ in their shares.
    """
    learns = experiment.searching().learns
    follows = experiment.scheduled(ReplayOptions)

    def group(trial: Trial) -> int:
        if follows:
            return trial.index
        return 0 if learns else trials.cell_of(trial.index)

    shares: dict[int, set[_Share]] = {}
    for trial in placed:
        shares.setdefault(group(trial), set()).add((trial.resources, trial.bundles))
    different = next((each for each in shares.values() if len(each) > 1), None)
    if different:
        place = at(("search" if learns else "scheduler",), key=True)
        raise SpecError(_different(different, experiment), place)

    def share(trial: Trial) -> Trial:
        ((resources, bundles),) = shares[group(trial)]
        return dataclasses.replace(trial, resources=resources, bundles=bundles)

    return PlacedTrials(trials, share)


def _different(shares: Iterable[_Share], experiment: ExperimentSpec) -> str:
    occupied = "; ".join(sorted({str(resources) for resources, _ in shares}))
    if experiment.scheduled(ReplayOptions):
        return f"scheduler: replay changes what a trial occupies while it runs: {occupied}"
    who = "scheduler: pbt has trials take over configs, and they must"
    if experiment.searching().learns:
        who = f"search: {experiment.searching().algorithm} proposes trials that"
    return f"{who} all occupy the same, but with these domains they differ: {occupied}"
