"""What follows from what is heard of an attempt, and from its end. A part of the core; pure."""

from __future__ import annotations

from collections.abc import Sequence

from tune_tasks.model.checkpoint import CheckpointRef
from tune_tasks.model.failure import FailureCause
from tune_tasks.model.trial import EndedBy, Outcome, Stop, Trial, shown_name
from tune_tasks.model.trial_key import experiment_of
from tune_tasks.search.judge import Exploit, Pause
from tune_tasks.sweep.core_ends import Ends
from tune_tasks.sweep.core_state import Active, CoreState
from tune_tasks.sweep.events import (
    Announced,
    AttemptEnded,
    CheckpointCopied,
    CheckpointKept,
    CopyFailed,
    EndDecided,
    MilestonesReached,
    Reported,
    StartFailed,
    StopAsked,
    TrainingBegan,
)
from tune_tasks.sweep.instructions import (
    EndAll,
    EndAttempt,
    ForgetAttempt,
    GoOn,
    Instruction,
    KeepEnd,
)
from tune_tasks.sweep.retries import has_failed

AttemptEvent = (
    Announced
    | TrainingBegan
    | Reported
    | MilestonesReached
    | CheckpointKept
    | CheckpointCopied
    | CopyFailed
    | EndDecided
    | AttemptEnded
    | StartFailed
)
_LOST_S = 5.0
"""A trial whose process had just been started on a machine that has gone waits this long."""


class AttemptEvents:
    """See the module's docstring."""

    def __init__(self, state: CoreState, ends: Ends) -> None:
        self._state = state
        self._ends = ends

    def handle(self, event: AttemptEvent) -> list[Instruction]:
        """Take in what is heard of an attempt, if it is the trial's current one."""
        active = self._state.active.get(event.trial)
        if active is None or active.attempt != event.attempt:
            return []
        self._state.budgets.heard(active.trial, event)
        wishes: list[Instruction] = []
        match event:
            case Announced():
                active.announced = True
                self._has_run(active.trial.key)
            case TrainingBegan():
                active.began_at = event.at
            case CheckpointKept():
                self._keep_in_mind(event)
            case CheckpointCopied() | CopyFailed():
                wishes = self._exploit(active, event)
            case EndDecided():
                active.end = (event.stop, event.at)
            case Reported():
                wishes = self._report(active, event)
            case MilestonesReached():
                wishes = self._judge(active, event)
            case AttemptEnded():
                wishes = self._end(active, event)
            case StartFailed():
                wishes = self._forget(active)
        return wishes

    def _has_run(self, key: str) -> None:
        """Note that a trial's process runs, or did: who was promoted has not ended any more."""
        if self._state.promotions.runs(key):
            self._state.budgets.run_again(key)

    def _keep_in_mind(self, event: CheckpointKept) -> None:
        """Have the trial's next attempt go on from a checkpoint, unless a later one is known."""
        known = self._state.checkpoints.get(event.trial)
        # Once another trial's was copied the attempt ends, and what it writes counts no more.
        if known and known.attempt == event.attempt:
            is_older = known.again > 1 or known.number > event.number
        else:
            is_older = False
        if not is_older:
            kept = CheckpointRef(event.attempt, event.number, event.reports)
            self._state.checkpoints[event.trial] = kept

    # ── Reports ─────

    def _report(self, active: Active, event: Reported) -> list[Instruction]:
        if event.reports <= active.reports:
            return []
        state = self._state
        state.first_failures.has_reported()
        active.reports = event.reports
        reason = state.ask(lambda: state.scheduler.on_result(active.trial, event.result), None)
        stop = self._as_decided(event, reason)
        if stop is None:
            return []
        state.verdicts.setdefault(event.trial, (event.reports, stop))
        return [active.ask_to_end(stop, event.at)]

    def _judge(self, active: Active, event: MilestonesReached) -> list[Instruction]:
        state = self._state
        state.first_failures.has_reported()
        verdict = state.ask(lambda: state.judging.verdict(active.trial, event.reached), None)
        # Nothing more is started then: the trial comes to its own end as it is.
        is_last = state.is_ending or state.budgets.is_used_up(event.trial)
        exploit = verdict if isinstance(verdict, Exploit) and not is_last else None
        copy = state.exploits.wish(active.trial, event, exploit, state.then)
        if copy:
            return [copy]
        stop = self._as_decided(event, None if isinstance(verdict, Exploit) else verdict)
        if stop is None:
            state.judging.lets_go(active.trial)
            return [_go_on(active, event.number)]
        if stop.ended_by is not EndedBy.PAUSED:
            state.verdicts.setdefault(event.trial, (event.number, stop))
        return [active.ask_to_end(stop, event.at)]

    def _exploit(self, active: Active, event: CheckpointCopied | CopyFailed) -> list[Instruction]:
        if isinstance(event, CopyFailed):
            self._state.exploits.failed(event.trial)
            return [_go_on(active, event.number)]
        stop = self._state.exploits.copied(active.trial)
        if stop is None:
            return []
        self._state.checkpoints[event.trial] = event.checkpoint
        return [active.ask_to_end(stop, event.at)]

    def _as_decided(
        self, event: Reported | MilestonesReached, verdict: str | Pause | None
    ) -> Stop | None:
        """The end of an attempt that a scheduler wants now, or has wanted then."""
        if self._state.then is not None:
            ends = (wish for wish in self._state.then if isinstance(wish, EndAttempt))
            stops = (wish.stop for wish in ends if wish.trial == event.trial)
            # A budget may have ended it at the same moment, and that is no verdict about it.
            return next((stop for stop in stops if stop.ended_by is not EndedBy.BUDGET), None)
        if isinstance(verdict, Pause):
            return Stop(EndedBy.PAUSED, verdict.reason)
        return Stop(EndedBy.SCHEDULER, verdict) if verdict else None

    # ── Ends ─────

    def _end(self, active: Active, event: AttemptEnded) -> list[Instruction]:
        if self._is_as_never_begun(active, event.outcome):
            is_lost = _is_lost(event.outcome)
            return self._forget(active, until=event.at + _LOST_S if is_lost else None)
        state = self._state
        key = active.trial.key
        state.let_go(active)
        self._has_run(key)
        state.learned.ended(key, event.metrics)
        state.judging.ended(active.trial, event.outcome, event.metrics)
        state.attempts[key] = active.attempt
        state.ask(lambda: state.scheduler.on_end(active.trial, event.outcome), None)
        kept = self._kept(active, event.outcome)
        state.retries.note(kept)
        if kept.will_retry and kept.outcome.ended_by is EndedBy.PAUSED:
            return [kept, *self._pause(active.trial, event)]
        if kept.will_retry:
            self._try_again(kept, event.at)
            return [kept]
        state.ended[key] = kept.outcome
        state.budgets.ended(event)
        if has_failed(kept.outcome):
            state.judging.failed(active.trial)
        return [kept, *self._end_early(self._why_end_early(active.trial, kept), event.at)]

    def _pause(self, trial: Trial, event: AttemptEnded) -> Sequence[Instruction]:
        """Have a trial wait until it is promoted."""
        state = self._state
        trial = state.trial(trial.key)
        if not state.promotions.pauses(trial, event.outcome):
            state.pending.put_back(trial)  # the spec was edited since
            return ()
        state.budgets.ended(event)
        return self._end_early(self._why_no_promotion(trial), event.at)

    def _why_no_promotion(self, trial: Trial) -> str | None:
        """Why trials cannot be promoted; None if this one can be, or one before it could."""
        state = self._state
        has_one = any(experiment_of(key) == trial.experiment for key in state.checkpoints)
        if has_one or not state.has_begun:
            return None
        name = shown_name(trial.name, trial.index)
        return (
            f"{name} was paused and has written no checkpoint, so it could not go on; asha with"
            " mode: promote needs one whenever status_reporter.wants_checkpoint is true, and"
            " mode: stop needs none"
        )

    def _kept(self, active: Active, outcome: Outcome) -> KeepEnd:
        """What is kept of an attempt's end, and whether the trial is tried again."""
        state = self._state
        then = next((wish for wish in state.then or () if isinstance(wish, KeepEnd)), None)
        if then:
            return then
        is_ending = state.is_ending or state.budgets.is_used_up(active.trial.key)
        return state.retries.judged(active.trial, active.attempt, outcome, is_ending=is_ending)

    def _try_again(self, kept: KeepEnd, at: float) -> None:
        pending = self._state.pending
        wait_s = kept.verdict.wait_s if kept.verdict else 0.0
        pending.wait(self._state.trial(kept.trial), until=at + wait_s)
        pending.end_waits(at)

    def _forget(self, active: Active, until: float | None = None) -> list[Instruction]:
        """Have the trial pending again; if a time is given, it cannot start before."""
        key = active.trial.key
        self._state.let_go(active)
        self._state.attempts[key] = active.attempt - 1
        if self._state.promotions.never_ran(active.trial):
            return [ForgetAttempt(key, active.attempt)]
        if until is None:
            self._state.pending.put_back(active.trial)
        else:
            self._state.pending.wait(active.trial, until)
        return [ForgetAttempt(key, active.attempt)]

    def _is_as_never_begun(self, active: Active, outcome: Outcome) -> bool:
        if self._state.then is not None:
            return any(isinstance(wish, ForgetAttempt) for wish in self._state.then)
        if outcome.ended_by is EndedBy.NO_SPACE:
            return True
        if active.announced:
            return False
        was_promoted = self._state.promotions.is_to_run(active.trial.key)
        return _is_lost(outcome) or (active.killed and (active.attempt == 1 or was_promoted))

    # ── The sweep's end by a trial's failure ─────

    def _end_early(self, reason: str | None, at: float) -> Sequence[Instruction]:
        """Stop the sweep, if there is a reason to, or if there was one then."""
        then = self._state.then
        if then is not None:
            reason = next((wish.stop.reason for wish in then if isinstance(wish, EndAll)), None)
        has_more = self._state.active or self._state.left()
        if reason is None or self._state.is_ending or not has_more:
            return ()
        self._state.ended_early = reason
        return self._ends.stop(StopAsked(at, reason))

    def _why_end_early(self, trial: Trial, kept: KeepEnd) -> str | None:
        """Why a trial's failure stops the sweep; None if it does not."""
        if self._state.then is not None:
            return None
        alike = self._state.first_failures.ended(trial, kept.outcome)
        if kept.verdict and kept.verdict.stops_sweep:
            name = shown_name(trial.name, trial.index)
            return f"{name} failed with {kept.outcome.error_summary}; `retry` says stop_sweep"
        return alike if self._has_unbegun else None

    @property
    def _has_unbegun(self) -> bool:
        """Whether trials are left whose processes do not run yet."""
        waits_in_ray = any(not active.announced for active in self._state.active.values())
        return waits_in_ray or self._state.left() > 0


def _go_on(active: Active, number: int) -> GoOn:
    active.answered = number
    return GoOn(active.trial.key, active.attempt, number)


def _is_lost(outcome: Outcome) -> bool:
    """Whether an attempt has ended without any report, because its machine has gone."""
    cause = outcome.failure.cause if outcome.failure else None
    return cause is FailureCause.MACHINE_LOST and not outcome.reports
