"""The key `scheduler`: its forms, and what is wrong with what people write."""

import pytest
from jsonschema import Draft202012Validator

from tune_tasks.errors import SpecError
from tune_tasks.spec.json_schema import json_schema
from tune_tasks.spec.loading import spec_from_data
from tune_tasks.spec.scheduling import (
    AshaOptions,
    HyperbandOptions,
    MedianOptions,
    PlateauOptions,
    parsed_schedulers,
)
from tune_tasks.sweep.planning import make_plan


def train(config, status_reporter): ...


def test_the_forms():
    assert parsed_schedulers(None) == ()
    assert parsed_schedulers("asha") == (("asha", AshaOptions()),)
    assert parsed_schedulers({"median": {"min_trials": 3}}) == (
        ("median", MedianOptions(min_trials=3)),
    )
    assert parsed_schedulers(["plateau", {"hyperband": {"max_t": 9}}]) == (
        ("plateau", PlateauOptions()),
        ("hyperband", HyperbandOptions(max_t=9)),
    )


def test_what_is_left_out():
    asha, median, plateau = AshaOptions(), MedianOptions(), PlateauOptions()
    assert (asha.time_attr, asha.grace_period, asha.reduction_factor) == (
        "training_iteration",
        1,
        3,
    )
    assert (median.grace_period, median.min_trials) == (5, 5)
    assert (plateau.patience, plateau.min_delta) == (10, 0.001)


@pytest.mark.parametrize(
    ("scheduler", "message"),
    [
        ("ahsa", "unknown scheduler 'ahsa'; did you mean 'asha'? (known: asha, hyperband, median"),
        (
            ["asha", 3],
            "expected one of asha, hyperband, median, plateau, pbt, replay, {asha: {grace_period: 3}}",
        ),
        ([], "expected at least one scheduler in the list"),
        ({"asha": {}, "median": {}}, "expected one of asha"),
        ({"asha": {"grace": 3}}, "asha.grace: unknown option"),
        ({"asha": {"grace_period": 0}}, "asha.grace_period: expected greater than 0, got 0"),
        (
            {"asha": {"reduction_factor": 1}},
            "asha.reduction_factor: expected greater than 1, got 1",
        ),
        ({"plateau": {"patience": 2.5}}, "plateau.patience: expected a valid integer, got 2.5"),
        ({"asha": 3}, "asha: expected a mapping of options, got 3"),
    ],
)
def test_what_is_wrong_with_it(scheduler, message):
    with pytest.raises(SpecError) as caught:
        spec_from_data({"e": {"scheduler": scheduler, "config": {}}})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"metric": None}, "asha goes by the metric; name it: metric: mean_loss"),
        ({"stop": {}}, "give max_t, or stop: {training_iteration: 81}"),
        ({"scheduler": {"asha": {"reduction_factor": 1.01}}}, "would have more than 100 rungs"),
        ({"stop": {"training_iteration": 0}}, "judges nobody: its grace_period, 1, is not below"),
        ({"stop": {"training_iteration": 1}}, "judges nobody: its grace_period, 1, is not below"),
    ],
)
def test_what_it_needs(keys, message):
    experiment = {
        "metric": "mean_loss",
        "stop": {"training_iteration": 99},
        "scheduler": "asha",
        "config": {},
    }
    with pytest.raises(SpecError) as caught:
        make_plan(spec_from_data({"e": {**experiment, **keys}}), callables={"e": train})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("scheduler", "is_right"),
    [
        ({"replay": {"schedule": [{"at": 3, "config": {"opt.lr": 0.1}}]}}, True),
        ({"replay": {"schedule": [{"at": 3, "confg": {"opt.lr": 0.1}}]}}, False),
        ("replay", False),
        ("pbt", True),
    ],
)
def test_an_editor_knows_the_forms(scheduler, is_right):
    checker = Draft202012Validator(json_schema())
    assert checker.is_valid({"e": {"scheduler": scheduler, "config": {}}}) == is_right
