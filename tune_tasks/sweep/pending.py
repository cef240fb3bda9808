"""The trials of a sweep that are to be started. Pure.

Taking the first one costs the same with ten and with a million pending trials, and those not taken
need not exist yet: a plan resolves a trial when it is asked for.
"""

from __future__ import annotations

import heapq
from collections import Counter, OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import overload

from tune_tasks.model.trial import Trial
from tune_tasks.spec.arrangement import place_of


@dataclass(frozen=True)
class Numbered:
    """The trials of one experiment with their indices, which may have gaps.

    Attributes:
        trials: In order of their indices. A trial may be resolved when it is asked for.
        indices: Of the trials, ascending.
    """

    trials: Sequence[Trial]
    indices: Sequence[int]

    def place(self, index: int) -> int | None:
        """Where the trial with an index is; None if there is none."""
        return place_of(index, self.indices)

    def trial(self, index: int) -> Trial:
        """The trial with an index, which must be there."""
        place = self.place(index)
        assert place is not None
        return self.trials[place]


@dataclass
class _Unstarted:
    """The trials of one experiment that were never started: from `first` on, but for `taken`."""

    all: Numbered
    first: int = 0
    taken: set[int] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self.all.trials) - self.first - len(self.taken)

    def numbered(self, experiment: int) -> Iterator[tuple[int, int]]:
        for place in range(self.first, len(self.all.trials)):
            if place not in self.taken:
                yield place, experiment

    def has(self, index: int) -> bool:
        place = self.all.place(index)
        return place is not None and place >= self.first and place not in self.taken

    def take(self, index: int) -> None:
        place = self.all.place(index)
        assert place is not None
        self.taken.add(place)
        while self.first in self.taken:
            self.taken.remove(self.first)
            self.first += 1


class Pending:
    """Every pending trial: those put back first, the latest first, then the others in plan order.

    In plan order the experiments are interleaved: the first trial of each, then the second of each.
    Those that wait, for a time or to be released, are pending, too, but cannot be taken until they
    are put back.

    Args:
        experiments: Experiment to its trials.
    """

    def __init__(self, experiments: Mapping[str, Numbered]) -> None:
        self._unstarted = {name: _Unstarted(trials) for name, trials in experiments.items()}
        self._put_back: OrderedDict[str, Trial] = OrderedDict()
        self._put_back_of: Counter[str] = Counter()
        self._waiting: dict[str, tuple[float, Trial]] = {}
        self._held: dict[str, Trial] = {}
        self._held_of: Counter[str] = Counter()

    def __len__(self) -> int:
        return self.left(without=())

    def __contains__(self, trial: Trial) -> bool:
        unstarted = self._unstarted.get(trial.experiment)
        is_unstarted = unstarted is not None and unstarted.has(trial.index)
        return trial.key in self._put_back or is_unstarted

    def next_unstarted(self, experiment: str) -> int | None:
        """The index of an experiment's next trial, if that one was never started; else None."""
        unstarted = self._unstarted[experiment]
        if self._put_back_of[experiment] or not len(unstarted):
            return None
        return unstarted.all.indices[unstarted.first]

    def is_ahead(self, experiment: str, trial: Trial) -> bool:
        """Whether an experiment's next trial is before a pending one, in plan order."""
        if trial.key in self._put_back:
            return False
        order = list(self._unstarted)
        place = self._unstarted[trial.experiment].all.place(trial.index)
        theirs = self._unstarted[experiment].first, order.index(experiment)
        return theirs < (place, order.index(trial.experiment))

    def take(self, trial: Trial) -> None:
        """Have a trial pending no longer.

        Raises:
            ValueError: If it is not pending.
        """
        if trial not in self:
            raise ValueError(f"the trial {trial.key} is not pending")
        if self._put_back.pop(trial.key, None):
            self._put_back_of[trial.experiment] -= 1
        else:
            self._unstarted[trial.experiment].take(trial.index)

    def put_back(self, trial: Trial) -> None:
        """Have a trial that was taken pending again, before all others."""
        self._put_back[trial.key] = trial
        self._put_back.move_to_end(trial.key, last=False)
        self._put_back_of[trial.experiment] += 1

    def waits(self, without: Collection[str] = ()) -> bool:
        """Whether a trial waits, apart from those of some experiments."""
        return self._waiting_of_others(without) > 0

    def left(self, without: Collection[str]) -> int:
        """How many trials are pending, apart from those of some experiments."""
        held = sum(count for name, count in self._held_of.items() if name not in without)
        return self.count(without) + self._waiting_of_others(without) + held

    def _waiting_of_others(self, without: Collection[str]) -> int:
        return sum(trial.experiment not in without for _, trial in self._waiting.values())

    def wait(self, trial: Trial, until: float) -> None:
        """Have a trial that was taken pending, but put it back only at that time."""
        self._waiting[trial.key] = (until, trial)

    def end_waits(self, now: float) -> None:
        """Put back those whose time is up, in the order in which it was."""
        due = [(until, key) for key, (until, _) in self._waiting.items() if until <= now]
        for _, key in sorted(due):
            self.end_wait(key)

    def end_wait(self, key: str) -> None:
        """Put a trial back before its time, if it waits."""
        if key in self._waiting:
            _, trial = self._waiting.pop(key)
            self.put_back(trial)

    def hold(self, trial: Trial) -> None:
        """Have a trial pending, but so that it can be taken only once it is released."""
        if self._put_back.pop(trial.key, None):
            self._put_back_of[trial.experiment] -= 1
        self._held[trial.key] = trial
        self._held_of[trial.experiment] += 1

    def release(self, key: str) -> None:
        """Put a trial back that is held, if it is."""
        if key in self._held:
            self.put_back(self.drop(key))

    def drop(self, key: str) -> Trial:
        """Have a trial that is held pending no longer; returns it."""
        trial = self._held.pop(key)
        self._held_of[trial.experiment] -= 1
        return trial

    def has_only_held(self, experiment: str) -> bool:
        """Whether all pending trials of an experiment are held."""
        waits = any(trial.experiment == experiment for _, trial in self._waiting.values())
        is_left = self._put_back_of[experiment] or len(self._unstarted[experiment])
        return not (waits or is_left)

    def without(self, experiments: Collection[str]) -> Sequence[Trial]:
        """The trials of all other experiments that can be taken, in order, resolved on demand."""
        return _View(self, experiments)

    def count(self, without: Collection[str]) -> int:
        """How many trials can be taken, apart from those of some experiments."""
        names = self._unstarted.keys() - set(without)
        return sum(self._put_back_of[name] + len(self._unstarted[name]) for name in names)

    def iterate(self, without: Collection[str]) -> Iterator[Trial]:
        """Them, in order, apart from those of some experiments."""
        for trial in self._put_back.values():
            if trial.experiment not in without:
                yield trial
        experiments = [e for name, e in self._unstarted.items() if name not in without]
        rows = (e.numbered(number) for number, e in enumerate(experiments))
        for place, number in heapq.merge(*rows):
            yield experiments[number].all.trials[place]


class _View(Sequence[Trial]):
    """What a scheduler chooses from. `view[0]`, `len(view)` and `bool(view)` are cheap."""

    def __init__(self, pending: Pending, without: Collection[str]) -> None:
        self._pending = pending
        self._without = without

    def __len__(self) -> int:
        return self._pending.count(self._without)

    def __iter__(self) -> Iterator[Trial]:
        return self._pending.iterate(self._without)

    @overload
    def __getitem__(self, index: int) -> Trial: ...
    @overload
    def __getitem__(self, index: slice) -> list[Trial]: ...
    def __getitem__(self, index: int | slice) -> Trial | list[Trial]:
        if isinstance(index, slice):
            return list(self)[index]
        place = range(len(self))[index]
        return next(islice(self, place, None))
