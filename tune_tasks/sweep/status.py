"""The sweep's status for people: a live table on a terminal, else a `== Status ==` block.

The block looks as Ray Tune's did in 2017.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TextIO

from tune_tasks.model.objective import Objective, choose_objective
from tune_tasks.model.text import cut_lines, one_line, printed, showable
from tune_tasks.model.trial import TrialState, shown_name
from tune_tasks.result import metric, tracked_metrics
from tune_tasks.sweep.records import TrialRecord
from tune_tasks.sweep.time_left import Workload, time_left_s, time_left_text
from tune_tasks.tracking.info import ExperimentInfo

_EVERY_S = 3.0
_LIVE_EVERY_S = 0.5
LISTED = 20
"""Trials of an experiment that are shown one by one."""
_ORDER = (TrialState.RUNNING, TrialState.ERROR, TrialState.PENDING, TrialState.TERMINATED)
_UNIT_LENGTH = 80
_METRICS = {"episode_reward_mean": "rew", "mean_loss": "loss", "mean_accuracy": "acc"}


@dataclass(frozen=True)
class StatusView:
    """The sweep as it stands.

    Attributes:
        cpu: CPUs of the cluster.
        gpu: GPUs of the cluster.
        experiments: By name.
        records: Every trial that was started, and of each experiment some that were not.
        unlisted: By experiment, how many more trials there are that were not started.
    """

    cpu: float
    gpu: float
    experiments: Mapping[str, ExperimentInfo]
    records: Sequence[TrialRecord]
    unlisted: Mapping[str, int] = field(default_factory=dict)

    def used(self) -> tuple[float, float]:
        """CPUs and GPUs of the running trials."""
        running = [r.trial.resources for r in self.records if r.state is TrialState.RUNNING]
        return sum(r.cpu for r in running), sum(r.gpu for r in running)

    def done(self) -> int:
        """Return how many trials have ended."""
        return sum(record.outcome is not None for record in self.records)

    def total(self) -> int:
        """Return how many trials there are."""
        return len(self.records) + sum(self.unlisted.values())

    def counts(self, experiment: str) -> Counter[TrialState]:
        """Return how many trials of an experiment are in each state."""
        counts = Counter(record.state for record in self._of(experiment))
        counts[TrialState.PENDING] += self.unlisted.get(experiment, 0)
        return counts

    def time_left_s(self) -> float | None:
        """Estimate the seconds until the sweep ends; None while there is no basis for that."""
        return time_left_s(self._workload(name) for name in self.experiments)

    def objective(self, experiment: str) -> Objective | None:
        """Return what an experiment's trials compare by so far."""
        records = self._of(experiment)

        def is_reported(default: Objective) -> bool:
            return any(default.value(record.progress.last) is not None for record in records)

        return choose_objective(self.experiments[experiment].objective, is_reported)

    def best_first(self, experiment: str) -> tuple[list[TrialRecord], str]:
        """Return the trials of an experiment to show, best first, and the rest as a line of counts.

        Trials that have no value of the metric, or have failed, come after the others.
        """
        objective = self.objective(experiment)

        def place(record: TrialRecord) -> tuple[int, float, int]:
            if objective and record.state is not TrialState.ERROR:
                value = objective.value(record.progress.last)
                if value is not None:
                    return 0, objective.sort_key(value), record.trial.index
            return 1 + _ORDER.index(record.state), 0, record.trial.index

        return self._folded(experiment, sorted(self._of(experiment), key=place))

    def running_first(self, experiment: str) -> tuple[list[TrialRecord], str]:
        """Return the trials of an experiment to show, and the rest as a line of counts.

        Running trials come first. Of a long list the failed ones come next, because the others may
        not be shown; a short one is in the order of the trials.
        """
        records = self._of(experiment)
        if len(records) > LISTED or self.unlisted.get(experiment):
            records.sort(key=lambda record: (_ORDER.index(record.state), record.trial.index))
        else:
            records.sort(
                key=lambda record: (record.state is not TrialState.RUNNING, record.trial.index)
            )
        return self._folded(experiment, records)

    def _folded(self, experiment: str, records: list[TrialRecord]) -> tuple[list[TrialRecord], str]:
        listed = records[:LISTED]
        rest = self.counts(experiment) - Counter(record.state for record in listed)
        if not rest:
            return listed, ""
        return listed, f"… {rest.total()} more trials: {_counts_text(rest)}"

    def _workload(self, experiment: str) -> Workload:
        """Return an experiment's trials by how long they took; a failed trial is no measure."""
        records = self._of(experiment)
        return Workload(
            ended=[_elapsed_s(r) for r in records if r.state is TrialState.TERMINATED],
            running=[_elapsed_s(r) for r in records if r.state is TrialState.RUNNING],
            pending=self.counts(experiment)[TrialState.PENDING],
        )

    def _of(self, experiment: str) -> list[TrialRecord]:
        return [record for record in self.records if record.trial.experiment == experiment]


def _elapsed_s(record: TrialRecord) -> float:
    """Return the seconds that a trial had taken at its latest report."""
    return float((record.progress.last or {}).get("time_total_s", 0.0))


def _counts_text(counts: Mapping[TrialState, int]) -> str:
    return ", ".join(f"{counts[state]} {state}" for state in _ORDER if counts[state])


def status_lines(view: StatusView) -> Iterator[str]:
    """Yield the lines of the `== Status ==` block."""
    cpus, gpus = view.used()
    yield "== Status =="
    yield f"Resources used: {cpus:g}/{view.cpu:g} CPUs, {gpus:g}/{view.gpu:g} GPUs"
    for name, experiment in view.experiments.items():
        yield f"Tensorboard logdir: {experiment.folder}"
        listed, rest = view.running_first(name)
        named = experiment.objective.metric if experiment.objective else None
        for record in listed:
            trial = shown_name(record.trial.name, record.trial.index)
            yield f" - {trial}:\t{progress_text(record, named)}"
        if rest:
            yield f"   {rest}"
    yield ""


def progress_text(record: TrialRecord, named: str | None = None) -> str:
    """Return a text such as `RUNNING [pid=27708], 16 s, 20 ts, 0.46 acc`.

    Args:
        record: The trial.
        named: The metric that the spec names, if it does: it stands before the usual ones.
    """
    row = record.progress.last
    parts = [_state_text(record)]
    if row:
        parts += [
            f"{row['time_total_s']:.0f} s",
            f"{row['timesteps_total']} ts",
            *_metric_texts(record, row, named),
        ]
    if record.attempts > 1:
        parts.append(f"attempt {record.attempts}")
    if record.outcome and record.outcome.error:
        parts.append(record.outcome.error_summary)
    return ", ".join(parts)


def _state_text(record: TrialRecord) -> str:
    info = record.info
    if record.state is not TrialState.RUNNING or info is None:
        return str(record.state)
    host = f"{info.hostname} "
    if info.hostname in ("", socket.gethostname()):
        host = ""
    return f"RUNNING [{host}pid={info.pid}]"


def _metric_texts(record: TrialRecord, row: Mapping[str, Any], named: str | None) -> Iterator[str]:
    """Yield the metrics of a report, each with its unit; without a usual one, its first two."""
    shown = {name: unit for name, unit in _METRICS.items() if row.get(name) is not None}
    if named and named not in shown and metric(row, named) is not None:
        shown = {named: named, **shown}
    if not shown:
        shown = {name: name for name, _ in list(tracked_metrics(row))[:2]}
    for name, unit in shown.items():
        yield f"{metric(row, name):.3g} {one_line(unit, _UNIT_LENGTH)}"
    if record.progress.non_finite:
        yield f"{record.progress.non_finite} values not finite"


def put(text: str, out: TextIO) -> None:
    """Print a text, if that is possible.

    Whoever read it may have gone, or the disk behind it may be full; the sweep goes on.
    """
    with contextlib.suppress(OSError, ValueError):
        print(printed(text, out.encoding), file=out, flush=True)


class Display(ABC):
    """Shows how a sweep does.

    The driver calls it several times a second; it decides itself how often it shows anything.
    """

    @abstractmethod
    def show(self, view: StatusView) -> None:
        """Show how the sweep stands, if that is due."""

    @abstractmethod
    def note(self, text: str) -> None:
        """Show something that is to be known at once."""

    def warn(self, text: str) -> None:
        """Show something that is allowed, or was survived, but was hardly meant."""
        self.note(f"Warning: {cut_lines(text)}")

    def close(self) -> None:
        """Show the last that there is: nothing more comes."""


class ClassicDisplay(Display):
    """Prints the status block when something changed, at most every three seconds."""

    def __init__(self, out: TextIO, *, every_s: float = _EVERY_S) -> None:
        self._out = out
        self._every_s = every_s
        self._shown: list[str] = []
        self._shown_at = float("-inf")
        self._last: StatusView | None = None

    def show(self, view: StatusView) -> None:
        """See `Display`."""
        self._last = view
        if time.monotonic() - self._shown_at >= self._every_s:
            self._print(view)

    def note(self, text: str) -> None:
        """See `Display`."""
        put(text, self._out)

    def close(self) -> None:
        """Print the latest block, if it is not printed yet."""
        if self._last:
            self._print(self._last)
            self._last = None

    def _print(self, view: StatusView) -> None:
        lines = list(status_lines(view))
        self._shown_at = time.monotonic()
        if lines != self._shown:
            self._shown = lines
            put("\n".join(lines), self._out)


class LiveDisplay(Display):
    """A table on a terminal, kept up to date in place."""

    def __init__(self, out: TextIO) -> None:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(
            console=Console(file=out),
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._shown_at = float("-inf")
        self._last: StatusView | None = None

    def show(self, view: StatusView) -> None:
        """See `Display`."""
        self._last = view
        if time.monotonic() - self._shown_at >= _LIVE_EVERY_S:
            self._shown_at = time.monotonic()
            self._live.start()
            self._live.update(_table(view), refresh=True)

    def note(self, text: str) -> None:
        """See `Display`."""
        with contextlib.suppress(OSError, ValueError):
            self._live.console.print(showable(text), markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Leave the last table standing."""
        if self._last:
            with contextlib.suppress(OSError, ValueError):
                self._live.update(_table(self._last), refresh=True)
                self._live.stop()
            self._last = None


class NoDisplay(Display):
    """Shows nothing but warnings, on standard error."""

    def show(self, view: StatusView) -> None:
        """See `Display`."""

    def note(self, text: str) -> None:
        """See `Display`."""

    def warn(self, text: str) -> None:
        """See `Display`."""
        put(f"Warning: {cut_lines(text)}", sys.stderr)


def make_display(kind: str, out: TextIO) -> Display:
    """Return the display of a kind.

    Args:
        kind: `live`, `classic`, `none`, or `auto`, which is live on a terminal and else classic.
        out: Where it shows.
    """
    if kind == "none":
        return NoDisplay()
    if kind == "live" or (kind == "auto" and out.isatty()):
        return LiveDisplay(out)
    return ClassicDisplay(out)


def _table(view: StatusView) -> Any:
    from rich.console import Group
    from rich.text import Text

    tables = [_experiment_table(view, name) for name in view.experiments]
    return Group(Text(_head(view), style="dim"), *tables)


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
    # As a str it would be taken for markup
    title = Text(f"{one_line(name)}: {_counts_text(view.counts(name))}", style="table.title")
    table = Table(
        title=title,
        title_justify="left",
        caption=rest or None,
        caption_justify="left",
        expand=False,
    )
    for column in ("trial", "state"):
        table.add_column(column, overflow="fold")
    for column in ("pid", "time", "timesteps", *(one_line(m, _UNIT_LENGTH) for m in metrics)):
        table.add_column(column, justify="right", overflow="fold")
    table.add_column("", overflow="fold")
    for record in listed:
        cells = [Text(cell) for cell in _cells(record, metrics)]
        table.add_row(*cells, style=_STYLES[record.state])
    return table


def _shown_metrics(view: StatusView, experiment: str, listed: Sequence[TrialRecord]) -> list[str]:
    """Return the metric by which trials compare, and the usual ones that some trial has."""
    objective = view.objective(experiment)
    by = objective.metric if objective else None
    rows = [record.progress.last or {} for record in listed]
    usual = [
        name for name in _METRICS if name != by and any(row.get(name) is not None for row in rows)
    ]
    return [by, *usual] if by else usual


_STYLES = {
    TrialState.RUNNING: "bold",
    TrialState.ERROR: "red",
    TrialState.PENDING: "dim",
    TrialState.TERMINATED: "green",
}


def _cells(record: TrialRecord, metrics: Sequence[str]) -> list[str]:
    pid = reason = elapsed = timesteps = ""
    if record.outcome:
        reason = record.outcome.error_summary or record.outcome.stop_reason
    elif record.info:
        pid = str(record.info.pid)
    row = record.progress.last or {}
    if row:
        elapsed = f"{row['time_total_s']:.0f} s"
        timesteps = str(row["timesteps_total"])
    values = [metric(row, name) for name in metrics]
    return [
        shown_name(record.trial.name, record.trial.index),
        str(record.state),
        pid,
        elapsed,
        timesteps,
        *("" if value is None else f"{value:.3g}" for value in values),
        reason,
    ]
