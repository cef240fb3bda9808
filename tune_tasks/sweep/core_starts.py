"""Which trial starts next, and what models are asked. A part of the core; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tune_tasks.model.trial import Trial
from tune_tasks.model.trial_key import experiment_of
from tune_tasks.sweep.core_state import Active, CoreState
from tune_tasks.sweep.events import Disk, Pause
from tune_tasks.sweep.instructions import Instruction, Propose, StartAttempt


class Starts:
    """See the module's docstring."""

    def __init__(self, state: CoreState) -> None:
        self._state = state

    def wishes(self, at: float) -> Iterator[Instruction]:
        """What is started now, and what is asked so that more can be started."""
        yield from self._starts(at)
        yield from self._questions()

    # ── Trials ─────

    def _starts(self, at: float) -> Iterator[Instruction]:
        if self._state.then is not None:
            yield from self._starts_then(self._state.then, at)
            return
        while self._may_start():
            trial = self._choose()
            if trial is None:
                return
            yield from self._start(trial, at)

    def _starts_then(self, then: Sequence[Instruction], at: float) -> Iterator[Instruction]:
        state = self._state
        for wish in then:
            if not isinstance(wish, StartAttempt):
                continue
            self._choose()
            # The spec as it was then may have had it tried more often than the spec of today.
            if wish.trial in state.ended:
                state.run_again([wish.trial])
            state.pending.end_wait(wish.trial)
            state.attempts[wish.trial] = wish.attempt - 1
            yield from self._start(state.trial(wish.trial), at)
        if self._may_start():
            self._choose()

    def _may_start(self) -> bool:
        state = self._state
        is_held = state.pause is not Pause.OFF or state.disk is not Disk.ROOMY
        return state.has_begun and state.has_room and not is_held and not state.is_ending

    def _choose(self) -> Trial | None:
        """The trial to start next: before any new one, that which is promoted."""
        state = self._state
        full = [name for name in state.limits if self._is_full(name)]
        promotable = state.promotions.promotable(full)
        for key in promotable:
            state.pending.release(key)
        chosen = self._chosen(full)
        for key in promotable:
            state.pending.hold(state.trial(key))
        return chosen

    def _chosen(self, full: Sequence[str]) -> Trial | None:
        state = self._state
        candidates = state.pending.without([*full, *state.learned.unknown()])
        if not candidates:
            return None
        chosen = state.ask(lambda: self._chosen_from(candidates), None)
        return None if chosen and self._makes_way(chosen) else chosen

    def _chosen_from(self, candidates: Sequence[Trial]) -> Trial | None:
        chosen = self._state.scheduler.choose(candidates)
        if chosen is not None and chosen not in self._state.pending:
            raise ValueError(f"Scheduler.choose returned {chosen.key}, which is not pending")
        return chosen

    def _makes_way(self, trial: Trial) -> bool:
        """Whether a trial must wait for those that are before it, and that a model is to propose.

        They start only if there is room for them, so no other one may take the last of it.
        """
        state = self._state
        ahead = [
            key
            for name, key in state.learned.unknown().items()
            if not self._is_full(name) and state.pending.is_ahead(name, trial)
        ]
        return bool(ahead) and len(state.active) + len(ahead) >= state.room

    def _is_full(self, experiment: str) -> bool:
        state = self._state
        limit = state.limits[experiment]
        is_at_limit = limit is not None and state.running[experiment] >= limit
        # Who is promotable once there is room is not known before, so none waits in Ray.
        is_promoting = experiment in state.promotions
        has_its_room = is_promoting and state.running[experiment] >= max(1, state.room)
        return is_at_limit or has_its_room or experiment in state.budgets.used_up

    def _start(self, trial: Trial, at: float) -> Iterator[Instruction]:
        state = self._state
        key = trial.key
        state.pending.release(key)
        state.pending.take(trial)
        if state.promotions.goes_on(trial):
            state.judging.lets_go(trial)
        attempt = state.attempts.get(key, 0) + 1
        checkpoint = state.checkpoints.get(key)
        # The reports up to there were heard of: the scheduler is not told of them again.
        reports = checkpoint.reports if checkpoint else 0
        active = Active(state.retries.as_given(trial), attempt, reports=reports)
        state.active[key] = active
        state.running[trial.experiment] += 1
        state.budgets.started(trial, at)
        yield StartAttempt(key, attempt, state.retries.resources(key), checkpoint)
        said_after, stop = state.verdicts.get(key, (0, None))
        if stop and said_after <= reports:
            # The last attempt has died before it could end as it was to, and would go on now.
            yield active.ask_to_end(stop, at)
        else:
            state.verdicts.pop(key, None)

    # ── Models ─────

    def _questions(self) -> Iterator[Instruction]:
        """What models are asked now. None of their trials waits in Ray: it would be out of date."""
        state = self._state
        if not state.has_begun:
            return
        for key in self._askable():
            if state.then is not None or self._may_ask():
                state.learned.asked(key)
                yield Propose(key)

    def _askable(self) -> list[str]:
        state = self._state
        if state.then is not None:
            return [wish.trial for wish in state.then if isinstance(wish, Propose)]
        return [key for key in state.learned.questions() if not self._is_full(experiment_of(key))]

    def _may_ask(self) -> bool:
        state = self._state
        return self._may_start() and len(state.active) + state.learned.open < state.room
