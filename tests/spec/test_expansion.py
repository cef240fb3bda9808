"""The trials of an experiment are made when they are asked for, the same each time."""

import contextlib
import gc

import pytest

from tune_tasks.errors import ExpressionError, SpecError
from tune_tasks.model.trial import Trial
from tune_tasks.spec.expansion import Expansion, num_trials
from tune_tasks.spec.expressions.plan_budget import PlanBudget
from tune_tasks.spec.loading import spec_from_data
from tune_tasks.spec.search_space import SearchSpace


def expansion(config, **keys):
    spec = spec_from_data({"exp": {"config": config, **keys}}).experiments["exp"]
    return Expansion("exp", spec, SearchSpace(spec.config), seed=7)


def live_trials():
    return sum(type(thing) is Trial for thing in gc.get_objects())


def test_a_million_trials_are_not_a_million_objects():
    before = live_trials()
    trials = expansion({key: {"grid_search": list(range(100))} for key in "abc"})
    assert len(trials) == 1_000_000
    last = trials[999_999]
    assert last.config == {"a": 99, "b": 99, "c": 99}
    assert live_trials() == before + 1


def test_the_check_keeps_no_trial():
    before = live_trials()
    trials = expansion({"a": {"grid_search": list(range(1000))}})
    trials.check(PlanBudget())
    assert live_trials() == before


def test_a_trial_is_the_same_each_time_with_a_config_of_its_own():
    trials = expansion({"layers": [8, {"eval": "random.randint(1, 99)"}]}, num_trials=5)
    assert list(trials) == [trials[i] for i in range(5)] == list(trials[:])
    assert [trials[-1], trials[1:3]] == [trials[4], [trials[1], trials[2]]]
    trials[0].config["layers"].append("added by somebody")
    assert len(trials[0].config["layers"]) == 2
    with pytest.raises(IndexError):
        trials[5]


def test_the_check_finds_the_one_trial_that_fails():
    trials = expansion({"x": {"eval": "1 / (_i - 700)"}}, num_trials=1000)
    with pytest.raises(ExpressionError, match=r"division by zero \(trial 700\)"):
        trials.check(PlanBudget())


def test_the_check_spends_the_plans_budget():
    trials = expansion({}, num_trials=1000)
    trials.check(PlanBudget(values=10_000))
    with pytest.raises(SpecError, match="hold more than"):
        trials.check(PlanBudget(values=1000))


def test_what_passes_the_check_resolves_from_deeper_within_the_program():
    def longest_chain_of_evals():
        for links in range(300, 0, -5):
            evals = {f"k{i}": {"eval": f"spec.config.k{i + 1}"} for i in range(links)}
            trials = expansion({**evals, f"k{links}": 1})
            with contextlib.suppress(ExpressionError):  # it meets Python's recursion limit
                trials.check(PlanBudget())
                return trials
        raise AssertionError("not even a short chain passes")

    def asked_for(trials, frames):
        return asked_for(trials, frames - 1) if frames else trials[0]

    assert asked_for(longest_chain_of_evals(), 150).config["k0"] == 1


def test_num_trials():
    spec = spec_from_data({"e": {"config": {"a": {"grid_search": [1, 2, 3]}}}}).experiments["e"]
    assert num_trials(spec, SearchSpace(spec.config)) == 3
    assert num_trials(spec.model_copy(update={"num_trials": 10}), SearchSpace(spec.config)) == 10
    assert num_trials(spec, SearchSpace({"a": 1})) == 1
