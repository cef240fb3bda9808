"""The settings of a trial that change while it runs, as metrics of MLflow."""

import pytest

from tune_tasks.tracking.mlflow_metrics import settings_of

pytestmark = pytest.mark.processes


def row(step, **config):
    return {"timestamp": float(step), "timesteps_total": step, "config": config}


def test_a_setting_is_a_metric_where_it_changes():
    rows = [
        row(1, opt={"lr": 0.1}, act="relu", wide=True),
        row(2, opt={"lr": 0.1}, act="tanh"),
        row(3, opt={"lr": 0.2}, act="tanh"),
    ]
    found = [(m.key, m.step, m.value) for m in settings_of(rows, ["opt.lr", "act", "other"])]
    assert found == [("config/opt.lr", 1, 0.1), ("config/opt.lr", 3, 0.2)]


def test_nothing_is_a_metric_where_nothing_changes():
    assert list(settings_of([row(1, lr=0.1)], [])) == []
