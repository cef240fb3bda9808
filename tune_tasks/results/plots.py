"""Pictures of an experiment, as PNG, for its report.

They are the front of two objectives, the learning curves, the settings over time if they change,
how the best became better, what matters, the metric against what was searched, and parallel
coordinates.
"""

from __future__ import annotations

import io
import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.objective import Objective
from tune_tasks.model.result_file import parse_report
from tune_tasks.model.trial import EndedBy
from tune_tasks.result import metric as metric_of
from tune_tasks.results.axis import Axis, short_label
from tune_tasks.results.branches import axes_of
from tune_tasks.results.figure import limit_to_most, new_figure, whole_numbers
from tune_tasks.results.schedule import schedule_pictures
from tune_tasks.results.search_plots import search_pictures
from tune_tasks.results.search_view import search_view
from tune_tasks.results.summary import ExperimentSummary
from tune_tasks.results.trials import TrialSummary
from tune_tasks.search.dimension import Dimension

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure

logger = logging.getLogger(__name__)

_CURVES = 10
_POINTS = 1_000
_PARAMETERS = 9
_LABELS = 30
_COLUMNS = 3
_NAME_LENGTH = 60
_AXIS_LENGTH = 40
_TICK_LENGTH = 20
_DPI = 100
_COLOURS = "viridis"
_DECADES = 30
"""An axis whose ends are nearer to one another has other labels beside the powers of ten."""
_TICKS = 6
_ABSENT_AT = -0.12
"""Where parallel coordinates have the trials that lack a parameter: below its axis."""
_SLANT = 20

_Point = tuple[Mapping[str, Any], float]
"""A report, and the metric in it."""


def draw(experiment: ExperimentSummary) -> dict[str, bytes]:
    """Return the pictures that the experiment's trials give, by title.

    There are none if no trial has a value of the metric. Runs in the driver, and reads the trials'
    `result.json`.
    """
    trials = experiment.scored()
    objective = experiment.objective
    if not trials or objective is None:
        return {}
    metric = objective.metric
    scores = [_score(trial, metric) for trial in trials]
    search = search_view(experiment)
    pictures: dict[str, Callable[[], Figure]] = {}
    if len(experiment.objectives) == 2:
        pictures["The front"] = lambda: _front(experiment)
    title = "Learning curves of the best trials"
    pictures[title] = lambda: _learning_curves(trials[:_CURVES], metric)
    pictures |= schedule_pictures(trials[:_CURVES], experiment.dimensions)
    pictures |= search_pictures(search, objective) if search else {}
    axes = _axes(trials, experiment.dimensions, search.importance if search else {})
    if axes and len(trials) > 1:
        all_axes = [*axes, Axis.of(metric, scores)]
        pictures["The metric against what was searched"] = lambda: _against(axes, trials, objective)
        pictures["Parallel coordinates"] = lambda: _parallel(all_axes, scores, metric)
    drawn = {title: _png(make) for title, make in pictures.items()}
    return {title: png for title, png in drawn.items() if png}


def _axes(
    trials: Sequence[TrialSummary],
    dimensions: Sequence[Dimension] = (),
    importance: Mapping[str, float] = MappingProxyType({}),
) -> list[Axis]:
    """Return an axis for each searched parameter that has not too many values to be labelled.

    What matters most comes first. Branches with different domains have an axis each.
    """
    paths = dict.fromkeys(path for trial in trials for path in trial.searched)
    ordered = sorted(paths, key=lambda path: -_share(path, importance))
    axes = [axis for path in ordered for axis in axes_of(path, trials, dimensions)]
    return [axis for axis in axes if len(axis.labels) <= _LABELS][:_PARAMETERS]


def _share(path: str, importance: Mapping[str, float]) -> float:
    """Return how much a parameter matters; what stands in an option has that of the choice."""
    choice = path.rpartition(".")[0]
    return importance.get(path, importance.get(choice, 0.0))


def _learning_curves(trials: Sequence[TrialSummary], metric: str) -> Figure:
    figure, plot = new_figure(9, 4)
    curves = [list(_curve(trial, metric)) for trial in trials]
    over, name = _common_axis(curves)
    # The best is drawn last, on top of the others
    for trial, curve in zip(reversed(trials), reversed(curves), strict=True):
        steps, values = zip(*((row[over], value) for row, value in curve), strict=True)
        marker = "o" if len(steps) == 1 else ""
        label = f"trial {trial.index}: {_score(trial, metric):.4g}"
        plot.plot(steps, values, marker=marker, label=label, linewidth=1.3)
    handles, labels = plot.get_legend_handles_labels()
    beside = (1.01, 0.5)
    plot.legend(handles[::-1], labels[::-1], fontsize=7, loc="center left", bbox_to_anchor=beside)
    plot.set(xlabel=name, ylabel=short_label(metric, _NAME_LENGTH))
    plot.xaxis.set_major_locator(whole_numbers())
    return figure


def _common_axis(curves: Iterable[Sequence[_Point]]) -> tuple[str, str]:
    """Return what never goes back, and its name.

    A member of a population that goes on from another one's weights has that one's timesteps.
    """
    steps = ([row["timesteps_total"] for row, _ in curve] for curve in curves)
    if all(one <= other for each in steps for one, other in pairwise(each)):
        return "timesteps_total", "timesteps"
    return "training_iteration", "iterations"


def _curve(trial: TrialSummary, metric: str) -> Iterator[_Point]:
    """Yield reports with the metric from the trial's file; if that is gone, the last report."""
    points = list(_points(AttemptPaths(Path(trial.logdir or "")).results, metric))
    if points:
        yield from points
    else:
        yield trial.last_result or {}, _score(trial, metric)


def _points(path: Path, metric: str) -> Iterator[_Point]:
    """Yield some thousand points of a file, evenly, and always the last."""
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except OSError:
        return
    whole = [line for line in lines if line.endswith(b"\n")]
    step = max(1, len(whole) // _POINTS)
    for line in [*whole[:-1:step], *whole[-1:]]:
        row = parse_report(line)
        value = metric_of(row, metric) if row else None
        if row and value is not None and math.isfinite(value):
            yield row, value


def _front(experiment: ExperimentSummary) -> Figure:
    """Every trial by its two objectives, the front as a line, and its knee."""
    figure, plot = new_figure(7, 5)
    first, second = (each.metric for each in experiment.objectives)
    front = experiment.front()
    knee, *others = experiment.scored()
    places = {trial.index for trial in front}
    dominated = [trial for trial in others if trial.index not in places]
    infeasible = [trial for trial in experiment.infeasible if _has_all(trial, (first, second))]

    def dots(label: str, trials: Sequence[TrialSummary], marker: str, size: int, line: str) -> None:
        across = [_score(trial, second) for trial in trials]
        up = [_score(trial, first) for trial in trials]
        plot.plot(across, up, marker=marker, markersize=size, linestyle=line, label=label)

    plot.set_prop_cycle(color=["firebrick", "silver", "tab:blue", "goldenrod"])
    dots("infeasible", infeasible, "x", 5, "none")
    dots("dominated", dominated, "o", 4, "none")
    dots("front", front, "o", 6, "-")
    dots("knee", [knee], "*", 16, "none")
    plot.set(xlabel=short_label(second, _NAME_LENGTH), ylabel=short_label(first, _NAME_LENGTH))
    plot.legend(fontsize=8)
    return figure


def _has_all(trial: TrialSummary, metrics: Sequence[str]) -> bool:
    return all(trial.metric(name) is not None for name in metrics)


def _against(axes: Sequence[Axis], trials: Sequence[TrialSummary], objective: Objective) -> Figure:
    """Draw the metric over each parameter: later trials are lighter, stopped ones are crosses."""
    from matplotlib.figure import Figure

    metric = objective.metric
    scores = [_score(trial, metric) for trial in trials]
    columns = min(_COLUMNS, len(axes))
    rows = math.ceil(len(axes) / columns)
    figure = Figure(figsize=(3.2 * columns, 2.8 * rows), layout="constrained")
    for number, axis in enumerate(axes, 1):
        plot = figure.add_subplot(rows, columns, number)
        points = _draw_trials(plot, axis.positions, trials, scores)
        limit_to_most(plot, scores, objective)
        plot.set_xlabel(short_label(axis.name, _AXIS_LENGTH))
        plot.set_ylabel(short_label(metric, _AXIS_LENGTH))
        if axis.is_log:
            _log_scale(plot, axis)
        if axis.labels:
            plot.set_xticks(list(axis.labels), list(axis.labels.values()))
    stopped = " (a cross: stopped early)" if any(map(_is_stopped, trials)) else ""
    label = f"trial{stopped}"
    figure.colorbar(points, ax=figure.axes, label=label, aspect=40, ticks=whole_numbers())
    return figure


def _draw_trials(
    plot: Axes, positions: Sequence[float], trials: Sequence[TrialSummary], scores: Sequence[float]
) -> PathCollection:
    """Draw a point for each trial, and return what a colour bar is made of."""
    indices = [trial.index for trial in trials]
    first, last = min(indices), max(indices)
    for is_stopped, marker in ((True, "x"), (False, "o")):
        those = [i for i, trial in enumerate(trials) if _is_stopped(trial) == is_stopped]
        points = plot.scatter(
            [positions[i] for i in those],
            [scores[i] for i in those],
            c=[indices[i] for i in those],
            marker=marker,
            cmap=_COLOURS,
            vmin=first,
            vmax=last,
            s=18,
        )
    return points


def _log_scale(plot: Axes, axis: Axis) -> None:
    """Have a logarithmic axis whose labels do not overlap."""
    from matplotlib.ticker import LogLocator, NullFormatter

    plot.set_xscale("log")
    plot.xaxis.set_minor_formatter(NullFormatter())
    known = [position for position in axis.positions if math.isfinite(position)]
    if max(known) < _DECADES * min(known):
        plot.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=_TICKS))
        plot.xaxis.set_major_formatter(lambda value, _: f"{value:g}")


def _is_stopped(trial: TrialSummary) -> bool:
    return trial.ended_by is EndedBy.SCHEDULER


def _parallel(axes: Sequence[Axis], scores: Sequence[float], metric: str) -> Figure:
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    figure, plot = new_figure(9, 4)
    norm = Normalize(min(scores), max(scores))
    colours = colormaps[_COLOURS]
    lines = list(zip(*map(_heights, axes), strict=True))
    # The best is drawn last, on top of the others.
    for line, score in zip(reversed(lines), reversed(scores), strict=True):
        plot.plot(range(len(axes)), line, color=colours(norm(score)), linewidth=1.2, alpha=0.8)
    for position, axis in enumerate(axes):
        _draw_axis(plot, position, axis.ticks())
        if any(map(math.isnan, axis.positions)):
            _annotate(plot, position, _ABSENT_AT, "absent")
    labels = [short_label(axis.name, _TICK_LENGTH) for axis in axes]
    plot.set_xticks(range(len(axes)), labels, rotation=_SLANT, ha="right")
    plot.set_yticks([])
    plot.set_ylim(_ABSENT_AT - 0.06, 1.06)
    plot.spines[["top", "left", "right", "bottom"]].set_visible(False)
    label = short_label(metric, _NAME_LENGTH)
    figure.colorbar(ScalarMappable(norm, colours), ax=plot, label=label)
    return figure


def _draw_axis(plot: Axes, position: int, ticks: Mapping[float, str]) -> None:
    plot.plot([position, position], [0, 1], color="grey", linewidth=0.8)
    for fraction, text in ticks.items():
        _annotate(plot, position, fraction, text)


def _annotate(plot: Axes, position: int, height: float, text: str) -> None:
    plot.annotate(
        text, (position, height), (3, 0), textcoords="offset points", va="center", fontsize=7
    )


def _heights(axis: Axis) -> list[float]:
    """Return where the trials' lines cross an axis."""
    return [_ABSENT_AT if math.isnan(at) else at for at in axis.fractions()]


def _png(make: Callable[[], Figure]) -> bytes | None:
    """Return the picture; None if matplotlib cannot draw it, as with values at a float's limits."""
    buffer = io.BytesIO()
    try:
        make().savefig(buffer, format="png", dpi=_DPI)
    except Exception as exc:  # noqa: BLE001 - a report without a picture is better than none
        logger.warning("a picture was not drawn: %s: %s", type(exc).__name__, exc)
        return None
    return buffer.getvalue()


def _score(trial: TrialSummary, metric: str) -> float:
    value = trial.metric(metric)
    assert value is not None  # all trials here are scored
    return value
