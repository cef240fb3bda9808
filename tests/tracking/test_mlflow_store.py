"""The best trial of several sweeps that do not all go by the same metric."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.tracking.fake_mlflow import MlflowException, modules
from tune_tasks.errors import ServiceError
from tune_tasks.tracking.mlflow_store import MlflowStore


class Client:
    """Of an experiment's sweeps and their best trials.

    Args:
        sweeps: The latest first: what each went by, and its best value; None if it has none.
    """

    def __init__(self, *sweeps):
        self.runs = [self.sweep(*each, number) for number, each in enumerate(sweeps)]
        self.values = dict(each for each in sweeps if each[1] is not None)

    def sweep(self, metric, value, number):
        tags = {
            "tune_tasks.sweep": f"s{number}",
            "tune_tasks.metric": metric,
            "tune_tasks.mode": "max",
        }
        has_best = value is not None
        tags |= {"tune_tasks.best_run_id": f"r{number}"} if has_best else {}
        metrics = {f"best/{metric}": value} if has_best else {}
        return SimpleNamespace(data=SimpleNamespace(tags=tags, metrics=metrics))

    def get_experiment_by_name(self, name):
        return SimpleNamespace(experiment_id="1")

    def search_runs(self, *args, **keys):
        return self.runs

    def get_run(self, run_id):
        tags = {"mlflow.parentRunId": "parent"}
        data = SimpleNamespace(tags=tags, metrics=self.values)
        return SimpleNamespace(info=SimpleNamespace(run_id=run_id), data=data)

    def download_artifacts(self, run_id, name, folder):
        path = Path(folder, name)
        path.write_text(json.dumps({"lr": 1}))
        return str(path)


def best(monkeypatch, *sweeps, **keys):
    for name, module in modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr("tune_tasks.tracking.mlflow_store.connect", lambda _: Client(*sweeps))
    return MlflowStore("http://mlflow").best_trial("exp", None, **keys)


@pytest.mark.parametrize("other", [("acuracy", None), ("f1", 0.9)])
def test_the_sweeps_that_went_by_something_else_are_left_out_and_counted(monkeypatch, other):
    found = best(monkeypatch, ("accuracy", 0.5), other, ("accuracy", 0.6), all_sweeps=True)
    assert (found.run_id, found.sweeps, found.unlike) == ("r2", 3, 1)


def test_the_last_sweep_alone_leaves_none_out(monkeypatch):
    found = best(monkeypatch, ("accuracy", 0.5), ("acuracy", None), all_sweeps=False)
    assert (found.run_id, found.unlike) == ("r0", 0)


def test_an_address_that_mlflow_does_not_know_is_one_sentence(monkeypatch):
    def connect(uri):
        raise MlflowException(f"got unsupported URI '{uri}'")

    for name, module in modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr("tune_tasks.tracking.mlflow_store.connect", connect)
    uri = "nonsense://me:secret@x"
    hidden = "nonsense://[*]{3}@x"
    with pytest.raises(ServiceError, match=f"MLflow at {hidden}: got unsupported URI '{hidden}'"):
        MlflowStore(uri)
