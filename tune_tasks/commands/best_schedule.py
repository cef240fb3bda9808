"""Says how the config of a trial has changed: as `scheduler: replay` of a spec that does it again.

What a sweep's journal says is needed for it. It is beside the trials' folders.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from tune_tasks.errors import UsageError
from tune_tasks.model.files import trial_folder
from tune_tasks.model.paths import NodePath, dotted
from tune_tasks.model.stopping import parse_criterion
from tune_tasks.spec.scheduling import parsed_schedulers
from tune_tasks.sweep.journal import journal_path, read_history
from tune_tasks.sweep.lineage import Lineage, lineage_of
from tune_tasks.tracking.mlflow_store import StoredTrial

_ITERATIONS = "training_iteration"
_CHANGING = ("pbt", "replay")


def changes(experiment: Mapping[str, Any]) -> bool:
    """Whether the configs of an experiment's trials change, by its spec as plain data."""
    return any(name in _CHANGING for name, _ in parsed_schedulers(experiment.get("scheduler")))


def is_member(experiment: Mapping[str, Any]) -> bool:
    """Whether an experiment's trials are a population, by its spec as plain data."""
    return any(name == "pbt" for name, _ in parsed_schedulers(experiment.get("scheduler")))


def lineage(trial: StoredTrial) -> Lineage | None:
    """Return how the config of a trial came about; None if no journal here tells it."""
    tags = trial.tags
    if "tune_tasks.logdir" not in tags:
        return None
    attempt = int(tags.get("tune_tasks.attempt", 1))
    results = trial_folder(Path(tags["tune_tasks.logdir"]), attempt).parents[2]
    path = journal_path(results, tags["tune_tasks.sweep"])
    try:
        history = read_history(path)
    except (OSError, UsageError):
        return None
    return lineage_of(history, f"{trial.experiment}/{tags['tune_tasks.index']}")


def replay(found: Lineage) -> list[dict[str, Any]] | None:
    """Return the steps of a schedule; None if settings came and went, which none can do."""
    forms = [(0, found.first), *found.later]
    steps = []
    for (_, before), (at, after) in pairwise(forms):
        if before.keys() != after.keys():
            return None
        config = dict(_differences(before, after, ()))
        if config:
            steps.append({"at": at, "config": config})
    return steps


def counts_iterations(stop: Mapping[str, Any]) -> bool:
    """Whether criteria end a trial by its iterations."""
    return _ITERATIONS in stop


def prolonged(stop: Mapping[str, Any], found: Lineage) -> dict[str, Any]:
    """Return the criteria of an experiment, with as many iterations as its weights were trained."""
    if not found.ahead or not counts_iterations(stop):
        return dict(stop)
    criterion = parse_criterion(_ITERATIONS, stop[_ITERATIONS])
    bound = criterion.bound + found.ahead
    exact = int(bound) if bound.is_integer() else bound
    is_number = not isinstance(stop[_ITERATIONS], str)
    return {**stop, _ITERATIONS: exact if is_number else f"{criterion.op} {exact}"}


def _differences(before: Any, after: Any, path: NodePath) -> Iterator[tuple[str, Any]]:
    """Yield the smallest parts that differ, by dotted path; of other keys, the whole mapping."""
    are_mappings = isinstance(before, Mapping) and isinstance(after, Mapping)
    if are_mappings and before.keys() == after.keys():
        for key, value in after.items():
            yield from _differences(before[key], value, (*path, key))
    elif before != after:
        yield dotted(path), after
