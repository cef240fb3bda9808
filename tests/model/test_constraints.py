"""What a trial has to keep to, to be the best one."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tune_tasks.model.constraints import excess, infeasibility
from tune_tasks.model.objective import Objective, Objectives
from tune_tasks.model.stopping import Criterion, parse_criterion

SIZE = parse_criterion("model_size", "<= 5e6")
LATENCY = parse_criterion("latency_ms", "< 20")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"info": {"model_size": 5e6, "latency_ms": 19}}, None),
        (
            {"info": {"model_size": 5_000_001, "latency_ms": 19}},
            "model_size 5000001 is not <= 5000000",
        ),
        (
            {"info": {"model_size": 6e6, "latency_ms": 20}},
            "model_size 6000000 is not <= 5000000, latency_ms 20 is not < 20",
        ),
        ({"info": {"model_size": 1.0}}, "no finite latency_ms to be < 20"),
        ({"info": {"model_size": 1, "latency_ms": math.nan}}, "no finite latency_ms to be < 20"),
        ({"info": {"model_size": 1, "latency_ms": -math.inf}}, "no finite latency_ms to be < 20"),
    ],
)
def test_what_does_not_meet_a_constraint_is_infeasible_and_it_is_said_by_what(row, said):
    assert Objectives((), (SIZE, LATENCY)).infeasibility(row) == said


def test_without_constraints_everything_is_feasible():
    assert infeasibility((), lambda _name: None) is None


def test_the_metrics_that_are_looked_at_and_their_values():
    objectives = Objectives((Objective("acc", "max"), Objective("latency_ms", "min")), (LATENCY,))
    assert objectives.metrics() == ["acc", "latency_ms"]
    row = {"info": {"acc": math.nan, "latency_ms": 3}}
    assert objectives.values(row) == {"acc": None, "latency_ms": 3}


@pytest.mark.parametrize(
    ("constraint", "value", "beyond"),
    [
        (SIZE, 6e6, 0.2),
        (SIZE, 4e6, -0.2),
        (SIZE, 5e6, 0.0),
        (parse_criterion("a", ">= 10"), 5, 0.5),
        (parse_criterion("a", "== 4"), 3, 0.25),
        (parse_criterion("a", "<= 0"), 3, 3.0),
        (parse_criterion("a", "<= -2"), 0, 1.0),
        (SIZE, None, None),
    ],
)
def test_how_far_a_value_is_beyond_is_a_share_of_the_bound(constraint, value, beyond):
    assert excess(constraint, value) == (beyond if beyond is None else pytest.approx(beyond))


@given(
    st.sampled_from(["<", "<=", ">", ">=", "=="]),
    st.floats(-1e6, 1e6),
    st.one_of(st.floats(-1e6, 1e6), st.none()),
)
def test_more_than_nothing_is_beyond_just_if_the_constraint_is_not_met(op, bound, value):
    constraint = Criterion("a", op, bound)
    value = bound if value is None else value
    assert (excess(constraint, value) > 0) is not constraint.met_by(value)
