"""How many hours a plan may take, from what an earlier sweep has taken."""

import pytest

from tests.sweep.told import Told, failed, returned, row, train
from tune_tasks.model.stopping import parse_criterion
from tune_tasks.spec.loading import spec_from_data
from tune_tasks.sweep.costs import Cost, PastCost, PastCosts, cost_of, most_iterations
from tune_tasks.sweep.past import past_sweep
from tune_tasks.sweep.planning import make_plan


@pytest.fixture
def past(tmp_path):
    """Two of four trials have reported, 2 s for 4 iterations and 1 s for 2, at the same time."""
    told = Told(tmp_path)
    told.begin("exp/0", *(row(step, mean_loss=0.5) for step in range(1, 5)))
    told.begin("exp/1", row(1, mean_loss=0.5), row(2, mean_loss=0.4))
    told.end("exp/0", returned(4))
    told.end("exp/1", returned(2))
    told.begin("exp/2")
    told.end("exp/2", failed())
    told.begin("exp/2")
    told.end("exp/2", failed())
    told.close()
    return PastCosts(past_sweep(told.path))


def cost(past, name="exp", **keys):
    experiment = {"config": {"lr": {"grid_search": list(range(10))}}, **keys}
    plan = make_plan(spec_from_data({name: experiment}), callables={name: train}, seed=1)
    return cost_of(plan, plan.experiments[0], past)


def test_the_seconds_of_an_iteration(past):
    made, why = past.of("exp")
    assert (made.seconds, made.iterations, made.at_once, why) == (3.0, 6, 2, "")


def test_a_plan_may_take(past):
    made = cost(past, stop={"training_iteration": 100}, max_concurrent_trials=5)
    assert made.trial_s == 50
    assert made.words() == (
        "cost: at most 8 min 20 s of trials, 1 min 40 s with 5 at once"
        " (10 trials of 100 iterations of 0.5 s as in 2026-01-01_00-00-00_aaaa)"
    )


def test_what_a_scheduler_is_expected_to_end_is_said_beside(past):
    keys = {"metric": "mean_loss", "num_trials": 100, "max_concurrent_trials": 5}
    said = cost(past, stop={"training_iteration": 81}, scheduler="asha", **keys).words()
    assert said.startswith("cost: at most 1 h 07 min of trials, 13 min 30 s with 5 at once (100 ")
    assert said.endswith(
        "; about 3 min 58 s of trials, 48 s with 5 at once with what the scheduler ends"
    )


def test_what_is_expected_is_not_said_if_nothing_bounds_what_rungs_are_about(past):
    keys = {"metric": "mean_loss", "num_trials": 10, "stop": {"training_iteration": 81}}
    for attr in ("time_total_s", "timesteps_total"):
        asha = {"asha": {"time_attr": attr, "max_t": 3600}}
        assert "about" not in cost(past, scheduler=asha, **keys).words()
    keys["stop"] = {"training_iteration": 0}
    assert cost(past, scheduler={"asha": {"max_t": 81}}, **keys).share == 1.0


def test_as_many_run_at_once_as_in_the_earlier_sweep(past):
    assert "4 min 10 s with 2 at once" in cost(past, stop={"training_iteration": 100}).words()
    assert cost(past, name="another").past is not None  # the sweep has a single experiment


def test_time_bounds_a_trial_too(past):
    both = cost(past, stop={"training_iteration": 100, "time_total_s": 20})
    assert both.trial_s == 20
    assert both.words().endswith("(10 trials of at most 20 s)")
    assert cost(past, stop={"training_iteration": 10, "time_total_s": 20}).trial_s == 5


def test_what_is_not_known_is_said(past):
    unbounded = cost(past, stop={"mean_loss": 0.1})
    assert unbounded.trial_s is None
    assert unbounded.words() == "cost: unknown: `stop` does not bound training_iteration"


def test_no_time_at_all_is_shorter_than_one_trial():
    past = PastCost("s", 10.0, 10, 8)
    assert "1 min 40 s with 8 at once" in Cost(2, 100, None, past, 8).words()


def test_nothing_left_costs_nothing():
    assert Cost(0, 9, None, PastCost("s", 60.0, 1, 2), 2).words() == (
        "cost: none: no trial is left to run"
    )


def test_a_sweep_of_other_experiments(tmp_path):
    config = {"lr": {"grid_search": [1]}}
    told = Told(tmp_path, spec={"a": {"config": config}, "b": {"config": config}})
    told.begin("a/0", row(1, mean_loss=0.5))
    told.end("a/0", returned(1))
    told.close()
    past = PastCosts(past_sweep(told.path))
    assert past.of("a")[0].iterations == 1
    assert past.of("b") == (None, f"no trial of {told.sweep} has reported anything")
    missing = cost(past, name="c", stop={"training_iteration": 1})
    assert missing.words() == (
        f"cost: unknown: {told.sweep} has no experiment of this name (it has a, b)"
    )


@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        ({}, None),
        ({"mean_loss": 0.1}, None),
        ({"training_iteration": 5}, 5),
        ({"training_iteration": 4.5}, 5),
        ({"training_iteration": "> 5"}, 6),
        ({"training_iteration": "== 5"}, 5),
        ({"training_iteration": "<= 5"}, None),
        ({"training_iteration": -1}, 1),
    ],
)
def test_most_iterations(stop, expected):
    assert most_iterations(parse_criterion(*each) for each in stop.items()) == expected
