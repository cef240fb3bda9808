"""What a sweep keeps if its spec was edited, what it drops, and why. Pure.

A trial that has begun is kept if the edited spec still stands for it: one of the combinations of
its grids gives the config that the trial has had, at the trial's own index and seed. So a grid that
has grown, even in its middle, keeps what was done, and so does a higher `num_trials`. Such a trial
keeps its index, seed, name and folder. Its criteria and resources are those of the edited spec.

Secrets are compared as they are stored: masked. A function that was passed from Python is not
compared at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tune_tasks.errors import ExpressionError
from tune_tasks.model.differences import (
    ABSENT,
    difference,
    differences,
    flat,
    shown,
    text_of,
    value_at,
)
from tune_tasks.model.masking import masked, masked_by_path
from tune_tasks.model.paths import NodePath, dotted, leaves
from tune_tasks.model.text import left_out, one_line
from tune_tasks.model.trial import TRY_FIRST, WARM_START, Trial
from tune_tasks.model.trial_key import key_of
from tune_tasks.spec.arrangement import Arrangement, Kept
from tune_tasks.spec.expansion import Expansion, num_trials
from tune_tasks.spec.resolution import Point
from tune_tasks.spec.schema import SCRIPT, ExperimentSpec
from tune_tasks.spec.search_space import DRAWN, SearchSpace
from tune_tasks.sweep.warm import WarmStarted

_IDENTITY: Mapping[str, object] = {"alg": SCRIPT, "env": None, "restore": None}
"""What makes another trial of one with the same config, with the defaults."""

_DRAWN = ""
"""In place of the text of an option that is drawn; no text is empty."""

_REASONS = 3


@dataclass(frozen=True)
class Begun:
    """A trial that an earlier driver has begun.

    Attributes:
        config: As `params.json` has it: secrets masked, plain JSON.
        has_ended: Whether it is not to be run again.
        proposed_by: See `Trial`.
    """

    experiment: str
    index: int
    name: str
    config: Mapping[str, Any] = field(repr=False)
    seed: int
    has_ended: bool = False
    proposed_by: str = ""

    @property
    def key(self) -> str:
        """The trial's identity within its sweep."""
        return key_of(self.experiment, self.index)


@dataclass(frozen=True)
class Earlier:
    """An experiment as earlier drivers have run it.

    Attributes:
        spec: As it ran last, its secrets masked; empty if an earlier edit has removed it.
        begun: Its trials that have begun, by index.
        dropped: The indices of those that an earlier edit has dropped.
        points: What is known of what its trials try, by index: see `Expansion`.
        warm: What it started from; None if its spec said nothing of that.
    """

    spec: Mapping[str, Any]
    begun: Mapping[int, Begun]
    dropped: Collection[int] = ()
    points: Mapping[int, Point] = field(default_factory=dict)
    warm: WarmStarted | None = None

    def said(self) -> dict[int, dict[str, Any]]:
        """By index, the values of those that began with what somebody or an earlier sweep said."""
        return {
            index: {dotted(path): value for path, value in leaves(begun.config)}
            for index, begun in self.begun.items()
            if begun.proposed_by in (TRY_FIRST, WARM_START)
        }


@dataclass(frozen=True)
class Edit:
    """What becomes of an experiment whose sweep goes on.

    Attributes:
        changes: What the spec says differently, such as `stop.mean_loss: 0.1 → 0.05`.
        kept: The trials that have begun and stay, by index.
        dropped: The index of each trial that does not, and why.
        fresh: How many trials have not begun.
        begun: All trials that have begun, by index.
        dropped_before: The indices of those that an earlier edit has dropped.
    """

    changes: Sequence[str]
    kept: Sequence[int]
    dropped: Mapping[int, str]
    fresh: int
    begun: Mapping[int, Begun] = field(default_factory=dict, repr=False)
    dropped_before: Collection[int] = ()

    @property
    def is_change(self) -> bool:
        """Whether it is one: something differs that nobody has accepted yet."""
        return bool(self.changes) or not set(self.dropped) <= set(self.dropped_before)

    @classmethod
    def of_gone(cls, earlier: Earlier) -> Edit:
        """The edit of an experiment that the spec no longer has."""
        why = "the spec no longer has the experiment"
        dropped = dict.fromkeys(earlier.begun, why)
        changes = [why] if earlier.spec else []
        return cls(changes, [], dropped, 0, earlier.begun, earlier.dropped)

    @classmethod
    def of_new(cls, fresh: int) -> Edit:
        """The edit of an experiment that the spec had not had."""
        return cls(["the experiment is new"], [], {}, fresh)

    def lines(self, name: str) -> Iterator[str]:
        """The edit in words, for people."""
        counts = [f"{len(self.kept)} trials kept", f"{self.fresh} to begin"]
        yield f"{one_line(name)}: {', '.join(counts)}, {len(self.dropped)} dropped"
        for why, count in Counter(self.dropped.values()).items():
            yield f"  {count} dropped: {why}"
        shown = [f"  {change}" for change in self.changes]
        yield from shown[:_REASONS]
        yield from left_out(len(shown), _REASONS, "  … {} more changes")


def arrange(
    trials: Expansion,
    experiment: ExperimentSpec,
    space: SearchSpace,
    source: Mapping[str, Any],
    earlier: Earlier,
) -> tuple[Arrangement, Edit]:
    """Find out which trials of an earlier form of an experiment are still trials of it.

    Args:
        trials: What the experiment would run in a new sweep.
        experiment: Its spec.
        space: Its search space.
        source: Its spec as plain data, secrets masked.
        earlier: What was done.
    """
    comparison = _Comparison(trials, experiment, space, earlier)
    found = {i: comparison.combination(begun) for i, begun in earlier.begun.items()}
    combinations = {i: c for i, c in found.items() if c is not None}
    dropped = {i: comparison.why(earlier.begun[i]) for i, c in found.items() if c is None}
    count = num_trials(experiment, space)
    for index in list(_too_many(combinations, count, space.grid_size, earlier)):
        dropped[index] = f"num_trials: no more than {count} are asked for"
        del combinations[index]
    kept = {
        i: Kept(c, earlier.begun[i].name, earlier.begun[i].proposed_by)
        for i, c in sorted(combinations.items())
    }
    arrangement = Arrangement(count, space.grid_size, kept, earlier.begun)
    changes = list(differences(earlier.spec, source))
    fresh = arrangement.fresh
    edit = Edit(changes, list(kept), dropped, fresh, earlier.begun, earlier.dropped)
    return arrangement, edit


class _Comparison:
    """Compares the trials that have begun with those that the spec stands for."""

    def __init__(
        self, trials: Expansion, experiment: ExperimentSpec, space: SearchSpace, earlier: Earlier
    ) -> None:
        self._trials = trials
        self._space = space
        self._used: set[int] = set()
        theirs = {key: earlier.spec.get(key, usual) for key, usual in _IDENTITY.items()}
        ours = {key: getattr(experiment, key) for key in _IDENTITY}
        self._others = list(differences(theirs, ours))
        # Compared as texts, of which there are as many as options, and not one for each trial.
        self._options = {path: _by_text(path, options) for path, options in space.options()}

    def combination(self, begun: Begun) -> int | None:
        """The combination that gives the trial's config; None if none does."""
        if self._others or begun.seed != self._trials.seed_of(begun.index):
            return None
        first = None
        theirs = text_of(begun.config)
        for combination in self._candidates(begun):
            if not self._gives(combination, begun, theirs):
                continue
            if combination not in self._used:
                self._used.add(combination)
                return combination
            first = combination if first is None else first
        return first

    def _candidates(self, begun: Begun) -> Iterator[int]:
        yield begun.index % self._space.grid_size
        yield from self._space.combinations(self._fitting(begun))

    def _gives(self, combination: int, begun: Begun, theirs: str) -> bool:
        try:
            config = self._trials.config_with(begun.index, combination)
        except ExpressionError:
            return False
        return text_of(masked(config)) == theirs

    def _fitting(self, begun: Begun) -> dict[NodePath, list[int]]:
        """By grid, the positions of the options that may have given the trial's config."""
        fitting: dict[NodePath, list[int]] = {}
        for path, positions in self._options.items():
            alike = positions.get(text_of(value_at(path, begun.config)), [])
            fitting[path] = [*alike, *positions.get(_DRAWN, [])]
        return fitting

    def why(self, begun: Begun) -> str:
        """Why the spec no longer stands for a trial."""
        if self._others:
            return _joined(self._others)
        if begun.seed != self._trials.seed_of(begun.index):
            return "seed: another one"
        fitting = self._fitting(begun)
        reasons = [_unsearched(path, begun) for path, fits in fitting.items() if not fits]
        if reasons:
            return _joined(reasons)
        combination = next(self._space.combinations(fitting))
        return _joined(self._other_values(begun, combination)) or "config: another one"

    def _other_values(self, begun: Begun, combination: int) -> Iterator[str]:
        try:
            config = self._trials.config_with(begun.index, combination)
        except ExpressionError as exc:
            yield exc.message
            return
        ours = flat(masked(config))
        theirs = flat(begun.config)
        drawn = {dotted(path) for path in self._space.searched}
        for path in dict.fromkeys([*theirs, *ours]):
            change = difference(path, theirs.get(path, ABSENT), ours.get(path, ABSENT))
            if change and path in drawn and path in theirs:
                yield f"config.{path} is drawn differently"
            elif change:
                yield f"config.{change}"


def _too_many(
    combinations: Mapping[int, int], count: int, grid_size: int, earlier: Earlier
) -> Iterator[int]:
    """The trials beyond what the spec asks for; those that have ended stay rather than others.

    If it asks for as many as before, or more, what was done stays, however often it was tried. But
    what an earlier edit has dropped is not back because of that.
    """
    asked = {c: len(range(c, count, grid_size)) for c in combinations.values()}
    has_fewer = count < _earlier_count(earlier)

    def rank(index: int) -> tuple[bool, bool, int]:
        return index in earlier.dropped, not earlier.begun[index].has_ended, index

    for index in sorted(combinations, key=rank):
        combination = combinations[index]
        asked[combination] -= 1
        if asked[combination] < 0 and (has_fewer or index in earlier.dropped):
            yield index


def _earlier_count(earlier: Earlier) -> int:
    given = earlier.spec.get("num_trials")
    if given:
        return int(given)
    return SearchSpace(earlier.spec.get("config") or {}).grid_size


def is_same_trial(begun: Begun, trial: Trial) -> bool:
    """Whether a trial of a plan is the one that has begun under its index."""
    has_same_files = (begun.name, begun.seed) == (trial.name, trial.seed)
    return has_same_files and text_of(masked(trial.config)) == text_of(begun.config)


def _by_text(path: NodePath, options: Sequence[object]) -> dict[str, list[int]]:
    """The positions of a grid's options by what they look like in `params.json`."""
    positions: dict[str, list[int]] = {}
    for position, option in enumerate(options):
        (shown_option,) = masked_by_path({dotted(path): option}).values()
        text = _DRAWN if option is DRAWN else text_of(shown_option)
        positions.setdefault(text, []).append(position)
    return positions


def _unsearched(path: NodePath, begun: Begun) -> str:
    value = value_at(path, begun.config)
    if value is ABSENT:
        return f"config.{dotted(path)} is new"
    return f"config.{dotted(path)}: {shown(value)} is not searched any more"


def _joined(reasons: Iterable[str]) -> str:
    every = list(reasons)
    return ", ".join([*every[:_REASONS], *left_out(len(every), _REASONS)])
