"""What MLflow's pages show of a sweep: names of params and metrics, saved views, addresses. Pure.

A saved view is an experiment tag `mlflow.sharedViewState.<id>` (MLflow 3.16 and later), which an
address with `viewStateShareKey=<id>` opens: which runs are listed, in which order, with which
columns and charts.
"""

from __future__ import annotations

import base64
import hashlib
import json
import posixpath
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tune_tasks.model.objective import Objective
from tune_tasks.model.text import one_line
from tune_tasks.result import tracked_metrics, tracked_name
from tune_tasks.servers.mlflow_client import experiment_path

if TYPE_CHECKING:
    from tune_tasks.results.trials import TrialSummary

VIEW_TAG = "mlflow.sharedViewState."
ALL_SWEEPS = "sweeps"
"""Id of the view that compares an experiment's sweeps; a sweep's own view has the sweep's id."""
ALL_RUNS = "runs"
"""Id of the view that lists an experiment's sweeps with the trials of each beneath it."""

_METRIC_TAG = "tune_tasks.metric"
_MODE_TAG = "tune_tasks.mode"
_KEY_LENGTH = 250
_MARK_LENGTH = 6
_SHOWN_NAMES = 10
_SHOWN_NAME = 60
_SAFE = re.compile(r"[\w\-. :/]+")
_UNSAFE = re.compile(r"[^\w\-. :/]")
_SPELLED = {
    "@": "at",
    "<": "lt",
    ">": "gt",
    "=": "eq",
    "%": "percent",
    "+": "plus",
    "&": "and",
    "*": "star",
    "#": "number",
}
_EXPERIMENT_LENGTH = 500
_AS_TEXT = " as text"
_AXIS_TEXTS = 30  # MLflow's parallel coordinates drop the runs with further texts
_COLUMNS = 12
_SCATTERS = 4
_CARDS = {"columns": 2, "cardHeight": 400}
# What JavaScript's Number() takes for one: MLflow's charts go by it.
_NUMBER = re.compile(
    r"\s*([-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?Infinity|0[xX][\da-fA-F]+|0[oO][0-7]+|0[bB][01]+)?\s*",
    re.ASCII,
)


@dataclass(frozen=True)
class SearchedParam:
    """Something searched, as MLflow's charts have to take it.

    Parallel coordinates drop every run that lacks a param, that has a text where most have a number
    or the other way round, and that has a text beyond the 30th.

    Attributes:
        name: The param's name in MLflow.
        is_even: Whether all trials have it, all with a number or all with a text.
        is_numeric: Whether all its values are numbers.
        texts: Number of its different values, counted up to 31.
    """

    name: str
    is_even: bool
    is_numeric: bool
    texts: int

    @property
    def chart_name(self) -> str:
        """The param for the charts.

        Itself, or where it is uneven a second one, with a text for every trial.
        """
        return self.name if self.is_even else safe_key(f"{self.name}{_AS_TEXT}")

    @property
    def fits_axis(self) -> bool:
        """Whether an axis of it shows every trial."""
        return self.is_numeric or self.texts <= _AXIS_TEXTS


def searched_params(searched: Iterable[Mapping[str, Any]]) -> tuple[SearchedParam, ...]:
    """What was searched, from the searched part of every trial's config."""
    trials, counts, numbers, texts = 0, dict[str, int](), dict[str, int](), dict[str, set[str]]()
    for config in searched:
        trials += 1
        for name, value in flat_params(config).items():
            counts[name] = counts.get(name, 0) + 1
            numbers[name] = numbers.get(name, 0) + is_number(value)
            if len(seen := texts.setdefault(name, set())) <= _AXIS_TEXTS:
                seen.add(value)
    return tuple(
        _searched_param(name, trials, counts[name], numbers[name], len(texts[name]))
        for name in counts
    )


def _searched_param(name: str, trials: int, count: int, numbers: int, texts: int) -> SearchedParam:
    is_numeric = numbers == trials
    is_even = count == trials and numbers in (0, count)
    return SearchedParam(name, is_even, is_numeric, texts + (count < trials))


def chart_params(params: Sequence[SearchedParam], values: Mapping[str, str]) -> dict[str, str]:
    """The params that a trial needs beside its own, so that the charts show it.

    One for each uneven param.

    Args:
        params: What was searched.
        values: The trial's own, as `flat_params` gives them.
    """
    return {
        p.chart_name: f"={values[p.name]}" if p.name in values else "(none)"
        for p in params
        if not p.is_even
    }


def is_number(text: str) -> bool:
    """Whether MLflow's charts take a param's value for a number."""
    return _NUMBER.fullmatch(text) is not None


def flat_params(config: Mapping[str, Any]) -> dict[str, str]:
    """Params as MLflow takes them: `{"a": {"b": 1}}` as `{"a.b": "1"}`; lists are one value.

    Values are written as `mlflow.log_params(config)` in a script writes them: MLflow refuses a
    second, other value. Of two keys with one path (`{"a.b": 1, "a": {"b": 2}}`) the nested one has
    it as its name, the other one a name of its own.
    """
    leaves = dict(_leaves(config))
    return {key: str(leaves[path]) for path, key in _param_keys(leaves).items()}


def _param_keys(paths: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """MLflow's name of each param, by its path in the config."""
    paths = list(paths)
    # The deepest path comes last and so has the name
    owners = {".".join(path): path for path in sorted(paths, key=len)}
    keys = {path: safe_key(".".join(path)) for path in paths}
    return {
        path: key if owners[".".join(path)] == path else _marked(key, repr(path))
        for path, key in keys.items()
    }


def _leaves(
    config: Mapping[str, Any], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*path, str(key)))
        else:
            yield (*path, str(key)), value


def mlflow_name(experiment: str) -> str:
    """An experiment's name as MLflow takes it; no two of a spec become the same by that."""
    return one_line(experiment, _EXPERIMENT_LENGTH)


def safe_key(name: str) -> str:
    """A metric's or param's name as MLflow takes it; the name itself if MLflow does.

    Any other gets a mark of its own, so that distinct names stay distinct: `recall@1` becomes
    `recall_at_1-e740af`. What a name becomes depends on nothing else, so that trials and sweeps can
    be compared.
    """
    if _SAFE.fullmatch(name) and _is_path(name) and len(name) <= _KEY_LENGTH:
        return name
    spelled = re.sub("_+", "_", _UNSAFE.sub(lambda match: f"_{_SPELLED.get(match[0], '')}_", name))
    return _marked("/".join(part for part in spelled.split("/") if part.strip(". ")), name)


def _is_path(name: str) -> bool:
    """Whether MLflow can keep it as a file: a path within a folder, written in the shortest way."""
    return posixpath.normpath(name) == name and name != "." and not name.startswith(("..", "/"))


def _marked(readable: str, name: str) -> str:
    """A readable form of a name with a mark that is the name's own."""
    mark = hashlib.sha256(name.encode(errors="backslashreplace")).hexdigest()[:_MARK_LENGTH]
    return f"{readable[: _KEY_LENGTH - _MARK_LENGTH - 1].strip('/_. ') or '_'}-{mark}"


def renamed(trials: Sequence[TrialSummary]) -> dict[str, str]:
    """Of an experiment's params and metrics those whose names MLflow does not take.

    Each with its name there.
    """
    constants = (".".join(path) for trial in trials[:1] for path, _ in _leaves(trial.config))
    searched = (path for trial in trials for path in trial.searched)
    metrics = (name for trial in trials for name, _ in tracked_metrics(trial.last_result or {}))
    return {
        name: key
        for name in dict.fromkeys((*constants, *searched, *metrics))
        if (key := safe_key(name)) != name
    }


def renaming_note(changed: Mapping[str, str]) -> str:
    """What `renamed` found, in a sentence."""
    shown = [
        f"{one_line(name, _SHOWN_NAME)!r} is {one_line(key, _SHOWN_NAME)!r}"
        for name, key in changed.items()
    ]
    more = f", and {len(shown) - _SHOWN_NAMES} more" if len(shown) > _SHOWN_NAMES else ""
    return f"MLflow does not take some names; there, {', '.join(shown[:_SHOWN_NAMES])}{more}"


def metric_key(objective: Objective) -> str:
    """Return the name that MLflow has for an objective's metric."""
    return safe_key(tracked_name(objective.metric))


def best_key(objective: Objective) -> str:
    """Return the name of the parent run's metric that follows the best value."""
    return safe_key(f"best/{metric_key(objective)}")


def objective_tags(objective: Objective) -> dict[str, str]:
    """Return the tags by which a sweep's parent run says what 'best' goes by."""
    return {_METRIC_TAG: objective.metric, _MODE_TAG: objective.mode}


def objective_in(tags: Mapping[str, str]) -> Objective | None:
    """Return the objective that a parent run's tags name, or None if they name none."""
    metric, mode = tags.get(_METRIC_TAG), tags.get(_MODE_TAG)
    if not metric or not mode:
        return None
    return Objective(metric, "min" if mode == "min" else "max")


def sweep_view(
    sweep: str, params: Sequence[SearchedParam], objective: Objective, *, incomplete: bool = False
) -> dict[str, Any]:
    """The view of one sweep's trials: best first; curves, parallel coordinates, scatter.

    Args:
        sweep: The sweep's id.
        params: What was searched.
        objective: What 'best' goes by.
        incomplete: Whether a trial has no value of the metric; parallel coordinates without it then
            show that one, too.
    """
    metric = metric_key(objective)
    axes = [param.chart_name for param in params if param.fits_axis][:_COLUMNS]
    charts = [_curves(metric)]
    if axes:
        charts.append(_parallel("parallel", f"What was searched, and {metric}", axes, [metric]))
    if axes and incomplete:
        others = [] if len(axes) > 1 else ["training_iteration"]
        charts.append(
            _parallel(
                "parallel-all", f"The same with the trials that have no {metric}", axes, others
            )
        )
    charts += [_scatter(axis, metric) for axis in axes[:_SCATTERS]]
    columns = [*_searched_columns(metric, params), *_columns("attributes", ["Duration"])]
    runs = f"tags.`tune_tasks.sweep` = '{sweep}' AND tags.`tune_tasks.role` = 'trial'"
    ascending = not objective.is_greater_better
    return _view(runs, f"metrics.`{metric}`", ascending, columns, "Trials", charts)


def sweeps_view(objective: Objective) -> dict[str, Any]:
    """The view of an experiment's sweeps beside one another.

    The best of each, over the number of trials done.
    """
    best = best_key(objective)
    charts = [
        _card(kind, f"best-{kind}", best, metricKey=best, selectedMetricKeys=[best])
        for kind in ("LINE", "BAR")
    ]
    columns = [
        *_columns("metrics", [best, "trials_done"]),
        *_columns("tags", ["tune_tasks.best_trial"]),
    ]
    columns += _columns("attributes", ["Duration"])
    return _view(
        "tags.`tune_tasks.role` = 'sweep'",
        f"metrics.`{best}`",
        not objective.is_greater_better,
        columns,
        "Sweeps",
        charts,
    )


def runs_view(params: Sequence[SearchedParam], objective: Objective) -> dict[str, Any]:
    """The view of an experiment's sweeps, the latest first, each of which opens to its trials.

    With what was searched.
    """
    metric = metric_key(objective)
    best = [best_key(objective), "trials_done"]
    columns = [*_columns("metrics", best), *_searched_columns(metric, params)]
    # By the date of the start alone MLflow puts the trials beneath their sweep.
    return _view("", "attributes.start_time", False, columns, "Trials", [_curves(metric)])


def _view(
    runs: str,
    order_by: str,
    ascending: bool,
    columns: list[str],
    section: str,
    charts: list[dict[str, Any]],
) -> dict[str, Any]:
    # The second is where MLflow puts the charts that it adds itself
    names = {"best": section, "others": "Model metrics"}
    return {
        "searchFilter": runs,
        "orderByKey": order_by,
        "orderByAsc": ascending,
        "selectedColumns": columns,
        "runsHiddenMode": "SHOW_ALL",  # else the charts have the first ten runs
        "compareRunSections": [
            {
                "uuid": uuid,
                "name": name,
                "display": True,
                "isReordered": True,
                "deleted": False,
                "isGenerated": False,
                **_CARDS,
            }
            for uuid, name in names.items()
        ],
        "compareRunCharts": charts,
        "isAccordionReordered": True,
    }


def _curves(metric: str) -> dict[str, Any]:
    return _card(
        "LINE", "curves", metric, metricKey=metric, selectedMetricKeys=[metric], xAxisKey="step"
    )


def _card(kind: str, uuid: str, title: str, **keys: Any) -> dict[str, Any]:
    first = {"type": kind, "uuid": uuid, "metricSectionId": "best", "displayName": title}
    return {
        **first,
        "deleted": False,
        "isGenerated": False,
        "useGlobalXaxisKey": True,
        "useGlobalLineSmoothing": True,
        **keys,
    }


def _parallel(uuid: str, title: str, params: list[str], metrics: list[str]) -> dict[str, Any]:
    return _card(
        "PARALLEL", uuid, title, selectedParams=params, selectedMetrics=metrics, showAllRuns=False
    )


def _scatter(param: str, metric: str) -> dict[str, Any]:
    axes = {"xaxis": {"key": param, "type": "PARAM"}, "yaxis": {"key": metric, "type": "METRIC"}}
    return _card("SCATTER", f"scatter-{param}", f"{metric} over {param}", **axes)


def _searched_columns(metric: str, params: Sequence[SearchedParam]) -> list[str]:
    names = [param.name for param in params][:_COLUMNS]
    return [
        *_columns("metrics", [metric]),
        *_columns("params", names),
        *_columns("tags", ["tune_tasks.stop_reason"]),
    ]


def _columns(kind: str, names: Iterable[str]) -> list[str]:
    return [f"{kind}.`{name}`" for name in names]


def encode_view(name: str, view: Mapping[str, Any], milliseconds: int) -> str:
    """The value of a view's tag.

    The name in MLflow's menu, when it was made, and the state, deflated.
    """
    state = "deflate;" + base64.b64encode(zlib.compress(json.dumps(view).encode())).decode()
    return json.dumps(
        {"name": name, "createdAt": milliseconds, "updatedAt": milliseconds, "state": state}
    )


def view_path(experiment_id: str, view: str) -> str:
    """A saved view's page with its charts, to be put behind the address."""
    return f"{list_path(experiment_id, view)}&compareRunsMode=CHART"


def list_path(experiment_id: str, view: str) -> str:
    """A saved view's page with the list of runs alone."""
    return f"{experiment_path(experiment_id)}?viewStateShareKey={view}"
