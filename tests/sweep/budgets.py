"""Sweeps with a budget, for tests: a core, and its journal as a driver writes it."""

from dataclasses import replace

from tests.sweep.cores import WELL, trial
from tune_tasks.model.objective import Objective
from tune_tasks.model.trial import EndedBy, Outcome, TrialState
from tune_tasks.spec.budget import Budget
from tune_tasks.sweep.core import Core
from tune_tasks.sweep.core_state import LOOKAHEAD, CoreExperiment
from tune_tasks.sweep.events import (
    Announced,
    AttemptEnded,
    Reported,
    SweepBegan,
    TakenOver,
    Ticked,
    event_from_json,
    event_to_json,
)
from tune_tasks.sweep.instructions import (
    CloseSweep,
    EndExperiment,
    StartAttempt,
    instruction_from_json,
    instruction_to_json,
)

LOSS = Objective("mean_loss", "min")
OVER = "budget: 60 s are over"
BY_BUDGET = Outcome(TrialState.TERMINATED, EndedBy.BUDGET, OVER)


def budget(**keys):
    return Budget(objective=LOSS, **keys)


class Sweep:
    """A core, and its journal as a driver writes it."""

    def __init__(self, budget, num_trials=20, room=2, others=0, retry=(), **keys):
        own = [trial(i, **keys) for i in range(num_trials)]
        other = CoreExperiment([trial(i, "f") for i in range(others)])
        self.make = lambda budget: Core(
            {"e": CoreExperiment(own, retry=retry, budget=budget), "f": other}
        )
        self.core = self.make(budget)
        self.room = room
        self.journal = []
        self.at = 0.0
        self.last = []
        self.is_over = False

    def tell(self, event):
        self.at = event.at
        self.last = self.core.handle(event)
        was_over = self.is_over and not isinstance(event, TakenOver)
        self.is_over = was_over or CloseSweep() in self.last
        is_kept = isinstance(event, Ticked) and event.at % 7 == 0  # one a minute, in a driver
        if self.last or is_kept or not isinstance(event, (Ticked, Reported)):
            self.journal.append((event, self.last))
        return self.last

    def begin(self, at=None):
        return self.tell(SweepBegan(self.at if at is None else at, self.room - LOOKAHEAD))

    def announce(self, *indices, at=0, attempt=1):
        for index in indices:
            self.tell(Announced(at, f"e/{index}", attempt))

    def end(self, index, value=1.0, *, outcome=WELL, at=None, attempt=1):
        at = self.at if at is None else at
        metrics = {"mean_loss": value}
        kept = replace(outcome, reports=1)
        return self.tell(AttemptEnded(at, f"e/{index}", attempt, kept, metrics))

    def run(self, index, value=1.0, **keys):
        """A trial from its announcement to its end; returns what follows from that."""
        self.announce(index, at=self.at)
        return self.end(index, value, **keys)

    def resumed(self, budget, at, **keys):
        """Another driver goes on, with the budget of the spec as it is now."""
        again = self.make(budget)
        for event, then in self.journal:
            through_json = [instruction_from_json(instruction_to_json(wish)) for wish in then]
            again.replay(event_from_json(event_to_json(event)), through_json)
        self.core = again
        return self.tell(TakenOver(at, **keys))


def started(instructions):
    return [wish.trial for wish in instructions if isinstance(wish, StartAttempt)]


def ended(instructions):
    return [wish for wish in instructions if isinstance(wish, EndExperiment)]
