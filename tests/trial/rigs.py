"""An attempt of a trial, as its script has it, for tests of checkpoints."""

import json

from tune_tasks.model.checkpoint import CheckpointRules
from tune_tasks.model.checkpoint_folder import checkpoints_in
from tune_tasks.model.checkpoint_manifest import verified
from tune_tasks.model.files import AttemptPaths, attempt_folder
from tune_tasks.model.stopping import parse_criterion
from tune_tasks.model.trial import EndedBy, Stop
from tune_tasks.result import TrainingResult
from tune_tasks.testing.samples import make_trial
from tune_tasks.trial.reporter import StatusReporter
from tune_tasks.trial.reports import TrialReports
from tune_tasks.trial.restoring import restore

CANCEL = Stop(EndedBy.CANCELLED, "Ctrl-C")
WORSE = Stop(EndedBy.SCHEDULER, "worse than the others")


class Rig:
    """An attempt of a trial, as its script has it. `reporter` is the script's."""

    def __init__(self, folder, number=1, ref=None, *, stop=None, **rules):
        self.now = 100.0
        criteria = tuple(parse_criterion(*c) for c in (stop or {}).items())
        rules = {"keep": 2, **rules}
        trial = make_trial(stop=criteria, checkpoint=CheckpointRules(**rules))
        self.paths = AttemptPaths(attempt_folder(folder, number))
        self.paths.create({})
        self.restored = restore(self.paths, number, ref)
        self.reports = TrialReports(
            trial, self.paths.results, "id", self.restored, clock=lambda: self.now
        )
        self.reports.begin()
        self.decision = self.reports.decision
        self.reporter = StatusReporter(self.reports)

    def report(self, steps=1, **fields):
        self.reporter.report(TrainingResult(timesteps_total=steps, **fields))

    def save(self, text="weights", meanwhile=lambda: None):
        """Write a checkpoint; something else happens before the block ends."""
        with self.reporter.checkpoint() as folder:
            (folder / "weights").write_text(text)
            meanwhile()

    def saved(self):
        """The texts that are in whole checkpoints, by number, the latest first."""
        return {
            each.number: (each.path / "weights").read_text()
            for each in checkpoints_in(self.paths.checkpoints)
            if verified(each.path)
        }

    def asides(self):
        folder = self.paths.checkpoints
        return list(folder.glob(".*")) if folder.is_dir() else []

    def rows(self):
        return [json.loads(line) for line in self.paths.results.read_text().splitlines()]
