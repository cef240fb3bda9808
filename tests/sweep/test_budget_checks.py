"""What a budget needs, and what of it is doubtful; said before anything starts."""

import pytest

from tests.sweep.test_planning import plan, plan_file
from tune_tasks.errors import SpecError


@pytest.mark.parametrize(("key", "value"), [("patience", 3), ("goal", 0.0)])
def test_what_goes_by_the_metric_needs_one(tmp_path, key, value):
    (tmp_path / "train.py").write_text("def train(config, reporter): pass")
    text = f"""\
e:
    budget:
        time: 6h
        {key}: {value}
    config: {{script_file_path: train.py}}
"""
    with pytest.raises(SpecError) as caught:
        plan_file(tmp_path, text)
    assert str(caught.value) == (
        f"{tmp_path}/f.yaml:4:9: e.budget.{key}: it goes by the metric; name it: metric: mean_loss"
    )
    assert plan_file(tmp_path, f"{text}    metric: mean_loss\n").warnings == []


def warnings(budget, **keys):
    return plan({"e": {"metric": "mean_loss", "budget": budget, **keys}}).warnings


def test_what_can_never_be_used_up():
    assert warnings({"cpu_hours": 1, "gpu_hours": 1}) == [
        "e.budget.gpu_hours: never used up: a trial occupies no GPU; see resources.gpu"
    ]
    assert warnings({"cpu_hours": 1, "gpu_hours": 1}, resources={"cpu": 0, "gpu": 1}) == [
        "e.budget.cpu_hours: never used up: a trial occupies no CPU"
    ]
    assert warnings({"patience": 9}, num_trials=9) == [
        "e.budget.patience: never used up: there are no more than 9 trials"
    ]
    assert warnings({"patience": 9}, num_trials=10) == []


@pytest.mark.parametrize(("key", "value"), [("patience", 3), ("goal", 0.0)])
def test_what_goes_by_the_metric_is_refused_with_several_objectives(key, value):
    spec = {"objectives": {"a": "max", "b": "min"}, "budget": {key: value}}
    with pytest.raises(SpecError) as caught:
        plan({"e": spec})
    assert str(caught.value) == (
        f"e.budget.{key}: it goes by one metric, and `objectives` names several"
    )
    assert plan({"e": {**spec, "budget": {"time": "6h", "failures": 3}}}).warnings == []
