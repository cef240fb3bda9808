"""The settings of a trial that change while it runs, as metrics of MLflow."""

import pytest

from tune_tasks.tracking.mlflow_metrics import settings_of

pytestmark = pytest.mark.processes


def row(step, **config):
    return {"timestamp": float(step), "timesteps_total": step, "config": config}


def test_a_setting_is_a_metric_with_a_step_where_it_changes():
    rates = [0.1, 0.1, 0.1, 0.2, 0.2, 0.2, 0.2]
    rows = [row(step, opt={"lr": rate}, act="relu") for step, rate in enumerate(rates, 1)]
    rows[3]["config"]["act"] = "tanh"
    found = [
        (m.key, m.step, m.value)
        for m in settings_of(rows, ["opt.lr", "act", "other"], "timesteps_total")
    ]
    assert {key for key, _, _ in found} == {"config/opt.lr"}
    assert [(step, value) for _, step, value in found] == [(1, 0.1), (3, 0.1), (4, 0.2), (7, 0.2)]


def test_nothing_is_a_metric_where_nothing_changes():
    assert list(settings_of([row(1, lr=0.1)], [], "timesteps_total")) == []
