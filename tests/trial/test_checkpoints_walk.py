"""Whatever a script and its monitor do: a random walk through checkpoints and ends."""

import contextlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.trial.rigs import CANCEL, WORSE, Rig
from tune_tasks.errors import TrialStopped

pytestmark = pytest.mark.long


class AnyScript(RuleBasedStateMachine):
    """Whatever script and monitor do: at most one report is kept once the trial is to end."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.rig = Rig(Path(self.folder.name), keep=None)
        self.block = None
        self.kept = set()
        self.reports_then = None
        self.has_ended = False

    def teardown(self):
        if self.block:
            with contextlib.suppress(ZeroDivisionError):
                self.block.__exit__(ZeroDivisionError, ZeroDivisionError(), None)
        self.folder.cleanup()

    @property
    def reports(self):
        return self.rig.reports.progress.reports

    @precondition(lambda self: not self.has_ended)
    @rule()
    def report(self):
        try:
            self.rig.report(self.reports)
        except TrialStopped:
            assert self.reports_then is not None
            self.has_ended = True

    @rule()
    def ask(self):
        wants = self.rig.reporter.wants_checkpoint
        assert not wants or self.reports_then is not None
        assert not wants or self.reports not in self.kept

    @precondition(lambda self: self.block is None)
    @rule()
    def begin(self):
        self.block = self.rig.reporter.checkpoint()
        self.was_to_end = self.rig.decision.stop is not None
        self.number = self.reports
        (self.block.__enter__() / "weights").write_text("w")

    @precondition(lambda self: self.block)
    @rule()
    def end(self):
        block, self.block = self.block, None
        try:
            block.__exit__(None, None, None)
            assert self.rig.decision.stop is None or self.was_to_end
        except TrialStopped:
            assert not self.was_to_end
            self.has_ended = True
        self.kept.add(self.number)

    @precondition(lambda self: self.block)
    @rule()
    def fail(self):
        block, self.block = self.block, None
        error = ZeroDivisionError()
        assert not block.__exit__(ZeroDivisionError, error, None)

    @rule(stop=st.sampled_from([CANCEL, WORSE]))
    def want_its_end(self, stop):
        if self.reports_then is None:
            self.reports_then = self.reports
        if not self.rig.decision.postpones(stop):
            self.rig.reports.request_stop(stop)

    @precondition(lambda self: self.reports_then is not None)
    @rule()
    def lose_patience(self):
        self.rig.reports.request_stop(CANCEL)

    @invariant()
    def holds(self):
        assert set(self.rig.saved()) == self.kept
        assert len(self.rig.asides()) == (self.block is not None)
        assert self.rig.decision.is_saving == (self.block is not None)
        if self.reports_then is not None:
            assert self.reports <= self.reports_then + 1
        if self.has_ended:
            assert self.rig.decision.stop is not None


TestAnyScript = AnyScript.TestCase
TestAnyScript.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
