"""A trial on another machine sends the bytes of its reports, whatever has become of them."""

import os

import pytest

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.trial import EndedBy, Outcome, Trial, TrialState
from tune_tasks.recording.protocol import Opened, Updated
from tune_tasks.result import TrainingResult
from tune_tasks.trial.recorder_link import RayRecorderLink
from tune_tasks.trial.reporter import StatusReporter

TRIAL = Trial("e", 0, "n", "script", {}, {}, seed=1)
OUTCOME = Outcome(TrialState.TERMINATED, EndedBy.RETURNED, "train() returned")


class Link(RayRecorderLink):
    """Its recorder is on another machine, and takes what it is sent."""

    def __init__(self, paths):
        super().__init__(None, paths)
        self.copy, self.closed = b"", None
        self.open(AttemptInfo(TRIAL, 1, paths.folder))

    def _call(self, method, *args, timeout_s=0.0):
        if method == "open":
            return Opened({}, wants_bytes=True)
        if method == "close":
            self.closed = args[1]
            return None
        self.copy += args[3]
        return Updated(True, received=len(self.copy))


@pytest.mark.parametrize("do", [lambda path: None, os.remove, lambda path: os.truncate(path, 0)])
def test_it_ends_with_what_there_is(tmp_path, monkeypatch, do):
    monkeypatch.setattr(
        "tune_tasks.trial.recorder_link.time.sleep",
        lambda _: pytest.fail("it waits for bytes that never come"),
    )
    paths = AttemptPaths(tmp_path)
    reporter, link = StatusReporter(TRIAL, paths.results, "id"), Link(paths)
    reporter.report(TrainingResult(timesteps_total=1))
    link.update(reporter)
    sent = paths.results.read_bytes()
    reporter.report(TrainingResult(timesteps_total=2))
    whole = paths.results.read_bytes()
    do(paths.results)
    link.close(reporter, OUTCOME)
    assert link.copy == (whole if paths.results.exists() and paths.results.stat().st_size else sent)
    assert link.closed == OUTCOME
    reporter.close()
