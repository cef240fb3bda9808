"""The end of a sweep: every record is closed, in Prefect, in the trackers and in the files."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tune_tasks.model.files import RESULTS
from tune_tasks.model.text import one_line
from tune_tasks.model.timeouts import LAST_VIEW_S, LEAST_PATIENCE_S, PATIENCE_S
from tune_tasks.recording.client import RecorderClient
from tune_tasks.results.excerpt import excerpt, with_trials_of
from tune_tasks.results.report import write_report
from tune_tasks.results.summary import Summary
from tune_tasks.sweep.display import Display
from tune_tasks.sweep.interruption import Patience
from tune_tasks.sweep.listener import Listener
from tune_tasks.sweep.records import Records
from tune_tasks.sweep.request import after_the_sweep
from tune_tasks.sweep.run_view import RunView
from tune_tasks.sweep.status import StatusView
from tune_tasks.sweep.task_runs import TaskRuns
from tune_tasks.tracking.info import SweepInfo


@dataclass(frozen=True)
class Views:
    """Who is shown how the sweep stands."""

    display: Display
    run_view: RunView

    def show(self, view: StatusView, summarize: Callable[[], Summary]) -> None:
        """Show how the sweep stands, as often as each of them likes."""
        with contextlib.suppress(OSError):  # whoever read the status has gone
            self.display.show(view)
        self.run_view.offer(summarize)


@dataclass(frozen=True)
class Closing:
    """Closes the records of a sweep whose trials have ended.

    Whatever fails here is a warning: it takes nobody's summary away.

    Attributes:
        patience: With trackers and servers.
    """

    info: SweepInfo
    records: Records
    task_runs: TaskRuns
    recorder: RecorderClient
    listener: Listener
    views: Views
    patience: Patience

    def run(self, summarize: Callable[[], Summary]) -> Summary:
        """Close everything; returns the summary with the trackers' ids and pages."""
        missing: Mapping[str, str] = {}
        with self._survived():
            missing = self._close_attempts()
        summary = summarize()
        with self._survived():
            self._write_reports(summary)
            patience_s = self.patience.seconds()
            closed = self.recorder.close_sweep(excerpt(summary), timeout_s=patience_s)
            if closed:
                summary = with_trials_of(closed, summary)
            # Nobody waits in vain for the same tracker twice.
            most_s = LEAST_PATIENCE_S if missing else PATIENCE_S
            missing = self._drain(most_s, least_s=LEAST_PATIENCE_S)
        for tracker, what in missing.items():
            where = self._where_they_are(summary)
            self.views.display.warn(f"{tracker} lacks results ({what}){where}")
        with self._survived():
            self.views.run_view.close(summary, self.patience.seconds(LAST_VIEW_S))
        return summary

    def _close_attempts(self) -> Mapping[str, str]:
        """Have Prefect and the trackers hear of every end; returns what the trackers lack."""
        self.task_runs.settle()
        self.listener.hear_the_last()
        for record in self.records.begun():
            is_heard = record.status is not None and record.status.outcome is not None
            if record.outcome and not is_heard:
                self.listener.restore(record)
        missing = self._drain(PATIENCE_S)
        unheard = self.task_runs.create_absent(self.patience.seconds())
        if unheard:
            self.views.display.warn(unheard)
        self.listener.hear_the_last()
        return missing

    def _drain(self, most_s: float, least_s: float = 0.0) -> Mapping[str, str]:
        """Wait for the trackers as long as they get on; returns what they lack.

        Args:
            most_s: Seconds to wait for one that does not get on, at most.
            least_s: Seconds to wait though the patience is gone.
        """
        least_until = time.monotonic() + least_s
        while True:
            patience_s = self.patience.seconds(most_s)
            wait_s = patience_s
            if self.patience.is_gone:
                wait_s = max(0.0, least_until - time.monotonic())
            lacking = self.recorder.drain(wait_s, timeout_s=patience_s)
            if lacking is not None:
                return lacking

    def _write_reports(self, summary: Summary) -> None:
        for experiment in summary.experiments:
            try:
                write_report(summary, experiment)
            except Exception as exc:  # noqa: BLE001 - the sweep's results stand without it
                name = one_line(experiment.name)
                problem = f"{type(exc).__name__}: {exc}"
                self.views.display.warn(f"{name}: no report was written: {problem}")

    def _where_they_are(self, summary: Summary) -> str:
        for experiment in summary.experiments:
            if any(RESULTS in trial.missing for trial in experiment.listed):
                return ""
        folders = ", ".join(str(experiment.folder) for experiment in self.info.experiments.values())
        sync = f"`tune-tasks sync {self.info.sweep}` delivers them later"
        return f"; they are in the files under {folders}, and {sync}"

    @contextlib.contextmanager
    def _survived(self) -> Iterator[None]:
        try:
            yield
        except Exception as exc:  # noqa: BLE001 - the trials have ended, and that is what counts
            self.views.display.warn(after_the_sweep(exc))
