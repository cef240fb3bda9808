"""How long the end of a sweep waits for the trackers, and what is said of what they lack."""

from types import SimpleNamespace

import pytest

from tune_tasks.model.timeouts import LEAST_PATIENCE_S, PATIENCE_S
from tune_tasks.sweep.closing import Closing
from tune_tasks.sweep.interruption import Patience
from tune_tasks.testing.recorder import FakeRecorder
from tune_tasks.testing.samples import make_attempt, make_summary, make_sweep

pytestmark = pytest.mark.processes


class Recorder(FakeRecorder):
    """Notes how long it was to wait."""

    def __init__(self):
        super().__init__()
        self.waits = []

    def drain(self, patience_s, *, timeout_s):
        self.waits.append(patience_s)
        return super().drain(patience_s, timeout_s=timeout_s)


class Scene:
    def __init__(self, folder):
        self.recorder = Recorder()
        self.patience = Patience()
        self.warnings = []
        self.summary = make_summary(folder, [make_attempt(folder)])
        nothing = lambda *_: None  # noqa: E731
        self.closing = Closing(
            make_sweep(folder),
            SimpleNamespace(begun=lambda: []),
            SimpleNamespace(settle=nothing, create_absent=nothing),
            self.recorder,
            SimpleNamespace(hear_the_last=nothing),
            SimpleNamespace(
                run_view=SimpleNamespace(close=nothing),
                display=SimpleNamespace(warn=self.warnings.append),
            ),
            self.patience,
        )

    def run(self):
        self.closing.run(lambda: self.summary)
        return self.recorder.waits


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


def test_the_sweeps_end_is_waited_for_as_the_trials_are(scene):
    assert scene.run() == [PATIENCE_S, PATIENCE_S]
    assert scene.recorder.closed is not None
    assert scene.warnings == []


def test_a_tracker_that_takes_nothing_is_not_waited_for_twice(scene):
    lacking = {"MLflow": "the sweep's end; it is away"}
    scene.recorder.missing = [{"MLflow": "3 trials; it is away"}, None, lacking]
    assert scene.run() == [PATIENCE_S, LEAST_PATIENCE_S, LEAST_PATIENCE_S]
    (warning,) = scene.warnings
    assert warning.startswith("MLflow lacks results (the sweep's end; it is away); they are in")
    assert "`tune-tasks sync 2026-01-01_00-00-00_test` delivers them later" in warning


def test_the_sweeps_end_is_given_a_moment_by_who_has_lost_patience(scene):
    scene.patience.lose()
    first, second = scene.run()
    assert first == 0
    assert 0 < second <= LEAST_PATIENCE_S
