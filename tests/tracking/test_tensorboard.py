"""The tracker TensorBoard."""

import math
import subprocess
import sys

import pytest
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from tune_tasks.result import TrainingResult
from tune_tasks.testing import TrackerContract
from tune_tasks.testing.samples import make_rows
from tune_tasks.tracking.event_file import PATTERN
from tune_tasks.tracking.tensorboard import TensorBoardTracker

CODE = """
import sys, pathlib
asked_for = set()
sys.addaudithook(lambda event, args: asked_for.add(args[0]) if event == "import" else None)
from tune_tasks.testing.samples import make_attempt, make_sweep
from tune_tasks.tracking.tensorboard import TensorBoardTracker
tracker = TensorBoardTracker()
folder = pathlib.Path(sys.argv[1])
tracker.begin(make_sweep(folder), again=False)
info = make_attempt(folder)
tracker.open_attempt(info)
row = dict(timesteps_total=1, timestamp=1.0, training_iteration=1, time_total_s=1.0)
tracker.log(info, [row | {"mean_loss": 0.5}])
assert "tensorboard.compat.proto.event_pb2" in asked_for
assert "torch" not in asked_for
"""


class TestTensorBoard(TrackerContract):
    def make(self, folder):
        return TensorBoardTracker()

    def curve(self, folder, info, metric):
        points = []
        for path in info.folder.glob(PATTERN):
            for event in EventFileLoader(str(path)).Load():
                for value in event.summary.value:
                    if value.tag == f"ray/tune/{metric}":
                        points.append((event.step, value.tensor.float_val[0]))
        return points

    def test_a_value_that_is_too_large_for_an_event_is_infinite(self, tracker, info, folder):
        """An event has four bytes for a value, and eight for a step."""
        last = 2**63 - 1
        result = TrainingResult(timesteps_total=last, mean_loss=1e300, mean_accuracy=-1e300)
        tracker.open_attempt(info)
        tracker.log(info, make_rows(info, [result]))
        assert self.curve(folder, info, "mean_loss") == [(last, math.inf)]
        assert self.curve(folder, info, "mean_accuracy") == [(last, -math.inf)]


@pytest.mark.processes
def test_it_never_asks_for_torch(tmp_path):
    """Not even in vain: to have a library find no torch, torch must be hidden from all threads.

    The recorder has many, and an import of torch in another one would fail at that moment. An
    audit hook hears of every import, also of those that find nothing.
    """
    command = [sys.executable, "-c", CODE, str(tmp_path)]
    subprocess.run(command, check=True, timeout=60)
    assert list(tmp_path.rglob("events.out.tfevents.*"))
