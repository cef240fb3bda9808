"""The document of `--json`, and the table."""

import json
import math

from tests.results.samples import ERROR, PENDING, experiment, summary, trial


def test_the_json_document():
    made = summary(experiment(trial(0, mean_loss=0.5), trial(1, ERROR)))
    document = json.loads(json.dumps(made.as_json()))
    (name, shown), *_ = document["experiments"].items()
    assert (name, shown["metric"], shown["mode"], shown["best"]) == (
        "exp",
        "mean_loss",
        "min",
        shown["trials"][0],
    )
    assert shown["trials"][1] == {
        "name": "script_1_lr=1",
        "index": 1,
        "config": {"lr": 1, "fixed": 1},
        "state": "ERROR",
        "stop_reason": "train() returned",
        "last_result": None,
        "reports": 0,
        "logdir": "/logs/1",
        "mlflow_run_id": None,
        "error": "Traceback …\nValueError: bad",
        "non_finite": 0,
        "attempts": 0,
        "cancelled": False,
        "foreign_lines": 0,
        "missing": [],
        "cause": "exception",
        "resources": {"cpu": 1, "gpu": 0, "memory": 0},
        "proposed_by": None,
        "ended_by": None,
        "infeasible": None,
    }
    assert shown["failures"] == [{"cause": "exception", "error": "ValueError: bad", "trials": [1]}]


def test_the_table():
    table = summary(
        experiment(trial(0, mean_loss=0.5, info={"state": 9, "f1": 0.9}), trial(1, PENDING))
    ).dataframe()
    assert list(table.columns[:5]) == ["experiment", "index", "name", "state", "config/lr"]
    assert list(table["state"]) == ["TERMINATED", "PENDING"]
    assert (table["mean_loss"][0], table["f1"][0], math.isnan(table["mean_loss"][1])) == (
        0.5,
        0.9,
        True,
    )
