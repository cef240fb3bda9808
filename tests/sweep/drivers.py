"""A driver without Ray, Prefect and MLflow: a plan, its journal and its core."""

from pathlib import Path

from tune_tasks.model.trial import EndedBy, Outcome, TrialState
from tune_tasks.search.scheduler import Scheduler
from tune_tasks.sweep.beginning import beginning_of
from tune_tasks.sweep.core import Core
from tune_tasks.sweep.core_experiments import core_experiments
from tune_tasks.sweep.core_state import LOOKAHEAD
from tune_tasks.sweep.events import AttemptEnded, SweepBegan, TakenOver
from tune_tasks.sweep.instructions import CloseSweep, KeepEnd, StartAttempt, first_starts
from tune_tasks.sweep.records import lost
from tune_tasks.sweep.resume import take
from tune_tasks.tracking.info import ExperimentInfo, SweepInfo

WELL = Outcome(TrialState.TERMINATED, EndedBy.RETURNED, "train() returned")
FAILED = Outcome(TrialState.ERROR, EndedBy.ERROR, "error", "ValueError: x")


def train(config, status_reporter):
    pass


def _train_of_all(request):
    return dict.fromkeys(request.spec or {}, train)


class Driver:
    """Begins a sweep, or goes on with one, and starts what there is room for.

    Args:
        request: What is asked for.
        room: How many attempts run at once.
        cwd: The working directory, as the journal has it.
        code: The version of the code, likewise.
    """

    def __init__(self, request, room=2, flow_run_id="a-run", cwd=Path("/cwd"), code=None):
        self.beginning = beginning_of(request)
        self.plan = self.beginning.plan(_train_of_all(self.beginning.request))
        experiments = {
            e.name: ExperimentInfo(e.name, Path("/nowhere"), e.seed, len(e.trials), {}, code=code)
            for e in self.plan.experiments
        }
        sweep = self.beginning.sweep
        info = SweepInfo(sweep, experiments, "sqlite:///m.db", "", cwd, flow_run_id)
        self.warned = []
        self.taken = take(
            self.beginning, self.plan, info, Scheduler(), self.warned.append, lambda: False
        )
        self.core = Core(core_experiments(self.plan))
        self.taken.replay(self.core)
        self.now = self.taken.takeover.at if self.taken.takeover else 0.0
        self.is_over = False
        self.started = []
        self.kept = {}
        if self.taken.takeover:
            self._take_over()
        self.tell(SweepBegan(self.now, room - LOOKAHEAD))

    @property
    def sweep(self):
        return self.beginning.sweep

    def _take_over(self):
        self.tell(TakenOver(self.now, self.taken.takeover.retry_failed))
        for key, attempt in reversed(self.core.running):
            self.tell(AttemptEnded(self.now, key, attempt, lost(0)))

    def tell(self, event):
        instructions = self.core.handle(event)
        self.taken.journal.started(self.core.trial(key) for key in first_starts(instructions))
        self.taken.journal.handled(event, instructions)
        for wish in instructions:
            if isinstance(wish, StartAttempt):
                self.started.append(wish.trial)
            elif isinstance(wish, KeepEnd):
                self.kept[wish.trial] = wish.outcome
            elif isinstance(wish, CloseSweep):
                self.is_over = True
        return instructions

    def end(self, outcome=WELL, key=None):
        """The first attempt that runs ends, or that of a trial."""
        self.now += 1
        running = dict(self.core.running)
        key = key or next(iter(running))
        return self.tell(AttemptEnded(self.now, key, running[key], outcome))

    def run(self):
        """Everything ends well; returns the outcomes of all trials that the sweep has now."""
        while not self.is_over:
            self.end()
        return {trial.key: self.core.outcome(trial.key) for trial in self.plan.trials()}

    def die(self):
        """As by `kill -9`: the journal is let go of, as it is."""
        self.taken.journal._file._file.close()
