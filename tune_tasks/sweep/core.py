"""What a sweep decides: which trial starts, which one is ended, when the sweep is over. Pure.

The core is told of facts (`events`) and answers with wishes (`instructions`); `driver` is the shell
around it. It has no clock, waits for nothing and touches nothing: the same events give the same
instructions, in a test as in a sweep.

What it knows is in `core_state`. `core_starts` says what starts, `core_attempts` what follows from
what is heard of an attempt, `core_ends` who is to end, `core_paused` who is not promoted any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tune_tasks.model.checkpoint import CheckpointRef
from tune_tasks.model.milestones import Milestones
from tune_tasks.model.trial import Outcome, Trial
from tune_tasks.results.budget_use import BudgetUse
from tune_tasks.search.observation import Observation
from tune_tasks.search.scheduler import Scheduler
from tune_tasks.sweep.core_attempts import AttemptEvents
from tune_tasks.sweep.core_ends import Ends
from tune_tasks.sweep.core_paused import PausedEnds
from tune_tasks.sweep.core_starts import Starts
from tune_tasks.sweep.core_state import CoreExperiment, CoreState
from tune_tasks.sweep.events import (
    Disk,
    DiskChanged,
    Event,
    Pause,
    PauseChanged,
    Proposed,
    RecorderRestarted,
    ResultsLost,
    StopAsked,
    SweepBegan,
    TakenOver,
    Ticked,
)
from tune_tasks.sweep.instructions import CloseSweep, Instruction
from tune_tasks.sweep.retries import Fits


class Core:
    """The decisions of one sweep. See the module's docstring.

    Args:
        experiments: By name, in the spec's order.
        scheduler: Chooses trials and ends them early. If it raises, the sweep is stopped, and
            `failure` is what it raised.
        fits: Whether a trial can be placed that a rule gives more than it had.
        keeps_going: Whether the sweep goes on although its first trials all fail alike.
    """

    def __init__(
        self,
        experiments: Mapping[str, CoreExperiment],
        scheduler: Scheduler | None = None,
        *,
        fits: Fits = lambda _trial: True,
        keeps_going: bool = False,
    ) -> None:
        scheduler = scheduler or Scheduler()
        self._state = CoreState(experiments, scheduler, fits, keeps_going=keeps_going)
        self._starts = Starts(self._state)
        self._ends = Ends(self._state)
        self._attempts = AttemptEvents(self._state, self._ends)
        self._paused = PausedEnds(self._state)
        self._is_set_up = False
        self._is_over = False

    # ── What is told to it ─────

    def handle(self, event: Event) -> list[Instruction]:
        """Take a fact in; returns what is to be done now, in this order.

        Events of an attempt that is not the trial's current one change nothing.
        """
        if self._is_over and not isinstance(event, TakenOver):
            return []
        self._state.pending.end_waits(event.at)
        instructions = [*self._take_in(event), *self._ends.by_budget(event.at)]
        instructions += self._starts.wishes(event.at)
        if self.failure and self.stop_reason is None:
            reason = f"the sweep failed: {type(self.failure).__name__}: {self.failure}"
            instructions += self._ends.stop(StopAsked(event.at, reason))
        instructions += self._paused.wishes()
        if self._is_at_its_end():
            self._is_over = True
            instructions.append(CloseSweep())
        return instructions

    def replay(self, event: Event, then: Sequence[Instruction]) -> list[Instruction]:
        """Take in what an earlier driver was told, and decide as it was decided then.

        The scheduler is asked all the same, so that it knows what it knew. Its answers do not
        count: a scheduler that draws at random would answer something else now. What is about
        trials that are none of these any more, because the spec was edited, changes nothing.

        Args:
            event: The fact.
            then: The instructions that followed from it.
        """
        self._state.then = [wish for wish in then if self._is_about_these(wish)]
        instructions = self.handle(event)
        self._state.then = None
        return instructions

    def _is_about_these(self, wish: Instruction) -> bool:
        key = getattr(wish, "trial", None)
        return key is None or self._state.is_planned(key)

    def _take_in(self, event: Event) -> list[Instruction]:
        wishes: Iterable[Instruction] = ()
        match event:
            case TakenOver():
                self._is_over = False
                self._state.take_over(event)
            case ResultsLost():
                self._lose_results(event)
            case SweepBegan():
                self._begin(event)
            case Proposed():
                self._state.learned.proposed(event.trial, event.point)
            case PauseChanged():
                self._state.pause = event.pause
            case DiskChanged():
                self._state.disk = event.disk
            case StopAsked():
                wishes = self._ends.stop(event)
            case RecorderRestarted():
                wishes = self._ends.requests()
            case Ticked():
                wishes = self._ends.kills(event)
            case _:
                wishes = self._attempts.handle(event)
        return list(wishes)

    def _begin(self, event: SweepBegan) -> None:
        state = self._state
        state.room = event.room
        state.has_begun = True
        if not self._is_set_up:
            self._is_set_up = True
            state.ask(lambda: state.scheduler.setup(state.pending.without(())), None)

    def _lose_results(self, event: ResultsLost) -> None:
        self._state.checkpoints.pop(event.trial, None)
        if self._state.promotions.begins_anew(event.trial):
            self._state.budgets.run_again(event.trial)
        if event.trial in self._state.ended:
            self._state.run_again([event.trial])

    def _is_at_its_end(self) -> bool:
        state = self._state
        if state.then is not None:
            return CloseSweep() in state.then
        return state.has_begun and not state.active and not self._waits()

    def _waits(self) -> bool:
        """Whether the sweep goes on although nothing runs: trials may start later."""
        state = self._state
        is_ending = state.stop_reason is not None or state.pause is Pause.SUSPENDED
        if is_ending or not self.pending:
            return False
        if state.learned.open:
            return True
        is_held = state.pause is Pause.ON or state.disk is Disk.FULL
        is_waiting = state.pending.waits(state.budgets.used_up) and state.disk is Disk.ROOMY
        return is_held or is_waiting

    # ── What it can be asked ─────

    @property
    def stop_reason(self) -> str | None:
        """Why the sweep was stopped; None if it was not."""
        return self._state.stop_reason

    @property
    def ended_early(self) -> str | None:
        """The same, if nobody has asked for it: its trials' failures have stopped it."""
        return self._state.ended_early

    @property
    def failure(self) -> Exception | None:
        """What the scheduler raised."""
        return self._state.failure

    @property
    def pending(self) -> int:
        """How many trials are to be started, those to be tried again included."""
        return self._state.left()

    @property
    def running(self) -> list[tuple[str, int]]:
        """The trials and numbers of the attempts that were started and have not ended."""
        return [(key, active.attempt) for key, active in self._state.active.items()]

    @property
    def has_room(self) -> bool:
        """Whether another attempt could be started, if nothing else were in the way."""
        return self._state.has_room

    @property
    def is_suspended(self) -> bool:
        """Whether trials are left for a later execution of the sweep."""
        is_suspended = self._state.pause is Pause.SUSPENDED and self.stop_reason is None
        return is_suspended and self.pending > 0

    def begun(self) -> dict[str, int]:
        """The number of the latest attempt of every trial that was started."""
        return self._state.begun()

    def trial(self, key: str) -> Trial:
        """The trial with this key."""
        return self._state.trial(key)

    def has_moved(self, key: str) -> bool:
        """Whether a trial goes on with another config than the one that it has begun with."""
        return self._state.exploits.has_moved(key)

    def outcome(self, key: str) -> Outcome | None:
        """How a trial has ended; None if it is pending or runs."""
        return self._state.ended.get(key)

    def paused(self, key: str) -> Outcome | None:
        """How the last attempt of a trial has ended that waits to be promoted; else None."""
        return self._state.promotions.outcome(key)

    def checkpoint(self, key: str) -> CheckpointRef | None:
        """A trial's latest checkpoint; None if it has none."""
        return self._state.checkpoints.get(key)

    def milestones(self, trial: Trial) -> tuple[Milestones, ...]:
        """When a trial is judged, by each of those that judge it."""
        return self._state.ask(lambda: self._state.judging.milestones(trial), ())

    def history_for(self, key: str) -> list[Observation]:
        """What a model may know when it proposes a trial."""
        return list(self._state.learned.history(key, self.begun()))

    def unfinished(self) -> int:
        """How many trials a later driver would have to run."""
        state = self._state
        left = (key for key in state.ended if not state.budgets.is_used_up(key))
        return self.pending + sum(map(state.is_unfinished, left))

    def budgets(self, at: float) -> dict[str, BudgetUse]:
        """How far the budgets of experiments are used, by name."""
        return self._state.budgets.use(at)
