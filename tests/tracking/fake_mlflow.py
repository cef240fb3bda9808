"""An MLflow in memory, whose requests fail when a test wants them to; MLflow itself is not imported."""

import threading
from collections import namedtuple
from pathlib import Path
from types import ModuleType, SimpleNamespace

Metric = namedtuple("Metric", "key value timestamp step")
Param = namedtuple("Param", "key value")
RunTag = namedtuple("RunTag", "key value")


class MlflowException(Exception):
    """As MLflow's own: with a code."""

    error_code = "INTERNAL_ERROR"


def modules():
    """What stands in for the modules of MLflow that the tracker imports."""
    entities = ModuleType("mlflow.entities")
    entities.Metric = Metric
    entities.Param = Param
    entities.RunTag = RunTag
    exceptions = ModuleType("mlflow.exceptions")
    exceptions.MlflowException = MlflowException
    return {
        "mlflow": ModuleType("mlflow"),
        "mlflow.entities": entities,
        "mlflow.exceptions": exceptions,
    }


class Run:
    """One run, with the files that were logged."""

    def __init__(self, run_id, tags):
        self.id = run_id
        self.tags = dict(tags)
        self.params = {}
        self.points = []
        self.files = {}
        self.status = "RUNNING"
        self.is_deleted = False

    @property
    def key(self):
        return self.tags["tune_tasks.key"]

    def as_mlflow(self):
        metrics = {point.key: point.value for point in self.points}
        data = SimpleNamespace(tags=dict(self.tags), metrics=metrics, params=dict(self.params))
        info = SimpleNamespace(run_id=self.id, status=self.status)
        return SimpleNamespace(info=info, data=data)


class Page(list):
    """The last page of what was found."""

    token = None


class FakeMlflow:
    """A server and a client of it. Each method that is public is one request.

    Attributes:
        fails: Called with the number of each request, from 0: None, or "before" or "after" the
            request has done its work.
        requests: The names of the requests so far.
        experiment_tags: The tags of its one experiment.
    """

    def __init__(self):
        self.fails = lambda number: None
        self.requests = []
        self.experiment_tags = {}
        self._experiments = {}
        self._runs = {}
        self._lock = threading.RLock()

    def __getattribute__(self, name):
        found = super().__getattribute__(name)
        if name.startswith("_") or not callable(found) or name in ("fails", "runs", "state"):
            return found

        def request(*args, **kwargs):
            with self._lock:
                self.requests.append(name)
                failure = self.fails(len(self.requests) - 1)
                if failure == "before":
                    raise MlflowException(f"{name}: 500")
                answer = found(*args, **kwargs)
                if failure == "after":
                    raise MlflowException(f"{name}: no answer")
                return answer

        return request

    @property
    def runs(self):
        """The runs that are not deleted, by our keys; each key has one."""
        runs = [run for run in self._runs.values() if not run.is_deleted]
        keys = [run.key for run in runs]
        assert len(keys) == len(set(keys)), keys
        return {run.key: run for run in runs}

    def state(self):
        """Everything that does not depend on when it was sent, and in which order."""
        keys = {run.id: run.key for run in self._runs.values()}

        def shown(run):
            tags = {name: keys.get(value, value) for name, value in run.tags.items()}
            points = run.points
            if run.tags["tune_tasks.role"] == "sweep":
                points = {(point.key, point.value) for point in points[-2:]}
            return run.status, tags, run.params, points, run.files

        views = sorted(self.experiment_tags)
        return {key: shown(run) for key, run in self.runs.items()}, views

    def get_experiment_by_name(self, name):
        if name not in self._experiments:
            return None
        return SimpleNamespace(experiment_id=self._experiments[name], lifecycle_stage="active")

    def create_experiment(self, name, tags):
        if name in self._experiments:
            raise MlflowException("it exists")
        self._experiments[name] = str(len(self._experiments) + 1)
        return self._experiments[name]

    def set_experiment_tag(self, experiment_id, key, value):
        self.experiment_tags[key] = value

    def create_run(self, experiment_id, start_time, tags, run_name):
        run = Run(f"run {len(self._runs)}", tags)
        self._runs[run.id] = run
        return run.as_mlflow()

    def search_runs(self, experiment_ids, query, max_results=1_000, page_token=None):
        return Page(run.as_mlflow() for run in self._runs.values() if self._is_meant(run, query))

    def _is_meant(self, run, query):
        """Every condition is an equation."""
        for condition in query.split(" AND "):
            name, value = condition.split(" = ")
            name = name.removeprefix("tags.").strip("`")
            has = run.status if name == "attributes.status" else run.tags.get(name)
            if f"'{has}'" != value:
                return False
        return not run.is_deleted

    def get_run(self, run_id):
        return self._runs[run_id].as_mlflow()

    def delete_run(self, run_id):
        self._runs[run_id].is_deleted = True

    def log_batch(self, run_id, metrics=(), params=(), tags=()):
        run = self._runs[run_id]
        run.points += [point for point in metrics if point not in run.points]
        for param in params:
            assert run.params.setdefault(param.key, param.value) == param.value
        run.tags |= {tag.key: tag.value for tag in tags}

    def log_text(self, run_id, text, name):
        self._runs[run_id].files[name] = text

    def log_artifact(self, run_id, path, folder=""):
        self._runs[run_id].files[str(Path(folder, Path(path).name))] = Path(path).read_text()

    def update_run(self, run_id, status):
        self._runs[run_id].status = status

    def set_terminated(self, run_id, status, end_time=0):
        self._runs[run_id].status = status
