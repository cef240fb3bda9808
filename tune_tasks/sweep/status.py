"""The sweep's status for people.

A live table on a terminal, else the `== Status ==` block of 2017.
"""

from __future__ import annotations

import contextlib
import math
import socket
import sys
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TextIO

from tune_tasks.model.text import cut_lines, one_line, printed, showable
from tune_tasks.model.trial import TrialState, shown_name
from tune_tasks.result import metric, tracked_metrics
from tune_tasks.results.summary import metric_to_go_by
from tune_tasks.sweep.records import TrialRecord
from tune_tasks.tracking.info import ExperimentInfo

_EVERY_S = 3.0
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

    def metric(self, experiment: str) -> tuple[str | None, str]:
        """The metric and mode that an experiment's 'best' goes by so far."""
        info, records = self.experiments[experiment], self._of(experiment)
        return metric_to_go_by(
            info.metric, info.mode, lambda name: any(_finite(r, name) is not None for r in records)
        )

    def best_first(self, experiment: str) -> tuple[list[TrialRecord], str]:
        """The same by the metric, best first; those that have no value, or failed, come after."""
        name, mode = self.metric(experiment)
        sign = -1 if mode == "max" else 1

        def place(record: TrialRecord) -> tuple[int, float, int]:
            value = _finite(record, name) if name and record.state is not TrialState.ERROR else None
            if value is None:
                return 1 + _ORDER.index(record.state), 0, record.trial.index
            return 0, sign * value, record.trial.index

        return _folded(sorted(self._of(experiment), key=place), self._unlisted(experiment))

    def _unlisted(self, experiment: str) -> int:
        return self.unlisted.get(experiment, 0)

    def _of(self, experiment: str) -> list[TrialRecord]:
        return [record for record in self.records if record.trial.experiment == experiment]

    def listed(self, experiment: str) -> tuple[list[TrialRecord], str]:
        """The trials of an experiment to show, running ones first.

        And the rest in one line of counts.
        """
        records, rest = _folded(
            sorted(self._of(experiment), key=lambda r: (_ORDER.index(r.state), r.trial.index)),
            self._unlisted(experiment),
        )
        if rest:
            return records, rest
        return sorted(records, key=lambda r: (r.state is not TrialState.RUNNING, r.trial.index)), ""


def _folded(records: list[TrialRecord], unlisted: int) -> tuple[list[TrialRecord], str]:
    counts = Counter(record.state for record in records[LISTED:])
    counts[TrialState.PENDING] += unlisted
    if not counts.total():
        return records, ""
    rest = ", ".join(f"{counts[state]} {state}" for state in _ORDER if counts[state])
    return records[:LISTED], f"… {counts.total()} more trials: {rest}"


def _finite(record: TrialRecord, name: str) -> float | None:
    value = metric(record.progress.last or {}, name)
    return value if value is not None and math.isfinite(value) else None


def status_lines(view: StatusView) -> Iterator[str]:
    """The block of 2017."""
    cpus, gpus = view.used()
    yield "== Status =="
    yield f"Resources used: {cpus:g}/{view.cpu:g} CPUs, {gpus:g}/{view.gpu:g} GPUs"
    for name, experiment in view.experiments.items():
        yield f"Tensorboard logdir: {experiment.folder}"
        listed, rest = view.listed(name)
        yield from (
            f" - {shown_name(record.trial.name, record.trial.index)}:\t"
            f"{progress_text(record, experiment.metric)}"
            for record in listed
        )
        if rest:
            yield f"   {rest}"
    yield ""


def progress_text(record: TrialRecord, named: str | None = None) -> str:
    """`RUNNING [pid=27708], 16 s, 20 ts, 0.46 acc`; with the metric that the spec names."""
    row, parts = record.progress.last, [_state_text(record)]
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
    host = "" if info.hostname in ("", socket.gethostname()) else f"{info.hostname} "
    return f"RUNNING [{host}pid={info.pid}]"


def _metric_texts(record: TrialRecord, row: Mapping[str, Any], named: str | None) -> Iterator[str]:
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
    """Print a text. Whoever read it may have gone, or the disk behind it be full.

    The sweep goes on.
    """
    with contextlib.suppress(OSError, ValueError):
        print(printed(text, out.encoding), file=out, flush=True)


class Display(ABC):
    """Shows how a sweep does. Called in the driver, several times a second.

    Decides itself how often to show anything.
    """

    @abstractmethod
    def show(self, view: StatusView) -> None:
        """The sweep stands so."""

    @abstractmethod
    def note(self, text: str) -> None:
        """Something to know at once."""

    def warn(self, text: str) -> None:
        """Something that is allowed or survived but hardly meant."""
        self.note(f"Warning: {cut_lines(text)}")

    def close(self) -> None:
        """Nothing more comes."""


class ClassicDisplay(Display):
    """Prints the status block when something changed, at most every three seconds."""

    def __init__(self, out: TextIO, *, every_s: float = _EVERY_S) -> None:
        self._out, self._every_s = out, every_s
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
        """Print where the last block is not the latest."""
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
        if time.monotonic() - self._shown_at >= 0.5:
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
    """The display of a kind.

    `live`, `classic`, `none`, or `auto`, which is live on a terminal and else classic.
    """
    if kind == "none":
        return NoDisplay()
    return (
        LiveDisplay(out)
        if kind == "live" or (kind == "auto" and out.isatty())
        else ClassicDisplay(out)
    )


def _table(view: StatusView) -> Any:
    from rich.console import Group
    from rich.text import Text

    cpus, gpus = view.used()
    head = Text(f"{cpus:g}/{view.cpu:g} CPUs, {gpus:g}/{view.gpu:g} GPUs in use", style="dim")
    return Group(head, *(_experiment_table(view, name) for name in view.experiments))


def _experiment_table(view: StatusView, name: str) -> Any:
    from rich.table import Table
    from rich.text import Text

    listed, rest = view.best_first(name)
    by, _ = view.metric(name)
    metrics = [
        m
        for m in _METRICS
        if m != by and any((r.progress.last or {}).get(m) is not None for r in listed)
    ]
    metrics = [by, *metrics] if by else metrics
    records = [r for r in view.records if r.trial.experiment == name]
    counts = Counter(r.state for r in records)
    states = ", ".join(f"{counts[state]} {state}" for state in _ORDER if counts[state])
    title = Text(f"{one_line(name)}: {states}", style="table.title")  # as a str it would be markup
    table = Table(
        title=title,
        title_justify="left",
        caption=rest or None,
        caption_justify="left",
        expand=False,
    )
    for column in (
        "trial",
        "state",
        "pid",
        "time",
        "timesteps",
        *(one_line(m, _UNIT_LENGTH) for m in metrics),
        "",
    ):
        table.add_column(
            column, justify="left" if column in ("trial", "state", "") else "right", overflow="fold"
        )
    for record in listed:
        table.add_row(
            *(Text(cell) for cell in _cells(record, metrics)), style=_STYLES[record.state]
        )
    return table


_STYLES = {
    TrialState.RUNNING: "bold",
    TrialState.ERROR: "red",
    TrialState.PENDING: "dim",
    TrialState.TERMINATED: "green",
}


def _cells(record: TrialRecord, metrics: Sequence[str]) -> list[str]:
    row, info = record.progress.last, record.info
    values = [metric(row or {}, name) for name in metrics]
    reason = record.outcome.error_summary or record.outcome.stop_reason if record.outcome else ""
    return [
        shown_name(record.trial.name, record.trial.index),
        str(record.state),
        str(info.pid) if info and not record.outcome else "",
        f"{row['time_total_s']:.0f} s" if row else "",
        str(row["timesteps_total"]) if row else "",
        *("" if value is None else f"{value:.3g}" for value in values),
        reason,
    ]
