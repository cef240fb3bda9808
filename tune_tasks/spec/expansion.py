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
from tune_tasks.model.masking import masked_by_path
from tune_tasks.model.text import escaped
from tune_tasks.model.trial import START_UP, TRY_FIRST, WARM_START, Trial
from tune_tasks.spec.arrangement import Arrangement
from tune_tasks.spec.expressions.plan_budget import PlanBudget
from tune_tasks.spec.replaying import STAGE, LocateStep, Stages
from tune_tasks.spec.resolution import Choose, Point, chosen, drawn
from tune_tasks.spec.scheduling import ReplayOptions
from tune_tasks.spec.schema import ExperimentSpec
from tune_tasks.spec.search_space import Resolved, SearchSpace
from tune_tasks.spec.start_up import StartUp
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
        self._cells = space.grid_size
        self._moved: dict[int, Point] = {}
        self._names: dict[int, str] = {}
        self._name = name
        self._spec = spec
        self._seed = seed
        self._plateau = spec.plateau()
        in_order = Arrangement(num_trials(spec, space), space.grid_size)
        self._arrangement = arrangement or in_order
        self.indices = self._arrangement.indices
        self._search = spec.searching()
        # By dotted path, which is a parameter's name before the number of its branch.
        self._chosen = {parameter.name.partition("#")[0] for parameter in space.parameters}
        self._try_first = spec.try_first
        self._head_start = head_start
        self._first_rounds = len(spec.try_first) + len(head_start.configs)
        self._start_up = StartUp(self._search, space, derive_seed(seed, f"{name}/start-up"))
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
        return index in self.points or not self._is_proposed(index)

    def _is_proposed(self, index: int) -> bool:
        if not self._search.learns:
            return False
        startup = max(self._search.startup_trials - self._told(index), 0)
        return self.round_of(index) >= self._first_rounds + startup

    def _told(self, index: int) -> int:
        """How many results of earlier sweeps a model has that proposes this trial."""
        return self._head_start.told.get(self.cell_of(index), 0)

    def head_start_of(self, index: int) -> int | None:
        """Which config of the head start a trial tries; None if none."""
        number = self.round_of(index) - len(self._try_first)
        return number if 0 <= number < len(self._head_start.configs) else None

    def cell_of(self, index: int) -> int:
        """The combination of the grid that a trial has; each has a search of its own."""
        if self._cells == 1:
            return 0  # most spaces have no grid, and a model's question asks this of every trial
        return self._arrangement.combination(index) % self._cells

    def round_of(self, index: int) -> int:
        """How often the trial's combination of the grid is tried before it."""
        return self._arrangement.combination(index) // self._cells

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
            name = self._name_of(index, self._resolve(index, budget).searched)
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
            name=self._name_of(index, resolved.searched),
            alg=self._spec.alg,
            config=resolved.config,
            searched=resolved.searched,
            point=resolved.point,
            proposed_by=self._proposer_of(index),
            seed=self.seed_of(index),
            resources=self._resources,
            stop=self._stop,
            max_failures=self._spec.max_failures,
            stop_grace_s=self._spec.stop_grace_s,
            plateau=self._plateau,
            isolate=self._spec.isolate,
            checkpoint=self._checkpoint,
        )

    def _proposer_of(self, index: int) -> str:
        """See `Trial.proposed_by`."""
        kept = self._arrangement.kept.get(index)
        if kept:
            return kept.proposed_by
        if self.round_of(index) < len(self._try_first):
            return TRY_FIRST
        if self.head_start_of(index) is not None:
            return WARM_START
        if not self.space.parameters:
            return ""
        is_early = self._search.learns and not self._is_proposed(index)
        return START_UP if is_early else self._search.algorithm

    def move(self, index: int, point: Point) -> None:
        """Have a trial that has begun go on with another config, under its old name."""
        self._names.setdefault(index, self._trial(index).name)
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
        round_ = self.round_of(index)
        if round_ < len(self._try_first):
            return Wanted(self._try_first[round_])
        number = self.head_start_of(index)
        if number is None:
            return None
        return Wanted(self._head_start.configs[number], is_wish=True)

    def _choose(self, index: int) -> Choose:
        if index in self._moved:
            return chosen(self._moved[index])
        if index in self.points:
            return chosen(self.points[index])
        round_ = self.round_of(index)
        if round_ < self._first_rounds or self._is_proposed(index):
            return drawn
        # What earlier sweeps have told covers the space, too: maybe with the first of these points.
        return self._start_up.chooser(round_ - self._first_rounds + self._told(index))

    def _name_of(self, index: int, searched: Mapping[str, Any]) -> str:
        if index in self._names:
            return self._names[index]
        kept = self._arrangement.kept.get(index)
        return kept.name if kept else self._new_name(index, searched)

    def _new_name(self, index: int, searched: Mapping[str, Any]) -> str:
        values = masked_by_path(searched)
        settings = [f"{key}={self._shown(key, value)}" for key, value in values.items()]
        parts = [self._spec.alg, self._spec.env, str(index), *settings]
        return escaped("_".join(part for part in parts if part))

    def _shown(self, key: str, value: object) -> str:
        """A value as names have it; the digits of one that was chosen at random say nothing."""
        is_chosen = isinstance(value, float) and key in self._chosen
        return f"{value:.6g}" if is_chosen else str(value)


def _granted(wanted: Wanted, resolve: Callable[[Wanted], Resolved]) -> Resolved | None:
    """What a trial tries if it has what is wanted; None if that is a wish that cannot be had.

    Together, values of an earlier sweep may turn round bounds that depend on them.
    """
    try:
        return resolve(wanted)
    except ExpressionError:
        if wanted.is_wish:
            return None
        raise


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
