"""The tracker TensorBoard."""

import subprocess
import sys

from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from tune_tasks.testing import TrackerContract
from tune_tasks.tracking.event_file import PATTERN
from tune_tasks.tracking.tensorboard import TensorBoardTracker

CODE = """
import sys, pathlib
sys.modules["torch"] = sys.modules["tensorboardX"] = None
from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.trial import Trial
from tune_tasks.tracking.tensorboard import TensorBoardTracker
tracker = TensorBoardTracker()
info = AttemptInfo(Trial("e", 0, "n", "script", {}, {}, seed=1), 1, pathlib.Path(sys.argv[1]))
tracker.open_attempt(info)
row = dict(timesteps_total=1, timestamp=1.0, training_iteration=1, time_total_s=1.0)
tracker.log(info, [row | {"mean_loss": 0.5}])
assert sys.modules["torch"] is None
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


def test_it_neither_imports_torch_nor_meddles_with_its_import(tmp_path):
    """The recorder has many threads, and in any of them something may import torch."""
    command = [sys.executable, "-c", CODE, str(tmp_path)]
    subprocess.run(command, check=True, timeout=60)
    assert list(tmp_path.glob("events.out.tfevents.*"))
