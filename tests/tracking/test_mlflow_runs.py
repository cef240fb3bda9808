"""The runs of a sweep in MLflow: none is created twice."""

from types import SimpleNamespace

import pytest

from tune_tasks.tracking import mlflow_runs
from tune_tasks.tracking.mlflow_runs import MlflowRuns


class FakeClient:
    """A server whose answers may get lost."""

    def __init__(self):
        self.created = []
        self.searched = 0
        self.loses_answers = False

    def create_run(self, experiment_id, start_time, tags, run_name):
        self.created.append(tags["tune_tasks.key"])
        if self.loses_answers:
            raise ConnectionError
        return self._run(len(self.created) - 1)

    def search_runs(self, experiment_ids, query, max_results):
        self.searched += 1
        found = [index for index, key in enumerate(self.created) if f"= '{key}'" in query]
        return [self._run(index) for index in found]

    def _run(self, index):
        return SimpleNamespace(info=SimpleNamespace(run_id=f"run {index}"))


@pytest.fixture
def client(monkeypatch):
    client = FakeClient()
    monkeypatch.setattr(mlflow_runs, "connect", lambda uri: client)
    return client


def runs_of(sweep, *, again=False):
    runs = MlflowRuns("http://mlflow")
    runs.begin(sweep, again=again)
    return runs


def test_a_run_is_created_once_and_never_looked_for(client):
    """What failed after the run was created is done again, and asks for the run again."""
    runs = runs_of("sweep")
    for _ in range(2):
        assert runs.find_or_create("1", "exp/parent", "sweep", {}, 0) == "run 0"
    assert (client.created, client.searched) == (["exp/parent"], 0)


def test_a_run_is_found_if_the_answer_that_it_was_created_was_lost(client):
    runs = runs_of("sweep")
    client.loses_answers = True
    with pytest.raises(ConnectionError):
        runs.find_or_create("1", "exp/0/1", "trial", {}, 0)
    assert runs.ids == {}
    client.loses_answers = False
    assert runs.find_or_create("1", "exp/0/1", "trial", {}, 0) == "run 0"
    assert client.created == ["exp/0/1"]


def test_a_new_recorder_finds_the_runs_of_the_one_before(client):
    runs_of("sweep").find_or_create("1", "it's/0/1", "trial", {}, 0)
    second = runs_of("sweep", again=True)
    assert second.find_or_create("1", "it's/0/1", "trial", {}, 0) == "run 0"
    assert second.find_or_create("1", "it's/1/1", "trial", {}, 0) == "run 1"


def test_a_run_that_is_only_looked_up_is_nobodys_here(client):
    first = runs_of("sweep")
    for _ in range(2):  # the second is a ghost
        first.find_or_create("1", "exp/0/1", "trial", {}, 0)
        first.ids.clear()
    second = runs_of("sweep", again=True)
    assert second.look_up("1", "exp/0/1") == "run 0"
    assert (second.look_up("1", "exp/0/2"), second.ids) == (None, {})
