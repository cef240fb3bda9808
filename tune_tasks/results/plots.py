"""Pictures of an experiment, as PNG.

Learning curves, the metric against what was searched, parallel coordinates.
"""

from __future__ import annotations

import io
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.result_file import parse_report
from tune_tasks.model.text import one_line
from tune_tasks.result import metric as metric_of
from tune_tasks.results.summary import ExperimentSummary, TrialSummary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

logger = logging.getLogger(__name__)

_CURVES = 10
_POINTS = 1_000
_PARAMETERS = 9
_LABELS = 30
_NAME_LENGTH = 60
_DPI = 100


def draw(experiment: ExperimentSummary) -> dict[str, bytes]:
    """The pictures that the experiment's trials give, by title.

    None where no trial has a value of the metric.

    Reads the trials' `result.json`; runs in the driver.
    """
    trials, metric = experiment.scored(), experiment.metric
    if not trials or metric is None:
        return {}
    scores = [_score(trial, metric) for trial in trials]
    pictures: dict[str, Callable[[], Figure]] = {
        "Learning curves of the best trials": lambda: _learning_curves(trials[:_CURVES], metric)
    }
    if (axes := _axes(trials)) and len(trials) > 1:
        pictures["The metric against what was searched"] = lambda: _against(axes, scores, metric)
        pictures["Parallel coordinates"] = lambda: _parallel(
            [*axes, _Axis.of(metric, scores)], scores, metric
        )
    drawn = {title: _png(make) for title, make in pictures.items()}
    return {title: png for title, png in drawn.items() if png}


def _axes(trials: Sequence[TrialSummary]) -> list[_Axis]:
    """What was searched, as far as an axis can show it."""
    paths = dict.fromkeys(path for trial in trials for path in trial.searched)
    searched = [trial.shown_searched for trial in trials]
    axes = (_Axis.of(path, [values.get(path) for values in searched]) for path in paths)
    return [axis for axis in axes if len(axis.labels) <= _LABELS][:_PARAMETERS]


@dataclass(frozen=True)
class _Axis:
    """A parameter's or the metric's values as positions on an axis.

    Attributes:
        positions: One a trial; NaN where a trial has none.
        labels: Position to text where the values are no numbers; empty where they are.
        is_log: Whether the numbers span more than two orders of magnitude.
    """

    name: str
    positions: Sequence[float]
    labels: Mapping[float, str]
    is_log: bool = False

    @classmethod
    def of(cls, name: str, values: Sequence[Any]) -> _Axis:
        positions = [math.nan if value is None else _number(value) for value in values]
        numbers = [
            position for position in positions if position is not None and math.isfinite(position)
        ]
        if numbers and None not in positions:
            is_log = min(numbers) > 0 and max(numbers) > 100 * min(numbers)
            return cls(
                name,
                [math.nan if p is None or not math.isfinite(p) else p for p in positions],
                {},
                is_log,
            )
        texts = [str(value) for value in values]
        order = {text: position for position, text in enumerate(sorted(set(texts)))}
        return cls(
            name,
            [order[text] for text in texts],
            {position: _short(text, 12) for text, position in order.items()},
        )

    def fractions(self) -> list[float]:
        """The positions between 0 and 1; where they are all one, in the middle."""
        positions = [math.log(p) if self.is_log else p for p in self.positions]
        known = [p for p in positions if math.isfinite(p)]
        low, high = min(known), max(known)
        return [(p - low) / (high - low) if high > low else p - p + 0.5 for p in positions]

    def _ends(self) -> tuple[float, float]:
        known = [position for position in self.positions if math.isfinite(position)]
        return min(known), max(known)

    def ticks(self) -> dict[float, str]:
        """Fraction to text: each value that is no number, else the ends."""
        marks = self.labels or {end: f"{end:.3g}" for end in self._ends()}
        marked = _Axis(self.name, list(marks), {}, self.is_log)
        return dict(zip(marked.fractions(), marks.values(), strict=True))


def _number(value: object) -> float | None:
    """The value as a position, or None where it is no number that a float can hold."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _learning_curves(trials: Sequence[TrialSummary], metric: str) -> Figure:
    figure, axes = _figure(9, 4)
    for trial in reversed(trials):  # the best on top
        points = list(_curve(trial, metric))
        marker = "o" if len(points) == 1 else ""
        axes.plot(
            *zip(*points, strict=True),
            marker=marker,
            label=_short(trial.name, _NAME_LENGTH),
            linewidth=1.3,
        )
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(
        handles[::-1], labels[::-1], fontsize=7, loc="center left", bbox_to_anchor=(1.01, 0.5)
    )
    axes.set(xlabel="timesteps", ylabel=_short(metric, _NAME_LENGTH))
    return figure


def _curve(trial: TrialSummary, metric: str) -> Iterator[tuple[int, float]]:
    """The metric over timesteps from the trial's file, thinned out.

    Its last report where the file has gone.
    """
    points = list(_points(AttemptPaths(Path(trial.logdir or "")).results, metric))
    yield from points or [((trial.last_result or {})["timesteps_total"], _score(trial, metric))]


def _points(path: Path, metric: str) -> Iterator[tuple[int, float]]:
    try:
        lines = [
            line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")
        ]
    except OSError:
        return
    step = max(1, len(lines) // _POINTS)
    for line in [*lines[:-1:step], *lines[-1:]]:
        row = parse_report(line)
        value = metric_of(row, metric) if row else None
        if row and value is not None and math.isfinite(value):
            yield row["timesteps_total"], value


def _against(axes: Sequence[_Axis], scores: Sequence[float], metric: str) -> Figure:
    from matplotlib.figure import Figure

    columns = min(3, len(axes))
    rows = math.ceil(len(axes) / columns)
    figure = Figure(figsize=(3.2 * columns, 2.8 * rows), layout="constrained")
    for number, axis in enumerate(axes, 1):
        plot = figure.add_subplot(rows, columns, number)
        plot.scatter(axis.positions, scores, c=scores, cmap="viridis", s=18)
        plot.set(
            xlabel=_short(axis.name, 40),
            ylabel=_short(metric, 40),
            xscale="log" if axis.is_log else "linear",
        )
        if axis.labels:
            plot.set_xticks(list(axis.labels), list(axis.labels.values()))
    return figure


def _parallel(axes: Sequence[_Axis], scores: Sequence[float], metric: str) -> Figure:
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    figure, plot = _figure(9, 4)
    norm, colours = Normalize(min(scores), max(scores)), colormaps["viridis"]
    lines = list(zip(*(axis.fractions() for axis in axes), strict=True))
    for line, score in zip(reversed(lines), reversed(scores), strict=True):  # the best on top
        plot.plot(range(len(axes)), line, color=colours(norm(score)), linewidth=1.2, alpha=0.8)
    for position, axis in enumerate(axes):
        _draw_axis(plot, position, axis)
    plot.set_xticks(range(len(axes)), [_short(axis.name, 20) for axis in axes])
    plot.set_yticks([])
    plot.set_ylim(-0.12, 1.12)
    plot.spines[["top", "left", "right", "bottom"]].set_visible(False)
    figure.colorbar(ScalarMappable(norm, colours), ax=plot, label=_short(metric, _NAME_LENGTH))
    return figure


def _draw_axis(plot: Axes, position: int, axis: _Axis) -> None:
    plot.axvline(position, 0.1, 0.9, color="grey", linewidth=0.8)
    for fraction, text in axis.ticks().items():
        plot.annotate(
            text, (position, fraction), (3, 0), textcoords="offset points", va="center", fontsize=7
        )


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    # Not pyplot, which is for one thread and keeps every figure
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _png(make: Callable[[], Figure]) -> bytes | None:
    """The picture.

    None where its library cannot draw it, as with values at the limits of a float.
    """
    buffer = io.BytesIO()
    try:
        make().savefig(buffer, format="png", dpi=_DPI)
    except Exception as exc:  # noqa: BLE001 - a report without a picture is better than none
        logger.warning("a picture was not drawn: %s: %s", type(exc).__name__, exc)
        return None
    return buffer.getvalue()


def _score(trial: TrialSummary, metric: str) -> float:
    value = trial.metric(metric)
    assert value is not None  # of trials with a score
    return value


def _short(text: str, length: int) -> str:
    """The text as a label.

    Not longer than that, printable, and no formula, which is what two dollar signs make of it.
    """
    return one_line(text, length).replace("$", r"\$")
