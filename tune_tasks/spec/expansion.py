"""The trials of an experiment, each resolved when it is asked for. Pure.

A grid of 1,000,000 points is not 1,000,000 objects: a trial follows from the spec, the seed and its
index, and can be forgotten and made again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar, overload

from tune_tasks.errors import ExpressionError
from tune_tasks.model.trial import Trial
from tune_tasks.spec.arrangement import Arrangement
from tune_tasks.spec.expressions.plan_budget import PlanBudget
from tune_tasks.spec.replaying import STAGE, LocateStep, Stages
from tune_tasks.spec.resolution import Choose, Point, chosen
from tune_tasks.spec.rounds import Rounds
from tune_tasks.spec.scheduling import ReplayOptions
from tune_tasks.spec.schema import ExperimentSpec
from tune_tasks.spec.search_space import Resolved, SearchSpace
from tune_tasks.spec.start_up import StartUp
from tune_tasks.spec.trial_names import TrialNames
from tune_tasks.spec.wanted import Wanted
from tune_tasks.spec.warm_start import NO_HEAD_START, HeadStart

_OF_A_TRIAL = 8
"""Steps and values of a trial whose config is empty."""
_CHARACTERS_OF_A_VALUE = 8
_SPARE_FRAMES = 200

T = TypeVar("T")


class Expansion(Sequence[Trial]):
    """The trials of an experiment, in order. None of them is kept.

    The same trial is equal each time, and its config is a copy of its own each time.

    Args:
        name: The experiment's name.
        spec: Its spec.
        space: The search space of `spec.config`.
        seed: The sweep's seed, or the spec's own if it gives one.
        arrangement: What each trial tries; None: all of the grid, in order.
        points: The points of trials that have begun, or that a model has proposed, by index.
            Whoever has a proposal puts it in; before, nobody knows what that trial tries.
        head_start: What is known from earlier sweeps.
        locate_step: The place of a step of its schedule, for messages.
        said: By index, the values of those that have begun with what somebody has said. A point has
            not all their digits.

    Attributes:
        indices: The indices of the trials, in order.
        points: See above.
        rounds: Who says what each of them tries.
        space: See above.
    """

    def __init__(
        self,
        name: str,
        spec: ExperimentSpec,
        space: SearchSpace,
        seed: int,
        arrangement: Arrangement | None = None,
        points: Mapping[int, Point] | None = None,
        head_start: HeadStart = NO_HEAD_START,
        locate_step: LocateStep = lambda _: None,
        said: Mapping[int, Mapping[str, Any]] | None = None,
    ) -> None:
        self.points = dict(points or {})
        self._said = said or {}
        self.space = space
        self._moved: dict[int, Point] = {}
        self._name = name
        self._spec = spec
        self._seed = seed
        self._plateau = spec.plateau()
        in_order = Arrangement(num_trials(spec, space), space.grid_size)
        self._arrangement = arrangement or in_order
        self.indices = self._arrangement.indices
        start_up = StartUp(spec.searching(), space, derive_seed(seed, f"{name}/start-up"))
        self.rounds = Rounds(spec, space, self._arrangement, head_start, start_up)
        self._names = TrialNames(spec, space, self._arrangement.kept)
        replay = spec.scheduled(ReplayOptions)
        self._stages = Stages(spec.config, space, replay, locate_step)
        self._resources = spec.resources.resources()
        self._stop = spec.criteria()
        self._checkpoint = spec.checkpoint_rules()

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[Trial]:
        return map(self._trial, self.indices)

    @overload
    def __getitem__(self, place: int) -> Trial: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Trial]: ...
    def __getitem__(self, place: int | slice) -> Trial | Sequence[Trial]:
        chosen = self.indices[place]
        if isinstance(chosen, int):
            return self._trial(chosen)
        return [self._trial(index) for index in chosen]

    def check(self, budget: PlanBudget) -> None:
        """Resolve every trial once, and keep none: a trial that resolves now resolves later.

        Raises:
            ExpressionError: If an `eval` fails for a trial.
            SpecError: If the budget is used up.
        """
        # Later a trial is asked for from within Prefect's engine, with more calls on the stack than
        # now. Without frames to spare, evals that refer to one another could pass here and meet
        # Python's limit in the middle of a sweep.
        _with_fewer_frames(_SPARE_FRAMES, lambda: self._walk(budget))

    def searched(self, indices: Iterable[int]) -> Iterator[Mapping[str, Any]]:
        """What is searched of the configs of some trials.

        Those that a model will propose are as they would be if they were drawn: they have the same
        settings, with other values.
        """
        for index in indices:
            yield self._resolve(index).searched

    def is_known(self, index: int) -> bool:
        """Whether it is known what a trial tries: else a model will propose it."""
        return index in self.points or not self.rounds.is_proposed(index)

    def cell_of(self, index: int) -> int:
        """See `Rounds.cell_of`."""
        return self.rounds.cell_of(index)

    def resolved(self, index: int, choose: Choose | None = None) -> Resolved:
        """What a trial tries: as it is, or as it would be if its parameters were chosen so.

        Raises:
            ExpressionError: If a bound that depends on other settings fails then.
        """
        return self._resolve(index, choose=choose)

    def staged(self, index: int, stage: int) -> Resolved:
        """What a trial tries in a stage of its schedule."""
        return self._resolve(index, stage=stage)

    def later_forms(self, index: int) -> Iterator[Trial]:
        """A trial as it is in each later stage of its schedule."""
        first = self._trial(index)
        for stage in self._stages.later:
            resolved = self.staged(index, stage)
            yield replace(first, config=resolved.config, searched=resolved.searched)

    def _walk(self, budget: PlanBudget) -> None:
        for index in self.indices:
            name = self._names.of(index, self._resolve(index, budget).searched)
            for stage in self._stages.later:
                with self._stages.blaming(stage):
                    self._resolve(index, budget, stage=stage)
            cost = _OF_A_TRIAL + len(name) // _CHARACTERS_OF_A_VALUE
            budget.spend(cost, cost)

    def _trial(self, index: int) -> Trial:
        resolved = self._resolve(index) if self.is_known(index) else Resolved({}, {}, {})
        return Trial(
            experiment=self._name,
            index=index,
            name=self._names.of(index, resolved.searched),
            alg=self._spec.alg,
            config=resolved.config,
            searched=resolved.searched,
            point=resolved.point,
            proposed_by=self.rounds.proposer_of(index),
            seed=self.seed_of(index),
            resources=self._resources,
            stop=self._stop,
            max_failures=self._spec.max_failures,
            stop_grace_s=self._spec.stop_grace_s,
            plateau=self._plateau,
            isolate=self._spec.isolate,
            checkpoint=self._checkpoint,
        )

    def move(self, index: int, point: Point) -> None:
        """Have a trial that has begun go on with another config, under its old name."""
        self._names.keep(index, self._trial(index).name)
        self._moved[index] = point

    @property
    def stream(self) -> str:
        """Names the stream of all random numbers of the experiment."""
        return f"{self._seed}/{self._name}"

    def seed_of(self, index: int) -> int:
        """The seed of a trial."""
        return derive_seed(self._seed, f"{self._name}/{index}/trial")

    def config_with(self, index: int, combination: int) -> dict[str, Any]:
        """The config that a trial would have with another combination of the grid.

        Raises:
            ExpressionError: If an `eval` fails.
        """
        return self._resolve(index, combination=combination).config

    def _stream(self, index: int) -> str:
        return f"{self.stream}/{index}"

    def _resolve(
        self,
        index: int,
        budget: PlanBudget | None = None,
        combination: int | None = None,
        choose: Choose | None = None,
        stage: int | None = None,
    ) -> Resolved:
        if stage is None:
            stage = self._stages.of(self._moved.get(index, {}))
        if combination is None:
            combination = self._arrangement.combination(index)
        wanted = None if choose else self._wanted(index)
        choose = choose or self._choose(index)
        stream = self._stream(index)

        def resolve(wanted: Wanted | None = None) -> Resolved:
            space = self._stages.spaces[stage]
            return space.resolve(index, stream, budget, combination, choose, wanted)

        resolved = _granted(wanted, resolve) if wanted else None
        is_as_known = resolved and self._known_point(index) in (None, resolved.point)
        found = resolved if resolved and is_as_known else resolve()
        return self._stages.staged(found, stage)

    def _known_point(self, index: int) -> Point | None:
        """The point that a trial has now, if that is known; a schedule changes nothing of it."""
        point = self._moved.get(index, self.points.get(index))
        return None if point is None else {k: v for k, v in point.items() if k != STAGE}

    def _wanted(self, index: int) -> Wanted | None:
        """What somebody has said that a trial is to try, or earlier sweeps have found."""
        if index in self._said:
            return Wanted(self._said[index], is_wish=True)
        return self.rounds.wanted(index)

    def _choose(self, index: int) -> Choose:
        if index in self._moved:
            return chosen(self._moved[index])
        if index in self.points:
            return chosen(self.points[index])
        return self.rounds.chooser(index)


def _granted(wanted: Wanted, resolve: Callable[[Wanted], Resolved]) -> Resolved | None:
    """What a trial tries if it has what is wanted; None if that cannot be.

    Together, values of an earlier sweep may turn round bounds that depend on them.
    """
    try:
        return resolve(wanted)
    except ExpressionError:
        return None


def num_trials(spec: ExperimentSpec, space: SearchSpace) -> int:
    """The exact number of trials: the spec's, or the whole grid once."""
    return spec.num_trials or space.grid_size


def derive_seed(seed: int, stream: str) -> int:
    """A seed in [0, 2**32) for one purpose, the same on every machine."""
    digest = hashlib.sha256(f"{seed}/{stream}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


def _with_fewer_frames(frames: int, call: Callable[[], T]) -> T:
    """The result of `call`, with that many fewer frames before Python's recursion limit."""
    if frames == 0:
        return call()
    return _with_fewer_frames(frames - 1, call)
