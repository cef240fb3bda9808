"""When a report ends its trial."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tune_tasks.model.stopping import (
    Criterion,
    first_met,
    is_loss,
    never_reported,
    parse_criterion,
    sounds_like_a_loss,
    time_is_up,
    time_limit,
)

LOSSES = ["mean_loss", "loss", "val_loss", "info/val/loss", "info.loss"]
OTHERS = [
    "mean_accuracy",
    "neg_mean_loss",
    "info/neg_loss",
    "loss_scale",
    "training_iteration",
    "gloss",
]


@pytest.mark.parametrize("name", LOSSES + OTHERS)
def test_a_number_bounds_losses_from_above_and_all_else_from_below(name):
    assert is_loss(name) == (name in LOSSES)


@pytest.mark.parametrize("name", ["val_error", "error_rate", "test/RMSE", "loss_val", "latency_ms"])
def test_what_sounds_like_a_loss(name):
    assert sounds_like_a_loss(name)


@pytest.mark.parametrize("name", ["val_loss", "neg_error", "mean_accuracy", "terror", "lossless"])
def test_what_does_not_sound_like_a_loss(name):
    assert not sounds_like_a_loss(name)
    assert parse_criterion(name, 0.5) == Criterion(name, "<=" if name in LOSSES else ">=", 0.5)


@pytest.mark.parametrize(
    ("text", "op", "bound"),
    [
        ("<= 0.1", "<=", 0.1),
        ("> 5", ">", 5),
        ("<1e-4", "<", 1e-4),
        (" >=  -2 ", ">=", -2),
        ("==3", "==", 3),
    ],
)
def test_a_comparison_says_it_outright(text, op, bound):
    assert parse_criterion("mean_loss", text) == Criterion("mean_loss", op, bound)


@pytest.mark.parametrize(
    "value", ["5", "", "=> 5", "!= 5", "<= ", "<= 1 2", None, True, [1], {"a": 1}]
)
def test_anything_else_is_refused(value):
    with pytest.raises(
        ValueError, match=r"^expected a number or a comparison such as '<= 0\.1', got "
    ):
        parse_criterion("a", value)


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, 10**400, "<= nan", "> inf", ">= x"]
)
def test_a_bound_is_finite(value):
    with pytest.raises(ValueError, match=r"^expected a finite number, got "):
        parse_criterion("a", value)


@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False),
)
def test_the_operators(value, bound):
    met = {op: Criterion("a", op, bound).met_by(value) for op in (">=", "<=", ">", "<", "==")}
    assert met == {
        ">=": value >= bound,
        "<=": value <= bound,
        ">": value > bound,
        "<": value < bound,
        "==": value == bound,
    }


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("op", [">=", "<=", ">", "<", "=="])
def test_what_is_no_finite_number_never_satisfies(value, op):
    assert not Criterion("a", op, 0).met_by(value)


CRITERIA = (
    parse_criterion("mean_accuracy", 0.99),
    parse_criterion("mean_loss", 0.1),
    parse_criterion("val/f1", "> 0.8"),
)


@pytest.mark.parametrize(
    ("metrics", "reason"),
    [
        ({}, None),
        ({"mean_accuracy": 0.98, "mean_loss": 0.2, "info": {"val": {"f1": 0.8}}}, None),
        ({"mean_accuracy": 0.991}, "mean_accuracy 0.991 >= 0.99 after 340 timesteps"),
        ({"mean_loss": 0.1, "mean_accuracy": 1}, "mean_accuracy 1 >= 0.99 after 340 timesteps"),
        ({"mean_loss": 0.05}, "mean_loss 0.05 <= 0.1 after 340 timesteps"),
        ({"info": {"val": {"f1": 0.81}}}, "val/f1 0.81 > 0.8 after 340 timesteps"),
        ({"mean_loss": math.nan, "mean_accuracy": math.inf}, None),
        ({"done": True}, None),
    ],
)
def test_the_first_criterion_that_is_met_is_the_reason(metrics, reason):
    assert first_met(CRITERIA, {"timesteps_total": 340, **metrics}) == reason


def test_large_numbers_are_shown_in_full():
    criteria = [parse_criterion("timesteps_total", 12_000_000)]
    reason = "timesteps_total 12000128 >= 12000000 after 12000128 timesteps"
    assert first_met(criteria, {"timesteps_total": 12_000_128}) == reason
    assert str(criteria[0]) == "timesteps_total >= 12000000"


def test_time_limit():
    criteria = [
        parse_criterion(*c)
        for c in [("time_total_s", 600), ("time_total_s", "> 30"), ("mean_accuracy", 1)]
    ]
    assert time_limit(criteria) == 30
    assert time_limit(criteria[2:]) is None
    assert time_limit([parse_criterion("time_total_s", "< 5")]) is None
    assert time_is_up(600, 600.25) == "time_total_s 600.25 >= 600"


def test_never_reported():
    criteria = [
        parse_criterion(name, 1)
        for name in ("mean_accuracy", "my_metric", "time_total_s", "mean_loss")
    ]
    assert never_reported(criteria, {"mean_loss"}) == ["mean_accuracy", "my_metric"]
    assert never_reported(criteria, {"mean_loss", "mean_accuracy", "my_metric"}) == []
