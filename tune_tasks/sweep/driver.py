"""The shell around a sweep's core: tells it what happens, and does what it wants.

All of it runs in the flow's main thread, in one loop. Signals are noted by their handler and told
to the core by the loop, because a handler may run in the middle of any of its lines.
"""

from __future__ import annotations

from tune_tasks.model.text import one_line
from tune_tasks.results.summary import Summary
from tune_tasks.sweep.attempt_ends import AttemptEnds
from tune_tasks.sweep.attempt_starts import AttemptStarts
from tune_tasks.sweep.closing import Closing
from tune_tasks.sweep.driver_parts import DriverParts, Teller
from tune_tasks.sweep.events import Event, Proposed, SweepBegan, Ticked
from tune_tasks.sweep.instructions import (
    CloseSweep,
    CopyCheckpoint,
    EndAll,
    EndAttempt,
    EndExperiment,
    ForgetAttempt,
    GoOn,
    Instruction,
    KeepEnd,
    KillAttempt,
    Propose,
    StartAttempt,
)
from tune_tasks.sweep.interruption import Patience
from tune_tasks.sweep.listener import Listener
from tune_tasks.sweep.metric_watch import MetricWatch
from tune_tasks.sweep.outside import Outside
from tune_tasks.sweep.resume import Takeover
from tune_tasks.sweep.showing import Showing
from tune_tasks.sweep.taking_over import give_up_lost, take_over
from tune_tasks.sweep.task_runs import TaskRuns

_POLL_S = 0.25
_ASKING_S = 0.02
"""While a model is asked: an answer takes some milliseconds, and room is waiting for it."""


class Sweep:
    """One execution of a plan. Lives in the flow; `run` returns when every trial has ended.

    Args:
        parts: What it works with.
        takeover: How this driver goes on with the sweep of an earlier one; None if it is the first.
    """

    def __init__(self, parts: DriverParts, takeover: Takeover | None = None) -> None:
        self._parts = parts
        self._core = parts.core
        self._takeover = takeover
        self._patience = Patience()
        # The clock of the events goes on from the last event of the earlier driver.
        since = takeover.at if takeover else 0.0
        self._metric_watch = MetricWatch(parts.plan.experiments)
        self._teller = Teller(
            parts.core, parts.journal, since, self._carry_out, self._look_at_metrics
        )
        self._task_runs = TaskRuns(parts.info.flow_run_id)
        self._listener = Listener(
            parts.info,
            parts.records,
            parts.recorder,
            self._patience,
            self._teller.now,
            self._teller.tell,
            parts.journal.heard,
        )
        self._outside = Outside(parts, self._teller, self._patience)
        self._starts = AttemptStarts(parts, self._teller)
        self._ends = AttemptEnds(
            parts, self._teller, self._outside, self._listener, self._task_runs
        )
        self._showing = Showing(parts, self._teller)
        self._is_over = False

    @property
    def is_suspended(self) -> bool:
        """Whether trials are left for a later execution of the flow run."""
        return self._core.is_suspended

    def run(self) -> Summary:
        """Run every trial to its end, or until the sweep is stopped.

        Raises:
            BaseException: What the scheduler raised, or what kept the driver from going on (such as
                Prefect's CancelledError if the run has lost its concurrency slot). The running
                trials are ended first.
        """
        with self._parts.watches.interruption.calling(self._on_signal):
            try:
                self._begin()
                self._loop()
            except BaseException as exc:
                self._end_after(exc)
                raise
            summary = self._close()
            if self._core.failure:
                raise self._core.failure
            return summary

    def _begin(self) -> None:
        if self._takeover:
            retry_failed = self._takeover.retry_failed
            take_over(
                self._parts, self._teller, self._ends, self._listener, retry_failed=retry_failed
            )
        self._outside.look_around()
        room = max(self._parts.cluster.slots(size) for size in self._parts.plan.sizes())
        self._teller.tell(SweepBegan(self._teller.now(), room))

    def _loop(self) -> None:
        while not self._is_over:
            self._outside.look_around()
            self._hear_models()
            self._hear_of_attempts()
            self._showing.show_now_and_then()

    def _hear_models(self) -> None:
        for key, point in self._parts.asker.answers():
            self._teller.tell(Proposed(self._teller.now(), key, point))

    def _hear_of_attempts(self) -> None:
        attempts = self._parts.attempts
        records = self._parts.records
        for trial in attempts.wait(_ASKING_S if self._parts.asker.is_open else _POLL_S):
            self._ends.tell(records.of(trial))
        self._listener.hear()
        silent = self._listener.silent([records.of(trial) for trial in attempts.running()])
        self._teller.tell(Ticked(self._teller.now(), silent))

    def _look_at_metrics(self, event: Event) -> None:
        for warning in self._metric_watch.heard(event):
            self._parts.views.display.warn(warning)

    def _on_signal(self, reason: str) -> None:
        """A signal's handler calls this, in the middle of anything."""
        self._outside.note_signal(reason)
        if self._is_over:
            self._patience.lose()

    def _end_after(self, failure: BaseException) -> None:
        """End what runs: the driver cannot go on."""
        try:
            self._outside.ask_to_stop(f"the sweep failed: {type(failure).__name__}: {failure}")
            give_up_lost(self._parts, self._teller)
            self._loop()
        finally:
            self._close()

    def _close(self) -> Summary:
        for record in self._parts.records.begun():
            record.will_retry = False
        closing = Closing(
            self._parts.info,
            self._parts.records,
            self._task_runs,
            self._parts.recorder,
            self._listener,
            self._parts.views,
            self._patience,
        )
        summary = closing.run(self._showing.last_summary)
        self._parts.journal.closed(self._core.unfinished(), summary)
        return summary

    # ── What the core wants ─────

    def _carry_out(self, wish: Instruction) -> None:
        match wish:
            case StartAttempt():
                self._starts.start(wish)
            case Propose():
                self._parts.asker.ask(wish.trial, self._core.history_for(wish.trial))
            case EndAttempt():
                self._parts.recorder.request_stop(wish.stop, [f"{wish.trial}/{wish.attempt}"])
            case GoOn():
                self._parts.recorder.answer(f"{wish.trial}/{wish.attempt}", wish.number)
            case CopyCheckpoint():
                self._starts.copy_checkpoint(wish)
            case EndAll():
                self._end_all(wish)
            case EndExperiment():
                said = f"{one_line(wish.experiment)}: {wish.reason}; no further trial is started"
                self._parts.views.display.note(said)
            case KillAttempt():
                self._parts.attempts.kill(self._parts.attempt_of(wish.trial), wish.stop)
            case KeepEnd():
                self._ends.keep(wish)
            case ForgetAttempt():
                self._ends.forget(wish)
            case CloseSweep():
                self._is_over = True

    def _end_all(self, wish: EndAll) -> None:
        if self._core.ended_early:
            self._parts.views.display.warn(f"the sweep stops: {self._core.ended_early}")
        self._parts.recorder.request_stop(wish.stop)
