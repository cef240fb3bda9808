"""The live table of a sweep on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tune_tasks.model.text import one_line
from tune_tasks.model.trial import TrialState, shown_name
from tune_tasks.result import metric
from tune_tasks.sweep.records import TrialRecord
from tune_tasks.sweep.status import (
    NAME_LENGTH,
    USUAL_METRICS,
    StatusView,
    attempt_text,
    counts_text,
)
from tune_tasks.sweep.time_left import time_left_text

_STYLES = {
    TrialState.RUNNING: "bold",
    TrialState.ERROR: "red",
    TrialState.PENDING: "dim",
    TrialState.TERMINATED: "green",
}


def live_table(view: StatusView) -> Any:
    """Return what `rich` draws of a sweep: lines on the whole, and a table for each experiment."""
    from rich.console import Group
    from rich.text import Text

    tables = [_experiment_table(view, name) for name in view.experiments]
    head = "\n".join([_head(view), *view.budget_lines()])
    return Group(Text(head, style="dim"), *tables)


def _head(view: StatusView) -> str:
    """Return a line such as `2/2 CPUs, 0/0 GPUs in use; 3 of 10 trials done, about 2 min left`."""
    cpus, gpus = view.used()
    line = f"{cpus:g}/{view.cpu:g} CPUs, {gpus:g}/{view.gpu:g} GPUs in use"
    line += f"; {view.done()} of {view.total()} trials done"
    left = view.time_left_s()
    if left is not None:
        line += f", {time_left_text(left)}"
    return line


def _experiment_table(view: StatusView, name: str) -> Any:
    from rich.table import Table
    from rich.text import Text

    listed, rest = view.best_first(name)
    metrics = _shown_metrics(view, name, listed)
    # Not a str, because rich would read markup in it.
    lines = [line for line in (rest, view.best_so_far(name)) if line]
    title = Text(f"{one_line(name)}: {counts_text(view.counts(name))}", style="table.title")
    table = Table(
        title=title,
        title_justify="left",
        caption=Text("\n".join(lines), style="table.caption") if lines else None,
        caption_justify="left",
        expand=False,
    )
    names = [one_line(name, NAME_LENGTH) for name in metrics]
    for column in ("trial", "state"):
        table.add_column(column, overflow="fold")
    for column in ("pid", "time", "timesteps", *names):
        table.add_column(column, justify="right", overflow="fold")
    table.add_column("", overflow="fold")
    for record in listed:
        cells = [Text(cell) for cell in _cells(record, metrics, view.infeasibility(record))]
        table.add_row(*cells, style=_STYLES[record.state])
    return table


def _shown_metrics(view: StatusView, experiment: str, listed: Sequence[TrialRecord]) -> list[str]:
    """Return the metric by which trials compare, and the usual ones that some trial has."""
    metrics: dict[str, None] = {}
    objective = view.objective(experiment)
    if objective:
        metrics[objective.metric] = None
        metrics |= dict.fromkeys(each.metric for each in view.experiments[experiment].others)
    rows = [record.progress.last or {} for record in listed]
    for name in USUAL_METRICS:
        if any(row.get(name) is not None for row in rows):
            metrics[name] = None
    return list(metrics)


def _cells(record: TrialRecord, metrics: Sequence[str], infeasibility: str | None) -> list[str]:
    pid = reason = elapsed = timesteps = ""
    if record.outcome:
        reason = record.outcome.error_summary or record.outcome.stop_reason
    elif record.info:
        pid = str(record.info.pid)
    if record.resources:
        reason = ", ".join(text for text in (attempt_text(record), reason) if text)
    if infeasibility:
        reason = "; ".join(text for text in (reason, f"infeasible: {infeasibility}") if text)
    row = record.progress.last or {}
    if row:
        elapsed = f"{row['time_total_s']:.0f} s"
        timesteps = str(row["timesteps_total"])
    name = shown_name(record.trial.name, record.trial.index)
    values = [_value_text(metric(row, each)) for each in metrics]
    return [name, str(record.state), pid, elapsed, timesteps, *values, reason]


def _value_text(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
