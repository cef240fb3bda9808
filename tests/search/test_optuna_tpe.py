"""Our TPE proposes what Optuna's does, but for values in steps; it asks for less on the way."""

import random
from functools import partial

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator

from tune_tasks.model.objective import Objective, Objectives
from tune_tasks.model.stopping import Criterion
from tune_tasks.search import optuna_tpe
from tune_tasks.search.algorithms import searcher_of
from tune_tasks.search.observation import Fate, Observation
from tune_tasks.search.optuna_tpe import _SteppedDensity
from tune_tasks.spec.search import Search
from tune_tasks.spec.search_space import SearchSpace
from tune_tasks.testing.searcher_contract import CONDITIONAL, NUMERIC

CONTINUOUS = {"lr": {"loguniform": [1e-5, 1e-1]}, "dropout": {"uniform": [0, 0.6]}}
FINITE = {"n": {"int": [1, 4]}, "kind": {"choice": ["x", "y"]}, "same": {"int": [3, 3]}}


LOSS = Objective("mean_loss", "min")
ONE = Objectives((LOSS,))
TWO = Objectives((LOSS, Objective("mean_accuracy", "max")))
SMALL = Objectives((LOSS,), (Criterion("size", "<=", 1.0),))


def history(space, objectives, count):
    rng = random.Random(count)
    for index in range(count):
        point = space.resolve(index, str(index)).point
        fate = rng.choice([*Fate, Fate.FINISHED])
        excesses = tuple(rng.choice([-1.0, 0.5, 2.0]) for _ in objectives.constraints)
        others = tuple(rng.choice([0.5, rng.random()]) for _ in objectives.others)
        value = rng.choice([0.5, rng.random()])
        yield Observation(index, point, fate, value, excesses=excesses, others=others)


def proposed(space, objectives, past):
    searcher = searcher_of(Search("tpe", startup_trials=4), space, objectives)
    chooses = [searcher.ask(past, i, random.Random(i)) for i in range(3)]
    return [space.resolve(i, "stream", choose=each).point for i, each in enumerate(chooses)]


def optunas(kernels, **given):
    # Optuna's has a model of each parameter alone if there are several objectives.
    sampler = optuna.samplers.TPESampler(multivariate=True, **given)
    sampler._parzen_estimator_cls = kernels
    return sampler


@pytest.mark.long
@pytest.mark.parametrize("config", [NUMERIC, CONDITIONAL, FINITE])
@pytest.mark.parametrize("objectives", [ONE, TWO, SMALL], ids=["one", "two", "constrained"])
@pytest.mark.parametrize("count", [0, 1, 5, 40])
def test_it_proposes_what_optunas_own_does(monkeypatch, config, objectives, count):
    space = SearchSpace(config)
    past = list(history(space, objectives, count))
    ours = proposed(space, objectives, past)
    monkeypatch.setattr(optuna_tpe, "ToldTpe", partial(optunas, _ParzenEstimator))
    monkeypatch.setattr(optuna_tpe, "SteppedTpe", partial(optunas, _SteppedDensity))
    assert ours == proposed(space, objectives, past)


@pytest.mark.parametrize(
    ("config", "objectives", "repel"),
    [(CONTINUOUS, ONE, True), (NUMERIC, ONE, True), (FINITE, ONE, False), (FINITE, TWO, True)],
)
def test_running_trials_repel_unless_they_cannot_be_alike(config, objectives, repel):
    space = SearchSpace(config)
    past = list(history(space, objectives, 40))
    ended = [each for each in past if each.fate is not Fate.RUNNING]
    assert len(ended) < len(past)
    answers = [proposed(space, objectives, each) for each in (past, ended)]
    assert (answers[0] != answers[1]) == repel


def drop(kind, domain, at):
    """How much less likely the next step is than one that was tried, by logarithms."""
    estimator = kind(
        {"n": np.full(30, float(at))},
        {"n": domain},
        optuna.samplers.TPESampler()._parzen_estimator_parameters,
    )
    here, beside = estimator.log_pdf({"n": np.array([at, at + 1])})
    return here - beside


@pytest.mark.parametrize("at", [1, 4, 9])
@pytest.mark.parametrize("domain", [IntDistribution(1, 10), IntDistribution(1, 10, log=True)])
def test_what_was_tried_says_something_of_the_next_step(domain, at):
    stepped, optunas_own = (drop(kind, domain, at) for kind in (_SteppedDensity, _ParzenEstimator))
    assert 0 < stepped < 1
    assert stepped < optunas_own


def test_where_there_are_no_steps_kernels_are_optunas():
    domain = FloatDistribution(1, 10, log=True)
    assert drop(_SteppedDensity, domain, 4) == drop(_ParzenEstimator, domain, 4) > 0
