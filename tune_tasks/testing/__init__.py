"""For tests of what you write: a suite for each interface, and fakes.

Each suite is a class for pytest. Derive from it, say how to make your own, and run pytest:

```python
from tune_tasks.testing import SchedulerContract

class TestMedianStopping(SchedulerContract):
    metric = "mean_loss"

    def make(self):
        return MedianStopping()
```

- `SchedulerContract`: for a `tune_tasks.Scheduler`.
- `SearcherContract`: for a `tune_tasks.Searcher`.
- `JudgeContract`: for a judge, which ends trials at milestones.
- `TrackerContract`: for a tracker.
- `TrainableContract`: for a trainable.
- `RecorderContract`: for a line to the recorder.
- `FakeRecorder`, `FakeTracker`: in memory, for tests of what talks to one.
"""

import pytest

# Before the suites are imported: their assertions then show the values, as those of test files do.
_SUITES = (
    "judge",
    "recorder",
    "recorder_files",
    "scheduler",
    "searcher",
    "tracker",
    "trainable",
)
pytest.register_assert_rewrite(*(f"{__name__}.{suite}_contract" for suite in _SUITES))

from tune_tasks.testing.judge_contract import JudgeContract  # noqa: E402
from tune_tasks.testing.recorder import FakeRecorder  # noqa: E402
from tune_tasks.testing.recorder_contract import RecorderContract  # noqa: E402
from tune_tasks.testing.scheduler_contract import SchedulerContract  # noqa: E402
from tune_tasks.testing.searcher_contract import SearcherContract  # noqa: E402
from tune_tasks.testing.tracker import FakeTracker  # noqa: E402
from tune_tasks.testing.tracker_contract import TrackerContract  # noqa: E402
from tune_tasks.testing.trainable_contract import TrainableContract  # noqa: E402

__all__ = [
    "FakeRecorder",
    "FakeTracker",
    "JudgeContract",
    "RecorderContract",
    "SchedulerContract",
    "SearcherContract",
    "TrackerContract",
    "TrainableContract",
]
