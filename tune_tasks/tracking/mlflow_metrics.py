"""Turns a trial's reports into points of MLflow's metrics."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tune_tasks.model.paths import dotted, leaves
from tune_tasks.result import (
    PROGRESS_METRICS,
    REPORTED_METRICS,
    STOP_METRICS,
    metric,
    tracked_metrics,
)
from tune_tasks.tracking.base import Row
from tune_tasks.tracking.mlflow_names import safe_key, setting_key
from tune_tasks.tracking.mlflow_runs import milliseconds

if TYPE_CHECKING:
    from mlflow.entities import Metric


def points_of(rows: Sequence[Row], compared: Sequence[str], over: str) -> Iterator[Metric]:
    """Yield every finite metric of the reports, and how far the trial is at the last of them.

    A point's time, step and value are the trial's own, so that a row that is sent twice makes one
    point.

    Args:
        rows: The reports.
        compared: The metrics that trials are compared by.
        over: The metric that is the step.
    """
    from mlflow.entities import Metric

    more = [name for name in compared if _is_untracked(name)]
    for row in rows:
        time = milliseconds(row["timestamp"])
        for name, value in _values(row, more):
            if math.isfinite(value):
                yield Metric(safe_key(name), value, time, row[over])
    for row in rows[-1:]:
        time = milliseconds(row["timestamp"])
        for name in PROGRESS_METRICS:
            yield Metric(name, row[name], time, row[over])


def settings_of(rows: Sequence[Row], changing: Sequence[str], over: str) -> Iterator[Metric]:
    """Yield the numbers among the settings that change, so that a line through them has steps.

    They are those of the first and the last of these reports, and of both reports of each change.

    Args:
        rows: The reports.
        changing: The dotted paths of the settings.
        over: The metric that is the step.
    """
    from mlflow.entities import Metric

    settings = [_settings(row) for row in rows] if changing else []
    for name in changing:
        values = [each.get(name) for each in settings]
        for place in _corners(values):
            value = values[place]
            if isinstance(value, (int, float)) and math.isfinite(value):
                time = milliseconds(rows[place]["timestamp"])
                yield Metric(setting_key(name), value, time, rows[place][over])


def _settings(row: Row) -> dict[str, Any]:
    return {dotted(path): value for path, value in leaves(row.get("config") or {})}


def _corners(values: Sequence[object]) -> Iterator[int]:
    """Yield the first place, the last one, and those where a value differs from its neighbour."""
    last = len(values) - 1
    for place, value in enumerate(values):
        neighbours = values[max(place - 1, 0) : place + 2]
        if place in (0, last) or any(each != value for each in neighbours):
            yield place


def _values(row: Row, more: Sequence[str]) -> Iterator[tuple[str, float]]:
    yield from tracked_metrics(row)
    for name in more:
        value = metric(row, name)
        if value is not None:
            yield name, value


def _is_untracked(name: str) -> bool:
    """Return whether a metric is a field of the reports that is not tracked anyhow."""
    return name in STOP_METRICS and name not in (*REPORTED_METRICS, *PROGRESS_METRICS)
