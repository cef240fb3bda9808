"""The key `scheduler`: its forms, and what is wrong with what people write."""

import pytest
from jsonschema import Draft202012Validator

from tune_tasks.errors import SpecError
from tune_tasks.spec.json_schema import json_schema
from tune_tasks.spec.loading import load_spec, spec_from_data
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
        (
            {"asha": {"grace_period": 0}},
            "asha.grace_period: expected a number greater than 0, got 0",
        ),
        (
            {"asha": {"reduction_factor": 1}},
            "asha.reduction_factor: expected a number greater than 1, got 1",
        ),
        ({"plateau": {"patience": 2.5}}, "plateau.patience: expected a valid integer, got 2.5"),
        ({"asha": 3}, "e.scheduler.asha: expected a mapping of options, got 3"),
        ("promote", "unknown scheduler 'promote'; write {asha: {mode: promote}}"),
        ({"asha": {"max_t": 10**400}}, f"valid number, got 1{'0' * 17}...{'0' * 19}"),
        ({"replay": {"schedule": []}}, "e.scheduler.replay.schedule: expected at least one item"),
        ({"replay": {"schedule": [3]}}, "schedule.0: expected a valid mapping, got 3"),
        (
            {"replay": {"schedule": [{"at": 3, "config": {}}]}},
            "schedule.0.config: expected at least one item, got {}",
        ),
        ({"asha": {"time_attr": ""}}, "time_attr: expected a text that is not empty, got ''"),
    ],
)
def test_what_is_wrong_with_it(scheduler, message):
    with pytest.raises(SpecError) as caught:
        spec_from_data({"e": {"scheduler": scheduler, "config": {}}})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("scheduler", "message"),
    [
        (
            "[plateau, {asha: {mode: promot}}]",
            "f.yaml:1:40: e.scheduler.1.asha.mode: expected 'stop' or 'promote', got 'promot'; did"
            " you mean 'promote'?",
        ),
        (
            "{replay: {schedule: [{at: 3, confg: {k: 3}}]}}",
            "f.yaml:1:45: e.scheduler.replay.schedule.0.confg: unknown option; did you mean"
            " 'config'? (known: at, config)",
        ),
        (
            "{replay: {schedule: [{at: 3, config: {k: 1}}, {at: no, config: {k: 1}}]}}",
            "f.yaml:1:67: e.scheduler.replay.schedule.1.at: expected a valid number, got 'no'",
        ),
        ("{asha: {grace: 3}}", "f.yaml:1:24: e.scheduler.asha.grace: unknown option"),
        ("{replay: {}}", "f.yaml:1:25: e.scheduler.replay.schedule: it is to be given"),
    ],
)
def test_a_mistake_has_its_place(scheduler, message, tmp_path):
    (tmp_path / "f.yaml").write_text(f"e: {{scheduler: {scheduler}, config: {{}}}}")
    with pytest.raises(SpecError) as caught:
        load_spec(tmp_path / "f.yaml")
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


@pytest.mark.parametrize(
    "scheduler",
    [
        {"replay": [{"at": 1, "config": {"api_token": "SECRET"}}]},
        {"replay": {"schedule": {"at": 1, "config": {"api_token": "SECRET"}}}},
        {"replay": {"schedule": [], "config": {"api_token": "SECRET"}}, "plateau": {}},
    ],
)
def test_a_mistake_is_told_without_the_secrets_in_it(scheduler):
    with pytest.raises(SpecError) as caught:
        spec_from_data({"e": {"scheduler": scheduler, "config": {"api_token": "a"}}})
    assert "'api_token': '***'" in str(caught.value)
    assert "SECRET" not in str(caught.value)
