"""Cores for tests: with one experiment, begun, running; outcomes, and a scheduler."""

from tune_tasks.model.trial import EndedBy, Outcome, Stop, Trial, TrialState
from tune_tasks.search.scheduler import Scheduler
from tune_tasks.sweep.core import Core
from tune_tasks.sweep.core_state import LOOKAHEAD, CoreExperiment
from tune_tasks.sweep.events import (
    Announced,
    SweepBegan,
    TakenOver,
    TrainingBegan,
)

WELL = Outcome(TrialState.TERMINATED, EndedBy.RETURNED, "train() returned")
FAILED = Outcome(TrialState.ERROR, EndedBy.ERROR, "error", "ValueError: x")
CANCELLED = Outcome(TrialState.TERMINATED, EndedBy.CANCELLED, "cancelled")
NO_SPACE = Outcome(TrialState.ERROR, EndedBy.NO_SPACE, "no room")
CRITERION = Stop(EndedBy.CRITERION, "mean_loss 0.1 <= 0.2")
GRACE_S = 10.0


def trial(index, experiment="e", **keys):
    keys = {"stop_grace_s": GRACE_S, **keys}
    return Trial(experiment, index, f"script_{index}", "script", {}, {}, seed=0, **keys)


def experiment(num_trials, *, limit=None, name="e", **keys):
    return CoreExperiment([trial(i, name, **keys) for i in range(num_trials)], limit)


def begun(core, room=1):
    return core.handle(SweepBegan(0, room - LOOKAHEAD))


def sweep(num_trials=3, *, room=1, scheduler=None, limit=None, **keys):
    """A core with one experiment, and what it wants first."""
    core = Core({"e": experiment(num_trials, limit=limit, **keys)}, scheduler)
    return core, begun(core, room)


def running(*args, **keys):
    """A core whose first trials run."""
    core, instructions = sweep(*args, **keys)
    for start in instructions:
        core.handle(Announced(1, start.trial, start.attempt))
        core.handle(TrainingBegan(1, start.trial, start.attempt))
    return core


def taken_over(core, **keys):
    core.handle(TakenOver(10, **keys))


class Chooses(Scheduler):
    """Starts what it is told to, and ends what it is told to end."""

    def __init__(self, place, reason=None):
        self.place, self.reason = place, reason
        self.heard = []

    def setup(self, trials):
        self.heard.append(len(trials))

    def choose(self, pending):
        self.heard.append([t.key for t in pending])
        return pending[self.place]

    def on_result(self, trial, result):
        self.heard.append((trial.key, result))
        return self.reason

    def on_end(self, trial, outcome):
        self.heard.append((trial.key, outcome))
