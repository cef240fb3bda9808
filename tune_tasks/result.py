"""What a training script reports: `TrainingResult`, and the metrics in it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeGuard


class TrainingResult(NamedTuple):
    """One report of a training script.

    Only `timesteps_total` is required. The reporter fills in the fields that say so below, and
    overwrites what a script puts there, except for a `neg_mean_loss` without a `mean_loss`. The
    names are those of Ray Tune in 2017.

    Attributes:
        timesteps_total: Training steps since the trial began, an integer >= 0. The x axis of every
            curve.
        info: Further metrics by name. Numbers are tracked, nested dicts as `outer/inner`; other
            values stay in `result.json`.
        episode_reward_mean: Mean return of the recent episodes.
        episode_len_mean: Mean length of the recent episodes, in steps.
        mean_accuracy: Training accuracy, a fraction in [0, 1].
        mean_loss: Training loss.
        neg_mean_loss: `-mean_loss`, filled in.
        experiment_id: Identifies this attempt of the trial, filled in.
        training_iteration: Counts the reports of a trial from 1, filled in.
        timesteps_this_iter: Increase of `timesteps_total` since the last report, filled in.
        time_this_iter_s: Seconds since the last report (the first: since `train()` began), filled
            in.
        time_total_s: Seconds since `train()` began, filled in.
        pid: Process id of the trial, filled in.
        hostname: Machine of the trial, filled in.
        mean_validation_accuracy: Accuracy on held-out data, a fraction in [0, 1].
        episodes_total: Episodes since the trial began.
        done: True ends the trial with this report.
        date: Local time of the report, `YYYY-MM-DD_hh-mm-ss`, filled in.
        timestamp: Seconds since the epoch, filled in.
        config: The trial's resolved config, filled in.
    """

    timesteps_total: int | None = None
    info: Mapping[str, Any] | None = None
    episode_reward_mean: float | None = None
    episode_len_mean: float | None = None
    mean_accuracy: float | None = None
    mean_loss: float | None = None
    neg_mean_loss: float | None = None
    experiment_id: str | None = None
    training_iteration: int | None = None
    timesteps_this_iter: int | None = None
    time_this_iter_s: float | None = None
    time_total_s: float | None = None
    pid: int | None = None
    hostname: str | None = None
    mean_validation_accuracy: float | None = None
    episodes_total: int | None = None
    done: bool | None = None
    date: str | None = None
    timestamp: float | None = None
    config: Mapping[str, Any] | None = None


REPORTED_METRICS = (
    "mean_loss",
    "mean_accuracy",
    "mean_validation_accuracy",
    "episode_reward_mean",
    "episode_len_mean",
    "episodes_total",
)
"""The fields that a script sets and that trackers draw as curves."""

PROGRESS_METRICS = ("training_iteration", "time_total_s")
"""The fields that trackers take now and then, because they cost as much as a metric."""

STOP_METRICS = (
    *REPORTED_METRICS,
    *PROGRESS_METRICS,
    "timesteps_total",
    "neg_mean_loss",
    "timesteps_this_iter",
    "time_this_iter_s",
)
"""The fields that a stop criterion can name beside the entries of `info`."""


_INFO = ("info.", "info/")
_INFO_LENGTH = 5


def metric(row: Mapping[str, Any], name: str) -> float | None:
    """The number that a report has under `name`, or None.

    Args:
        row: A report as it stands in `result.json`.
        name: A field of TrainingResult, or an entry of `info`: `my_metric`, `info.my_metric`,
            `info/outer/inner`.
    """
    value = entry(row, name)
    return value if _is_number(value) else None


def entry(row: Mapping[str, Any], name: str) -> object:
    """Whatever a report has under a name, see `metric`; None if it has nothing there."""
    value = row.get(name) if name in TrainingResult._fields else None
    return _info_entry(row.get("info"), name) if value is None else value


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def tracked_name(name: str) -> str:
    """The name in trackers of the metric that a spec calls `name`: see `tracked_metrics`."""
    if not name.startswith(_INFO):
        return name
    entry = name[_INFO_LENGTH:]
    if entry in TrainingResult._fields:
        return f"info/{entry}"
    return entry


def _info_entry(info: object, name: str) -> object:
    if not isinstance(info, Mapping):
        return None
    if name in info:
        return info[name]
    if name.startswith(_INFO):
        return _info_entry(info, name[_INFO_LENGTH:])
    head, _, rest = name.partition("/")
    if not rest:
        return None
    return _info_entry(info.get(head), rest)


def tracked_metrics(row: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Every reported number of a row, NaN and infinite ones too, with its name in trackers.

    An entry of `info` has its own name, and `inner` in `outer` is `outer/inner`. If the name is
    taken, by a field of TrainingResult or by an entry that is called `outer/inner`, the entry is
    `info/name`.
    """
    for name in REPORTED_METRICS:
        if row.get(name) is not None:
            yield name, row[name]
    info = row.get("info") or {}
    for key, entry in info.items():
        for name, value in _flat({key: entry}):
            is_taken = name in TrainingResult._fields or (name != key and name in info)
            yield (f"info/{name}" if is_taken else name), value


def _flat(info: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for key, value in info.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}/")
        elif _is_number(value):
            yield f"{prefix}{key}", value


def non_finite_metrics(row: Mapping[str, Any]) -> list[str]:
    """The names of the reported numbers that are NaN or infinite."""
    return [name for name, value in tracked_metrics(row) if not math.isfinite(value)]
