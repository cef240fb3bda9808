"""What models are asked in a sweep, and what they may know. A part of the core; pure.

A trial that a model proposes is unknown until the proposal is there. One question of an experiment
is open at a time, and none is asked before there is room for the trial, because what ends meanwhile
teaches.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from tune_tasks.model.objective import Objectives
from tune_tasks.model.trial import CUT_SHORT, EndedBy, Outcome, TrialState
from tune_tasks.model.trial_key import experiment_of, index_of, key_of, parts_of
from tune_tasks.search.observation import Fate, Measured, Observation
from tune_tasks.spec.arrangement import place_of
from tune_tasks.spec.resolution import Point
from tune_tasks.spec.search_space import Resolved
from tune_tasks.sweep.pending import Pending


class Proposable(Protocol):
    """Trials that a model proposes, as `spec.expansion.Expansion` has them."""

    points: dict[int, Point]
    indices: Sequence[int]

    def is_known(self, index: int) -> bool:
        """Whether it is known what a trial tries."""

    def cell_of(self, index: int) -> int:
        """Which search of the experiment a trial belongs to."""

    def resolved(self, index: int) -> Resolved:
        """What a trial tries, if that is known."""


@dataclass(frozen=True)
class Learning:
    """An experiment that learns.

    Attributes:
        objectives: What is to be learnt, and what is allowed.
        trials: Its trials.
        lag: See `spec.search.SearchOptions`.
        told: What earlier sweeps teach, by cell of the grid; the trials have negative indices.
    """

    objectives: Objectives
    trials: Proposable
    lag: int | None = None
    told: Mapping[int, Sequence[Observation]] = field(default_factory=dict)

    @cached_property
    def metrics(self) -> frozenset[str]:
        """The metrics that are looked at: of every trial, in each question."""
        return frozenset(self.objectives.metrics())


class Learned:
    """What the experiments that learn have asked and heard.

    Args:
        experiments: By name.
        pending: Of the sweep.
        outcome: How a trial has ended; None if it has not.
    """

    def __init__(
        self,
        experiments: Mapping[str, Learning],
        pending: Pending,
        outcome: Callable[[str], Outcome | None],
    ) -> None:
        self._experiments = experiments
        self._pending = pending
        self._outcome = outcome
        self._open: dict[str, str] = {}
        self._metrics: dict[str, Mapping[str, float | None]] = {}
        self._points: dict[str, Point] = {}
        self._seen: dict[str, Observation] = {}
        # By experiment, how many of its first trials had all ended when somebody last looked.
        self._first_ended: dict[str, int] = {}

    @property
    def open(self) -> int:
        """How many questions have no answer yet."""
        return len(self._open)

    def unknown(self) -> dict[str, str]:
        """By experiment, the trial that is its next one and that nobody has proposed yet."""
        found = {}
        for name, learning in self._experiments.items():
            index = self._pending.next_unstarted(name)
            if index is not None and not learning.trials.is_known(index):
                found[name] = key_of(name, index)
        return found

    def questions(self) -> Iterator[str]:
        """The trials that can be asked about, one of each experiment that has no open question."""
        for name, key in self.unknown().items():
            if name not in self._open and self._has_heard_enough(name, key):
                yield key

    def asked(self, key: str) -> None:
        """Note that a model was asked about a trial."""
        self._open[experiment_of(key)] = key

    def proposed(self, key: str, point: Point) -> None:
        """Note what a model has proposed."""
        name = experiment_of(key)
        learning = self._experiments.get(name)
        if learning is None:
            return
        learning.trials.points[index_of(key)] = point
        if self._open.get(name) == key:
            del self._open[name]

    def ended(self, key: str, metrics: Mapping[str, float | None]) -> None:
        """Note what a trial has reported last."""
        if metrics and experiment_of(key) in self._experiments:
            self._metrics[key] = metrics
            self._seen.pop(key, None)

    def forget_questions(self) -> None:
        """Note that whoever was asked is gone."""
        self._open.clear()
        self._first_ended.clear()

    def history(self, key: str, begun: Mapping[str, int]) -> Iterator[Observation]:
        """What a model may know when it proposes a trial, in the order of the trials' indices.

        What earlier sweeps teach comes first: everybody may know it, whatever the lag.

        Args:
            key: The trial's.
            begun: The trials that were started.
        """
        name, asked = parts_of(key)
        learning = self._experiments[name]
        cell = learning.trials.cell_of(asked)
        yield from learning.told.get(cell, ())
        known = {index for experiment, index in map(parts_of, begun) if experiment == name}
        for index in sorted(known | learning.trials.points.keys()):
            is_late = learning.lag is not None and index >= asked - learning.lag
            is_there = place_of(index, learning.trials.indices) is not None
            if is_there and not is_late and learning.trials.cell_of(index) == cell:
                yield from self._observation(key_of(name, index), index, learning)

    def _observation(self, key: str, index: int, learning: Learning) -> Iterator[Observation]:
        """What is known of a trial; kept once it has ended: each question asks for all of them."""
        fate = fate_of(self._outcome(key))
        seen = self._seen.get(key)
        if seen is not None and seen.fate is fate:
            yield seen
            return
        metrics = self._metrics.get(key, {})
        # If nobody has asked for a value then, because an edit has made another metric count.
        is_unknown = not metrics.keys() >= learning.metrics
        if fate is None or (fate is Fate.FINISHED and is_unknown):
            return
        point = self._point(key, index, learning)
        if fate is Fate.RUNNING:
            yield Observation(index, point, fate)
            return
        value, excesses, others = Measured.of(learning.objectives, metrics)
        made = Observation(index, point, fate, value, excesses=excesses, others=others)
        self._seen[key] = made
        yield made

    def _point(self, key: str, index: int, learning: Learning) -> Point:
        if key not in self._points:
            self._points[key] = learning.trials.resolved(index).point
        return self._points[key]

    def _has_heard_enough(self, name: str, key: str) -> bool:
        """Whether all trials have ended that the answer has to take into account."""
        lag = self._experiments[name].lag
        if lag is None:
            return True
        indices = self._experiments[name].trials.indices
        first = self._first_ended.get(name, 0)
        last = bisect_left(indices, index_of(key) - lag)
        while first < last and self._outcome(f"{name}/{indices[first]}"):
            first += 1
        self._first_ended[name] = first
        return first >= last


def fate_of(outcome: Outcome | None) -> Fate | None:
    """What has become of a trial; None if it was cut short, which teaches nothing."""
    if outcome is None:
        return Fate.RUNNING
    if outcome.state is TrialState.ERROR:
        return Fate.FAILED
    if outcome.ended_by in CUT_SHORT:
        return None
    is_stopped = outcome.ended_by in (EndedBy.SCHEDULER, EndedBy.PAUSED)
    return Fate.STOPPED if is_stopped else Fate.FINISHED
