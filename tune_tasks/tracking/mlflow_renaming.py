"""Says which names of a sweep MLflow does not take, and what it has instead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from tune_tasks.model.text import left_out, one_line
from tune_tasks.result import tracked_metrics
from tune_tasks.tracking.mlflow_names import safe_key
from tune_tasks.tracking.mlflow_params import param_values

if TYPE_CHECKING:
    from tune_tasks.results.trials import TrialSummary

_SHOWN_NAMES = 10
_SHOWN_NAME = 60


def renamed(trials: Sequence[TrialSummary]) -> dict[str, str]:
    """Return the params and metrics that have another name in MLflow, with that name."""
    keys = {name: safe_key(name) for name in _names(trials)}
    return {name: key for name, key in keys.items() if key != name}


def _names(trials: Sequence[TrialSummary]) -> Iterator[str]:
    """Yield the names of an experiment's params and metrics."""
    for trial in trials[:1]:  # all have the same constants
        for path, _ in param_values(trial.config):
            yield ".".join(path)
    for trial in trials:
        yield from trial.searched
    for trial in trials:
        for name, _ in tracked_metrics(trial.last_result or {}):
            yield name


def renaming_note(changed: Mapping[str, str]) -> str:
    """Return what `renamed` has found as a sentence."""
    shown = [
        f"{one_line(name, _SHOWN_NAME)!r} is {one_line(key, _SHOWN_NAME)!r}"
        for name, key in changed.items()
    ]
    listed = [*shown[:_SHOWN_NAMES], *left_out(len(shown), _SHOWN_NAMES, "and {} more")]
    return f"MLflow does not take some names; there, {', '.join(listed)}"
