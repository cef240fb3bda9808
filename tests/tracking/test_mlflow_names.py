"""The names that metrics and params have in MLflow."""

import posixpath
import re

import pytest

from tune_tasks.model.objective import Objective
from tune_tasks.tracking.mlflow_names import best_key, safe_key

ODD = [
    *("recall@1", "iou>0.5", "iou<0.5", "学習率(x)", "", "loss\n", "a\ud800", "x" * 251, "x" * 252),
    *("/a//../b", "a//b", "../x", "..x", ".."),
]


@pytest.mark.parametrize(
    "name", ["a/b", "recall_1", "f1:macro", "top-5", "学習率", "a.b", "x" * 250]
)
def test_a_name_that_mlflow_takes_stays(name):
    assert safe_key(name) == name


@pytest.mark.parametrize("name", ODD)
def test_a_name_that_mlflow_refuses_becomes_one_that_it_takes(name):
    key = safe_key(name)
    # MLflow's own check: `mlflow.utils.validation`.
    assert re.fullmatch(r"[/\w.\- :]{1,250}", key)
    assert posixpath.normpath(key) == key
    assert not key.startswith(("..", "/"))
    assert safe_key(key) == key


def test_distinct_names_stay_distinct():
    names = [*ODD, "recall_1", "iou_0.5", "a/b", "x", "_", "loss", "x" * 250]
    assert len({safe_key(name) for name in names}) == len(names)


def test_the_metric_that_follows_the_best_value():
    assert best_key(Objective.of("info.recall@1")) == "best/recall_at_1-e740af"
