"""What an experiment starts from: trials of earlier sweeps, in the space of today. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tune_tasks.errors import ExpressionError
from tune_tasks.search.observation import Fate, Observation, keeps_to_all
from tune_tasks.search.study import text_of
from tune_tasks.spec.domains import Scale
from tune_tasks.spec.expressions.plan_budget import PlanBudget
from tune_tasks.spec.schema import ExperimentSpec
from tune_tasks.spec.search_space import Resolved, SearchSpace
from tune_tasks.spec.wanted import Wanted
from tune_tasks.spec.warm_start import HeadStart

_STREAM = "warm start"
_BOUNDS = "bounds that depend on other settings"


@dataclass(frozen=True)
class WarmTrial:
    """A trial of an earlier sweep, or a row of a table.

    Attributes:
        source: Which, for people: `mnist/3 of 2026-11-28_22-00-00_ab12`.
        values: What it had of what is searched, by dotted path; secrets are masked.
        fate: What has become of it; it has ended.
        value: The last value of the metric; this and the next two are as `Observation` has them.
        excesses: How far it is beyond each of today's constraints.
        others: Of several objectives, the last values of those after the first.
    """

    source: str
    values: Mapping[str, Any]
    fate: Fate = Fate.FINISHED
    value: float | None = None
    excesses: tuple[float | None, ...] = ()
    others: tuple[float, ...] = ()

    @property
    def may_be_best(self) -> bool:
        """Whether it did not fail, has a value, and keeps to the constraints."""
        is_known = self.value is not None and self.fate is not Fate.FAILED
        return is_known and keeps_to_all(self.excesses)


@dataclass(frozen=True)
class WarmStarted:
    """What `warm_start` has found; it stands in the journal, and nobody looks again.

    Attributes:
        asked: What was looked for; see `asked_of`.
        source: Where it was found, for people; empty if there was nothing.
        configs: Those that are tried first, the best one first.
        results: Those that a model is told of, the oldest one first.
        notes: What else people are to know.
    """

    asked: Mapping[str, Any]
    source: str = ""
    configs: Sequence[WarmTrial] = ()
    results: Sequence[WarmTrial] = ()
    notes: Sequence[str] = ()


def asked_of(experiment: ExperimentSpec) -> dict[str, Any]:
    """What an experiment's `warm_start` asks for, as JSON; if that is edited, it is found anew."""
    wish = experiment.warm_start
    assert wish is not None
    return {
        "from": wish.source,
        "use": wish.use,
        "top": wish.top,
        "metric": experiment.metric,
        "mode": experiment.mode,
        "objectives": experiment.objectives,
        "constraints": experiment.constraints,
        "learns": experiment.searching().learns,
    }


@dataclass(frozen=True)
class Warm:
    """What an experiment starts from.

    Attributes:
        started: As it was found.
        told: What a model is told, by cell of the grid; the trials have negative indices.
        tried: By cell, what these trials have tried, as `text_of` has it.
        misfits: Of how many results today's space has no point, by the setting that is to blame.
    """

    started: WarmStarted
    told: Mapping[int, Sequence[Observation]]
    tried: Mapping[int, frozenset[str]]
    misfits: Mapping[str, int]

    @classmethod
    def of(cls, started: WarmStarted, space: SearchSpace, budget: PlanBudget) -> Warm:
        """Find the points of what was found.

        Args:
            started: What was found.
            space: Of today.
            budget: The plan's.
        """
        told: dict[int, list[Observation]] = {}
        tried: dict[int, set[str]] = {}
        misfits: Counter[str] = Counter()
        for index, trial in enumerate(started.results, start=-len(started.results)):
            fitted = _fitted(trial.values, space, budget)
            if isinstance(fitted, str):
                misfits[fitted] += 1
                continue
            cell, resolved = fitted
            told.setdefault(cell, []).append(_observation(index, resolved, trial))
            tried.setdefault(cell, set()).add(text_of(resolved))
        return cls(
            started, told, {cell: frozenset(texts) for cell, texts in tried.items()}, misfits
        )

    @property
    def head_start(self) -> HeadStart:
        """What the trials have to know of it."""
        configs = [trial.values for trial in self.started.configs]
        return HeadStart(configs, {cell: len(told) for cell, told in self.told.items()})


def _observation(index: int, resolved: Resolved, trial: WarmTrial) -> Observation:
    return Observation(
        index,
        resolved.point,
        trial.fate,
        trial.value,
        excesses=trial.excesses,
        others=trial.others,
    )


def _fitted(
    values: Mapping[str, Any], space: SearchSpace, budget: PlanBudget
) -> tuple[int, Resolved] | str:
    """A trial's cell of the grid, and what it is in today's space; else the setting to blame."""
    blamed = next(_grids_without(values, space), "")
    for cell in space.cells_with(values):
        resolved = _resolved(values, cell, space, budget)
        if not isinstance(resolved, str):
            return cell, resolved
        blamed = resolved
    return blamed


def _grids_without(values: Mapping[str, Any], space: SearchSpace) -> Iterator[str]:
    """The grids that have no such option, or the first one."""
    yield from (name for name in space.grids if name not in values)
    yield from space.grids


def _resolved(
    values: Mapping[str, Any], cell: int, space: SearchSpace, budget: PlanBudget
) -> Resolved | str:
    missing: list[str] = []

    def choose(name: str, _scale: Scale) -> None:
        missing.append(name.partition("#")[0])

    wish = Wanted(values, is_wish=True)
    try:
        resolved = space.resolve(0, _STREAM, budget, cell, choose, wish)
    except ExpressionError:
        return _BOUNDS
    return missing[0] if missing else resolved
