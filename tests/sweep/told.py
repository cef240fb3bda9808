"""A sweep in a journal and in files, written by what writes them in a driver, without Ray."""

import json
from pathlib import Path

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.result_file import read_progress
from tune_tasks.model.trial import EndedBy, Outcome, TrialState, safe_name
from tune_tasks.recording.protocol import AttemptStatus
from tune_tasks.search.dimension import dimensions_of
from tune_tasks.search.scheduler import Scheduler
from tune_tasks.spec.loading import spec_from_data
from tune_tasks.sweep.beginning import Beginning
from tune_tasks.sweep.core import Core
from tune_tasks.sweep.core_experiments import core_experiments
from tune_tasks.sweep.events import (
    Announced,
    AttemptEnded,
    StopAsked,
    SweepBegan,
    TakenOver,
    Ticked,
)
from tune_tasks.sweep.instructions import KillAttempt, StartAttempt, first_starts
from tune_tasks.sweep.journal import journal_path, read_history
from tune_tasks.sweep.outline import summary_of
from tune_tasks.sweep.planning import make_plan
from tune_tasks.sweep.records import Attempt, Records
from tune_tasks.sweep.request import Request
from tune_tasks.sweep.resume import end_of_orphan, records_of, take
from tune_tasks.tracking.info import ExperimentInfo, SweepInfo

SPEC = {
    "exp": {
        "num_trials": 4,
        "max_failures": 1,
        "stop": {"mean_loss": 0.1},
        "config": {"lr": {"grid_search": [1, 2, 3, 4]}, "hf_token": "secret"},
    }
}


def train(config, status_reporter):
    pass


def returned(reports=0):
    return Outcome(TrialState.TERMINATED, EndedBy.RETURNED, "train() returned", reports=reports)


def failed(reports=0):
    error = 'Traceback (most recent call last):\n  File "x", line 1\nValueError: bad'
    return Outcome(TrialState.ERROR, EndedBy.ERROR, "error", error, reports)


def cancelled(reports=0):
    return Outcome(TrialState.TERMINATED, EndedBy.CANCELLED, "Ctrl-C", reports=reports)


def row(step, **metrics):
    return {
        "timesteps_total": step,
        "training_iteration": step,
        **metrics,
        "time_total_s": 0.5 * step,
        "timestamp": 1_000.0 + step,
        "date": "2026-01-01_00-00-00",
        "pid": 7,
        "config": {},
    }


class Told:
    """Drivers that take a sweep in hand, one after the other.

    Args:
        results: The folder of all results.
        sweep: The sweep's id.
        spec: What it runs.
        room: How many trials run at once.
        tracking_uri: MLflow's.
    """

    def __init__(
        self,
        results,
        sweep="2026-01-01_00-00-00_aaaa",
        spec=SPEC,
        room=0,
        tracking_uri="sqlite:////m.db",
    ):
        self.results = Path(results)
        self.path = journal_path(self.results, sweep)
        self.sweep = sweep
        self.room = room
        self.tracking_uri = tracking_uri
        self.plan = make_plan(spec_from_data(spec), callables=dict.fromkeys(spec, train), seed=1)
        self.at = 0.0
        self.statuses = {}
        self.take()

    @property
    def info(self):
        experiments = {}
        for e in self.plan.experiments:
            folder = self.results / safe_name(e.name) / self.sweep
            first = e.trials[0]
            compared_by = e.spec.compared_by()
            experiments[e.name] = ExperimentInfo(
                e.name,
                folder,
                e.seed,
                len(e.trials),
                {"hf_token": first.config.get("hf_token")},
                dimensions=dimensions_of(e.expansion.space),
                search=e.spec.searching().algorithm,
                objective=compared_by.first,
                others=compared_by.others,
            )
        return SweepInfo(self.sweep, experiments, self.tracking_uri, "", Path("/cwd"), "run-1", "")

    def take(self, retry_failed=False):
        """A driver takes the sweep in hand."""
        earlier = read_history(self.path) if self.path.exists() else None
        request = Request(spec_file="spec.yaml")
        beginning = Beginning(request, self.sweep, 7, self.path, earlier, retry_failed)
        taken = take(beginning, self.plan, self.info, Scheduler(), print, lambda: False)
        self.journal = taken.journal
        self.core = Core(core_experiments(self.plan), Scheduler())
        taken.replay(self.core)
        self.records = Records(self.plan, records_of(self.core, self.info))
        if taken.takeover:
            self.tell(TakenOver(self.now(), retry_failed))
            for key, _ in reversed(self.core.running):
                record = self.records.of(self.core.trial(key))
                self.tell(end_of_orphan(record.trial, record.attempt, self.now()))
        self.tell(SweepBegan(self.now(), self.room))

    def now(self):
        self.at += 1.0
        return self.at

    def tell(self, event):
        """As the driver does it."""
        wishes = self.core.handle(event)
        self.journal.started(self.core.trial(key) for key in first_starts(wishes))
        starts = (wish for wish in wishes if isinstance(wish, StartAttempt))
        moved = (wish for wish in starts if self.core.has_moved(wish.trial))
        self.journal.moved((self.core.trial(wish.trial), wish.attempt) for wish in moved)
        self.journal.handled(event, wishes)
        for wish in wishes:
            if isinstance(wish, StartAttempt):
                record = self.records.of(self.core.trial(wish.trial))
                paths = self.paths(wish.trial, wish.attempt)
                record.begin(Attempt(wish.attempt, paths, None, None), wish.resources)
        return wishes

    def paths(self, key, attempt):
        trial = self.core.trial(key)
        return AttemptPaths.of(self.info.experiments[trial.experiment].folder, trial, attempt)

    def begin(self, key, *rows):
        """The process of a trial's attempt runs, and reports."""
        record = self.records.of(self.core.trial(key))
        attempt = record.attempt
        attempt.paths.create(record.trial.config)
        lines = [json.dumps(each) + "\n" for each in rows]
        attempt.paths.results.write_text("".join(lines))
        self.tell(Announced(self.now(), key, attempt.number))

    def end(self, key, outcome):
        """It has ended, and the recorder has heard of it."""
        record = self.records.of(self.core.trial(key))
        attempt = record.attempt
        attempt.paths.write_outcome(outcome)
        self.tell(AttemptEnded(self.now(), key, attempt.number, outcome))
        info = AttemptInfo(
            record.trial, attempt.number, attempt.paths.folder, 7, "host", started_at=5.0
        )
        progress = read_progress(attempt.paths.results)
        run_id = f"run-of-{key}-{attempt.number}"
        status = AttemptStatus(info, outcome.state, progress, outcome, run_id=run_id)
        if record.attempt is attempt:
            record.status = status
            record.outcome = outcome
        self.journal.heard(status)

    def stop(self):
        """Somebody stops the sweep; what still waits in Ray never begins."""
        self.tell(StopAsked(self.now(), "Ctrl-C"))
        for wish in self.tell(Ticked(self.now())):
            assert isinstance(wish, KillAttempt)
            record = self.records.of(self.core.trial(wish.trial))
            self.tell(AttemptEnded(self.now(), wish.trial, wish.attempt, cancelled()))
            record.attempt = record.attempt.before(self.results, record.trial)

    def summary(self):
        """As the driver has it at the end."""
        return summary_of(
            self.info,
            self.plan.experiments,
            self.records.some(1_000),
            interrupted=self.core.stop_reason is not None,
            at_end=True,
            budgets=self.core.budgets(self.at),
        )

    def close(self):
        """The sweep ends; returns its summary."""
        summary = self.summary()
        self.journal.closed(self.core.unfinished(), summary)
        self.die()
        return summary

    def die(self):
        """The driver's process ends, and lets go of the journal."""
        self.journal._file.close()
