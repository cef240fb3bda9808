"""Saved views: what MLflow's pages show of sweeps and trials, and the views' addresses. Pure.

A saved view is an experiment tag `mlflow.sharedViewState.<id>` (MLflow 3.16 and later), which an
address with `viewStateShareKey=<id>` opens. It says which runs are listed, in which order, with
which columns and charts.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tune_tasks.model.objective import Objective
from tune_tasks.servers.mlflow_client import experiment_path
from tune_tasks.tracking.mlflow_names import best_key, metric_key, safe_key, setting_key
from tune_tasks.tracking.mlflow_params import SearchedParam

VIEW_TAG = "mlflow.sharedViewState."
ALL_SWEEPS = "sweeps"
"""Id of the view that compares an experiment's sweeps; a sweep's own view has the sweep's id."""
ALL_RUNS = "runs"
"""Id of the view that lists an experiment's sweeps with the trials of each beneath it."""
FATE = "tune_tasks.fate"
"""The tag that says what has become of a trial, by which a view tells trials apart."""

View = dict[str, Any]
Chart = dict[str, Any]

_GROUPS: View = {
    "groupBy": {
        "aggregateFunction": "average",
        "groupByKeys": [{"mode": "tag", "groupByData": FATE}],
    },
    "useGroupedValuesInCharts": False,  # the charts show the trials, not the groups' means
}
_COLUMNS = 12
_SCATTERS = 4
_SCHEDULES = 4
_OUR_SECTION = "best"
_OTHER_SECTION = "others"


def sweep_view(
    sweep: str,
    params: Sequence[SearchedParam],
    objective: Objective,
    *,
    incomplete: bool = False,
    grouped: bool = False,
    others: Sequence[Objective] = (),
    changing: Sequence[str] = (),
) -> View:
    """Return the view of one sweep's trials: best first; curves, parallel coordinates, scatter.

    Args:
        sweep: The sweep's id.
        params: The params of the search.
        objective: What 'best' goes by.
        incomplete: Whether a trial has no value of the metric. Parallel coordinates with the metric
            drop such a trial, so there are second ones without the metric.
        grouped: Whether the trials are listed in groups by what has become of them.
        others: Of several objectives, those after the first: the front has a chart of each.
        changing: The dotted paths of the settings that change while a trial runs: those that are
            numbers have a chart over time.
    """
    metric = metric_key(objective)
    more = [metric_key(each) for each in others]
    axes = [param.chart_name for param in params if param.fits_axis][:_COLUMNS]
    charts = [_of_front(each, metric) for each in more]
    charts.append(_curves(metric))
    numbers = {param.name for param in params if param.is_numeric}
    schedules = [path for path in changing if safe_key(path) in numbers]
    charts += [_curves(setting_key(path)) for path in schedules[:_SCHEDULES]]
    if axes:
        named = ", ".join([metric, *more])
        title = f"What was searched, and {named}"
        charts.append(_parallel("parallel", title, axes, [metric, *more]))
    if axes and incomplete:
        title = f"The same with the trials that have no {metric}"
        # Parallel coordinates need a second axis.
        second = [] if len(axes) > 1 else ["training_iteration"]
        charts.append(_parallel("parallel-all", title, axes, second))
    charts += [_scatter(axis, metric) for axis in axes[:_SCATTERS]]
    view = _view(
        runs=f"tags.`tune_tasks.sweep` = '{sweep}' AND tags.`tune_tasks.role` = 'trial'",
        order_by=f"metrics.`{metric}`",
        ascending=not objective.is_greater_better,
        columns=[
            *_columns("metrics", [metric, *more]),
            *_searched_columns(metric, params)[1:],
            *_columns("attributes", ["Duration"]),
        ],
        section="Trials",
        charts=charts,
    )
    return {**view, **_GROUPS} if grouped else view


def sweeps_view(objective: Objective) -> View:
    """Return the view that compares an experiment's sweeps.

    Its charts show the best value of each sweep over the number of trials done.
    """
    best = best_key(objective)
    return _view(
        runs="tags.`tune_tasks.role` = 'sweep'",
        order_by=f"metrics.`{best}`",
        ascending=not objective.is_greater_better,
        columns=[
            *_columns("metrics", [best, "trials_done"]),
            *_columns("tags", ["tune_tasks.best_trial"]),
            *_columns("attributes", ["Duration"]),
        ],
        section="Sweeps",
        charts=[_best_chart("LINE", best), _best_chart("BAR", best)],
    )


def runs_view(params: Sequence[SearchedParam], objective: Objective) -> View:
    """Return the view of an experiment's sweeps, the latest first; each opens to its trials."""
    metric = metric_key(objective)
    best = [best_key(objective), "trials_done"]
    return _view(
        runs="",
        # MLflow puts the trials beneath their sweep in the order of the start alone.
        order_by="attributes.start_time",
        ascending=False,
        columns=[*_columns("metrics", best), *_searched_columns(metric, params)],
        section="Trials",
        charts=[_curves(metric)],
    )


def _view(
    *,
    runs: str,
    order_by: str,
    ascending: bool,
    columns: list[str],
    section: str,
    charts: list[Chart],
) -> View:
    return {
        "searchFilter": runs,
        "orderByKey": order_by,
        "orderByAsc": ascending,
        "selectedColumns": columns,
        "runsHiddenMode": "SHOW_ALL",  # else the charts have the first ten runs
        "compareRunSections": [
            _section(_OUR_SECTION, section),
            # MLflow puts the charts here that it adds itself.
            _section(_OTHER_SECTION, "Model metrics"),
        ],
        "compareRunCharts": charts,
        "isAccordionReordered": True,
    }


def _section(uuid: str, name: str) -> dict[str, Any]:
    return {
        "uuid": uuid,
        "name": name,
        "display": True,
        "isReordered": True,
        "deleted": False,
        "isGenerated": False,
        "columns": 2,
        "cardHeight": 400,
    }


def _curves(metric: str) -> Chart:
    keys = {"metricKey": metric, "selectedMetricKeys": [metric], "xAxisKey": "step"}
    return _chart("LINE", f"curves-{metric}", metric, keys)


def _best_chart(kind: str, best: str) -> Chart:
    keys = {"metricKey": best, "selectedMetricKeys": [best]}
    return _chart(kind, f"best-{kind}", best, keys)


def _parallel(uuid: str, title: str, params: list[str], metrics: list[str]) -> Chart:
    keys = {"selectedParams": params, "selectedMetrics": metrics, "showAllRuns": False}
    return _chart("PARALLEL", uuid, title, keys)


def _scatter(param: str, metric: str) -> Chart:
    axes = {"xaxis": {"key": param, "type": "PARAM"}, "yaxis": {"key": metric, "type": "METRIC"}}
    return _chart("SCATTER", f"scatter-{param}", f"{metric} over {param}", axes)


def _of_front(other: str, metric: str) -> Chart:
    axes = {"xaxis": {"key": other, "type": "METRIC"}, "yaxis": {"key": metric, "type": "METRIC"}}
    return _chart("SCATTER", f"front-{other}", f"{metric} over {other}", axes)


def _chart(kind: str, uuid: str, title: str, keys: Mapping[str, Any]) -> Chart:
    return {
        "type": kind,
        "uuid": uuid,
        "metricSectionId": _OUR_SECTION,
        "displayName": title,
        "deleted": False,
        "isGenerated": False,
        "useGlobalXaxisKey": True,
        "useGlobalLineSmoothing": True,
        **keys,
    }


def _searched_columns(metric: str, params: Sequence[SearchedParam]) -> list[str]:
    names = [param.name for param in params[:_COLUMNS]]
    return [
        *_columns("metrics", [metric]),
        *_columns("params", names),
        *_columns("tags", ["tune_tasks.stop_reason"]),
    ]


def _columns(kind: str, names: Iterable[str]) -> list[str]:
    return [f"{kind}.`{name}`" for name in names]


def encode_view(name: str, view: Mapping[str, Any], milliseconds: int) -> str:
    """Return the value of a view's tag.

    Args:
        name: The view's name in MLflow's menu.
        view: The view.
        milliseconds: Time at which it was made.
    """
    packed = zlib.compress(json.dumps(view).encode())
    envelope = {
        "name": name,
        "createdAt": milliseconds,
        "updatedAt": milliseconds,
        "state": "deflate;" + base64.b64encode(packed).decode(),
    }
    return json.dumps(envelope)


def view_path(experiment_id: str, view: str) -> str:
    """Return the path of a saved view's page with its charts, to be put behind the address."""
    return f"{list_path(experiment_id, view)}&compareRunsMode=CHART"


def list_path(experiment_id: str, view: str) -> str:
    """Return the path of a saved view's page with the list of runs alone."""
    return f"{experiment_path(experiment_id)}?viewStateShareKey={view}"
