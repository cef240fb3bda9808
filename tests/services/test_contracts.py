"""The suites of `tune_tasks.testing` over what needs Ray or MLflow."""

import contextlib
import shutil

import pytest

from tests.services.waiting import until
from tune_tasks.recording.client import RecorderAwayError
from tune_tasks.testing import FakeTracker, RecorderContract, TrackerContract
from tune_tasks.tracking.mlflow import MlflowTracker


class TestMlflow(TrackerContract):
    @pytest.fixture(autouse=True)
    def store(self, folder, initialised_store):
        shutil.copy(initialised_store, folder / "mlflow.db")

    def make(self, folder):
        return MlflowTracker(f"sqlite:///{folder}/mlflow.db")

    def curve(self, folder, info, metric):
        from mlflow.tracking import MlflowClient

        client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        (run,) = client.search_runs(experiments, f"tags.`tune_tasks.key` LIKE '%{info.key}'")
        points = client.get_metric_history(run.info.run_id, metric)
        return sorted((point.step, point.value) for point in points)


@pytest.mark.usefixtures("cluster")
class TestRayRecorder(RecorderContract):
    def make(self, folder):
        import ray

        from tune_tasks.recording.actor import RecorderActor
        from tune_tasks.recording.ray_recorder import RayRecorder
        from tune_tasks.recording.recorder import Recorder

        class Actor(RecorderActor):
            def __init__(self):
                self._recorder = Recorder(FakeTracker())

        actor = ray.remote(Actor).options(num_cpus=0, max_restarts=-1, max_concurrency=4)
        self.actor = actor.remote()
        return RayRecorder(self.actor)

    def kill(self, recorder):
        import ray

        ray.kill(self.actor)  # returns before the process has ended
        until(lambda: self.answer(recorder) is None)

    def restart(self, recorder):
        import ray

        ray.kill(self.actor, no_restart=False)
        until(lambda: (answer := self.answer(recorder)) and not answer.has_begun)

    def answer(self, recorder):
        """What the recorder answers; None while it is away."""
        recorder.ask_news(0)
        with contextlib.suppress(RecorderAwayError):
            return recorder.news(60)

    def discard(self, recorder):
        import ray

        ray.kill(self.actor)
