"""The records of a sweep: made only for what was started, or is asked for."""

from types import SimpleNamespace

import pytest

from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.result_file import Progress
from tune_tasks.model.trial import EndedBy, Outcome, Trial, TrialState
from tune_tasks.recording.protocol import AttemptStatus
from tune_tasks.sweep.records import Attempt, Records, TrialRecord
from tune_tasks.testing.samples import make_attempt, make_trial


class Trials:
    """A million trials of an experiment, resolved when they are asked for."""

    def __init__(self, name):
        self.name, self.resolved = name, 0

    def __len__(self):
        return 1_000_000

    def __getitem__(self, index):
        self.resolved += 1
        return Trial(self.name, index, f"script_{index}", "script", {}, {}, seed=0)


def test_what_is_shown_of_a_million_trials():
    one = SimpleNamespace(name="one", trials=Trials("one"), indices=range(1_000_000))
    other = SimpleNamespace(name="other", trials=Trials("other"), indices=range(1_000_000))
    records = Records(SimpleNamespace(experiments=[one, other]))
    for index in (0, 2):
        records.of(one.trials[index])
    one.trials.resolved = 0
    shown = records.some(unstarted=2)
    keys = [record.trial.key for record in shown.records]
    assert keys == ["one/0", "one/2", "one/1", "one/3", "other/0", "other/1"]
    assert shown.unlisted == {"one": 999_996, "other": 999_998}
    assert (one.trials.resolved, other.trials.resolved) == (2, 2)


@pytest.mark.parametrize("takes_files", [True, False])
def test_what_a_disk_has_not_taken_was_not_removed_by_somebody(tmp_path, takes_files):
    trial = Trial("e", 0, "script_0", "script", {}, {}, seed=0)
    paths = AttemptPaths.of(tmp_path / "sweep", trial, 1)
    if not takes_files:
        (tmp_path / "sweep").touch()  # in the way
    outcome = Outcome(TrialState.TERMINATED, EndedBy.RETURNED, "train() returned")
    record = TrialRecord(trial, Attempt(1, paths, None, None), outcome=outcome)
    record.attempt.keep(trial, outcome)
    assert record.missing() == ()
    if takes_files:
        paths.outcome.unlink()
        assert record.missing() == ("outcome.json",)


def test_the_last_report_is_that_of_the_file_if_the_recorder_has_not_heard_of_it_yet(tmp_path):
    trial = make_trial()
    record = TrialRecord(trial)
    record.begin(Attempt(1, AttemptPaths(tmp_path), None, None))
    heard = AttemptStatus(make_attempt(tmp_path), TrialState.RUNNING, Progress(9, 90, {"x": 9.0}))
    record.status = heard
    record.at_end = Progress(10, 100, {"x": 10.0})
    assert record.progress.last == {"x": 10.0}
    record.begin(Attempt(2, AttemptPaths(tmp_path), None, None))
    assert record.progress.reports == 0
