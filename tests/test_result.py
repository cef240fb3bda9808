"""TrainingResult and the numbers in a report."""

import math

import pytest

import tune_tasks
import tune_tasks.result
from tune_tasks.result import TrainingResult, metric, non_finite_metrics, tracked_metrics

ROW = {
    "timesteps_total": 3,
    "mean_loss": 0.5,
    "done": True,
    "date": "2017-11-24",
    "info": {
        "lr": 0.1,
        "mean_loss": 7,
        "note": "x",
        "flag": True,
        "val": {"f1": 0.9, "deep": {"er": 1}},
        "a/b": 4,
    },
}


def test_the_fields_of_2017():
    assert TrainingResult(timesteps_total=1, mean_loss=0.5, mean_accuracy=0.9).mean_accuracy == 0.9
    assert tune_tasks.TrainingResult is tune_tasks.result.TrainingResult
    assert set(TrainingResult._fields) == {
        *(
            "timesteps_total",
            "mean_loss",
            "mean_accuracy",
            "mean_validation_accuracy",
            "episode_reward_mean",
        ),
        *(
            "episode_len_mean",
            "episodes_total",
            "info",
            "done",
            "neg_mean_loss",
            "experiment_id",
            "training_iteration",
        ),
        *(
            "timesteps_this_iter",
            "time_this_iter_s",
            "time_total_s",
            "pid",
            "hostname",
            "date",
            "timestamp",
            "config",
        ),
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timesteps_total", 3),
        ("mean_loss", 0.5),
        ("info/mean_loss", 7),
        ("lr", 0.1),
        ("info.lr", 0.1),
        ("val/f1", 0.9),
        ("info/val/deep/er", 1),
        ("a/b", 4),
        ("mean_accuracy", None),
        ("note", None),
        ("flag", None),
        ("done", None),
        ("date", None),
        ("val", None),
        ("val/f2", None),
        ("lr/x", None),
        ("info", None),
        ("", None),
    ],
)
def test_metric(name, value):
    assert metric(ROW, name) == value
    assert metric({"timesteps_total": 0, "info": None}, "lr") is None


def test_tracked_metrics():
    named = {
        "mean_loss": 0.5,
        "lr": 0.1,
        "info/mean_loss": 7,
        "val/f1": 0.9,
        "val/deep/er": 1,
        "a/b": 4,
    }
    assert dict(tracked_metrics(ROW)) == named


def test_non_finite_metrics():
    row = {
        "mean_loss": math.nan,
        "mean_accuracy": 1.0,
        "info": {"grad": {"norm": math.inf}, "lr": 0.1},
    }
    assert non_finite_metrics(row) == ["mean_loss", "grad/norm"]


def test_an_entry_that_is_called_like_a_nested_one_is_not_mixed_with_it():
    info = {"loss": {"box": 1.0}, "loss/box": 2.0}
    assert list(tracked_metrics({"info": info})) == [("info/loss/box", 1.0), ("loss/box", 2.0)]
