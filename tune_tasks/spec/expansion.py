"""The trials of an experiment, each resolved when it is asked for. Pure.

A grid of 1,000,000 points is not 1,000,000 objects: a trial follows from the spec, the seed and its
index, and can be forgotten and made again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, overload

from tune_tasks.model.masking import masked_by_path
from tune_tasks.model.text import escaped
from tune_tasks.model.trial import Trial
from tune_tasks.spec.arrangement import Arrangement
from tune_tasks.spec.expressions.plan_budget import PlanBudget
from tune_tasks.spec.resolution import Choose, Point, chosen, drawn
from tune_tasks.spec.schema import ExperimentSpec
from tune_tasks.spec.search_space import Resolved, SearchSpace
from tune_tasks.spec.start_up import StartUp

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
    ) -> None:
        self.points = dict(points or {})
        self.space = space
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
        self._start_up = StartUp(self._search, space, derive_seed(seed, f"{name}/start-up"))
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
        """What is searched of the configs of some trials, those apart that are not known yet."""
        for index in indices:
            if self.is_known(index):
                yield self._resolve(index).searched

    def is_known(self, index: int) -> bool:
        """Whether it is known what a trial tries: else a model will propose it."""
        return index in self.points or not self._is_proposed(self.round_of(index))

    def _is_proposed(self, round_: int) -> bool:
        first = len(self._try_first) + self._search.startup_trials
        return self._search.learns and round_ >= first

    def cell_of(self, index: int) -> int:
        """The combination of the grid that a trial has; each has a search of its own."""
        return self._arrangement.combination(index) % self.space.grid_size

    def round_of(self, index: int) -> int:
        """How often the trial's combination of the grid is tried before it."""
        return self._arrangement.combination(index) // self.space.grid_size

    def resolved(self, index: int, choose: Choose | None = None) -> Resolved:
        """What a trial tries: as it is, or as it would be if its parameters were chosen so.

        Raises:
            ExpressionError: If a bound that depends on other settings fails then.
        """
        return self._resolve(index, choose=choose)

    def _walk(self, budget: PlanBudget) -> None:
        for index in self.indices:
            name = self._name_of(index, self._resolve(index, budget).searched)
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
    ) -> Resolved:
        if combination is None:
            combination = self._arrangement.combination(index)
        wanted = None if choose or index in self._moved else self._wanted(index)
        choose = choose or self._choose(index)
        stream = self._stream(index)
        known = self.points.get(index)
        if wanted is not None:
            resolved = self.space.resolve(index, stream, budget, combination, choose, wanted)
            if known is None or resolved.point == known:
                return resolved
        return self.space.resolve(index, stream, budget, combination, choose)

    def _wanted(self, index: int) -> Mapping[str, Any] | None:
        """What somebody has said that a trial is to try."""
        round_ = self.round_of(index)
        return self._try_first[round_] if round_ < len(self._try_first) else None

    def _choose(self, index: int) -> Choose:
        if index in self._moved:
            return chosen(self._moved[index])
        if index in self.points:
            return chosen(self.points[index])
        round_ = self.round_of(index)
        if round_ < len(self._try_first) or self._is_proposed(round_):
            return drawn
        return self._start_up.chooser(round_ - len(self._try_first))

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
