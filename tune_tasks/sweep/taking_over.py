"""What a driver does first if an earlier one has begun its sweep, or if it has lost attempts."""

from __future__ import annotations

from tune_tasks.model.trial import EndedBy, Outcome, Trial
from tune_tasks.sweep.attempt_ends import AttemptEnds
from tune_tasks.sweep.driver_parts import DriverParts, Teller
from tune_tasks.sweep.events import AttemptEnded, ResultsLost, StartFailed, TakenOver
from tune_tasks.sweep.listener import Listener
from tune_tasks.sweep.records import Attempt, TrialRecord
from tune_tasks.sweep.resume import end_of_orphan, has_its_reports, kept_note


def take_over(
    parts: DriverParts,
    teller: Teller,
    ends: AttemptEnds,
    listener: Listener,
    *,
    retry_failed: bool,
) -> None:
    """Tell the core, and the recorder, what has become of the trials of an earlier driver.

    Args:
        parts: Of the driver.
        teller: To the core.
        ends: Of attempts.
        listener: To the recorder.
        retry_failed: Whether failed trials are given another attempt.
    """
    core = parts.core
    teller.tell(TakenOver(teller.now(), retry_failed))
    # The last one first: what has never begun is put back before all others.
    for key, _ in reversed(core.running):
        ends.tell_of_orphan(parts.records.of(core.trial(key)))
    for record in parts.records.begun():
        key = record.trial.key
        outcome = core.outcome(key) or core.paused(key)
        if outcome and not has_its_reports(record, outcome):
            teller.tell(ResultsLost(teller.now(), key))
        record.outcome = core.outcome(key)
        if record.outcome and record.attempt:
            _keep(record.attempt, record.trial, record.outcome)
        _have_paused(record, core.paused(key))
        listener.restore_attempts(record)
    kept = sum(core.outcome(record.trial.key) is not None for record in parts.records.begun())
    parts.views.display.note(kept_note(parts.info.sweep, kept, parts.plan.size))


def _keep(attempt: Attempt, trial: Trial, outcome: Outcome) -> None:
    """Have in the files how a trial has ended: the last driver may have died before it wrote it."""
    written = attempt.paths.read_outcome()
    if written and written.ended_by is EndedBy.PAUSED:
        attempt.keep_instead(outcome)
    else:
        attempt.keep(trial, outcome)


def _have_paused(record: TrialRecord, outcome: Outcome | None) -> None:
    """Have a trial paused that waits to be promoted: it may have ended with the last driver."""
    if outcome and record.attempt:
        record.outcome = outcome
        record.will_retry = True
        record.attempt.keep_instead(outcome)


def give_up_lost(parts: DriverParts, teller: Teller) -> None:
    """Take back the attempts that the driver has lost: it failed while it had them in hand.

    Nobody would tell the core how they end, and the sweep would wait for them without an end.
    """
    held = {trial.key for trial in parts.attempts.running()}
    for key, number in parts.core.running:
        if key not in held:
            record = parts.records.of(parts.core.trial(key))
            teller.tell(_end_of_lost(record, number, teller.now()))


def _end_of_lost(record: TrialRecord, number: int, at: float) -> AttemptEnded | StartFailed:
    attempt = record.attempt
    if attempt is None or attempt.number != number:
        return StartFailed(at, record.trial.key, number)
    return end_of_orphan(record.trial, attempt, at)
