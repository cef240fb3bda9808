"""Who is to end: by a stop, by a budget, or from outside. A part of the core; pure.

How an attempt is ended, each step only if the one before it did not end it:

1. Its own process ends it: a report that meets a criterion, the monitor, or the driver's request.
2. Its monitor ends the process after `stop_grace_s`.
3. The core has Ray end the process: it was to end, its grace is over, and its monitor is silent.
"""

from __future__ import annotations

from collections.abc import Iterator

from tune_tasks.model.stopping import time_is_up, time_limit
from tune_tasks.model.timeouts import SILENCE_S
from tune_tasks.model.trial import EndedBy, Stop
from tune_tasks.sweep.core_state import Active, CoreState
from tune_tasks.sweep.events import Pause, StopAsked, Ticked
from tune_tasks.sweep.instructions import (
    EndAll,
    EndAttempt,
    EndExperiment,
    GoOn,
    Instruction,
    KillAttempt,
)
from tune_tasks.sweep.stop_words import longest_end_s

_PAUSED = Stop(EndedBy.CANCELLED, "the run was paused before it began")


class Ends:
    """See the module's docstring."""

    def __init__(self, state: CoreState) -> None:
        self._state = state

    def stop(self, event: StopAsked) -> list[Instruction]:
        """Stop the sweep. If it is being stopped already, its trials' graces are over."""
        state = self._state
        if state.stop_reason is not None:
            state.kill_at = event.at
            return []
        state.stop_reason = event.reason
        running = [active.trial for active in state.active.values()]
        state.kill_at = event.at + longest_end_s(running, event.patience_s)
        return [EndAll(Stop(EndedBy.CANCELLED, event.reason))]

    def requests(self) -> Iterator[Instruction]:
        """What attempts were asked for, again: the recorder that was to tell them is a new one."""
        if self._state.stop_reason is not None:
            yield EndAll(Stop(EndedBy.CANCELLED, self._state.stop_reason))
        for key, active in self._state.active.items():
            if active.is_asked_to_end and active.end:
                yield EndAttempt(key, active.attempt, active.end[0])
            elif active.answered:
                yield GoOn(key, active.attempt, active.answered)

    # ── Budgets ─────

    def by_budget(self, at: float) -> Iterator[Instruction]:
        """End the experiments that have used up their budgets."""
        state = self._state
        if state.then is not None:
            ends = [wish for wish in state.then if isinstance(wish, EndExperiment)]
        else:
            ends = [] if state.is_ending else list(state.budgets.news(at))
        for end in ends:
            state.budgets.follow(end)
            yield end
            # What ran under an earlier driver has ended with it.
            if end.ends_trials and state.has_begun:
                yield from self._end_trials(end, at)

    def _end_trials(self, end: EndExperiment, at: float) -> Iterator[Instruction]:
        stop = Stop(EndedBy.BUDGET, end.reason)
        for active in self._state.active.values():
            is_its_own = active.trial.experiment == end.experiment
            if is_its_own and not active.is_asked_to_end:
                yield active.ask_to_end(stop, at)

    # ── From outside ─────

    def kills(self, event: Ticked) -> Iterator[Instruction]:
        """Have Ray end the processes that have not ended by themselves."""
        silent = set(event.silent)
        for key, active in self._state.active.items():
            stop = None if active.killed else self._overdue(active, event.at, key in silent)
            if stop:
                active.killed = True
                yield KillAttempt(key, active.attempt, stop)

    def _overdue(self, active: Active, now: float, is_silent: bool) -> Stop | None:
        """Why an attempt is to be ended from outside now."""
        stop_reason = self._state.stop_reason
        if stop_reason is not None and (not active.announced or now > self._state.kill_at):
            return Stop(EndedBy.CANCELLED, stop_reason)
        if not active.announced:
            return self._not_wanted(active)
        return _out_of_grace(active, now) if is_silent else None

    def _not_wanted(self, active: Active) -> Stop | None:
        """Why an attempt that still waits in Ray is to be taken back."""
        used_up = self._state.budgets.used_up.get(active.trial.experiment)
        if used_up:
            return Stop(EndedBy.BUDGET, used_up)
        is_first = active.attempt == 1
        return _PAUSED if is_first and self._state.pause is not Pause.OFF else None


def _out_of_grace(active: Active, now: float) -> Stop | None:
    due = _due(active, now)
    if due is None:
        return None
    stop, since = due
    if now < since + active.trial.stop_grace_s + SILENCE_S:
        return None
    said = f"{stop.reason}; its process did not answer any more and was ended"
    return Stop(stop.ended_by, said)


def _due(active: Active, now: float) -> tuple[Stop, float] | None:
    """Why an attempt is to end, as far as the driver can know, and since when."""
    if active.end:
        return active.end
    limit = time_limit(active.trial.stop)
    if limit is None or active.began_at is None or now < active.began_at + limit:
        return None
    stop = Stop(EndedBy.CRITERION, time_is_up(limit, now - active.began_at))
    return stop, active.began_at + limit
