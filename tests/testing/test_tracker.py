"""The fake tracker does what real ones do."""

import math

from tune_tasks.testing import FakeTracker, TrackerContract
from tune_tasks.testing.tracker import FakeStore


class TestFakeTracker(TrackerContract):
    def make(self, folder):
        self.store = getattr(self, "store", FakeStore())
        return FakeTracker(store=self.store)

    def curve(self, folder, info, metric):
        rows = self.store.rows[info.key]
        over = self.store.sweep.experiments[info.trial.experiment].step_metric
        points = [(row[over], row.get(metric)) for row in rows]
        return [(x, y) for x, y in points if y is not None and math.isfinite(y)]
