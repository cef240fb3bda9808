"""Our TPE proposes what Optuna's does, and asks for less on the way."""

import random
from functools import partial

import optuna
import pytest

from tune_tasks.model.objective import Objective, Objectives
from tune_tasks.model.stopping import Criterion
from tune_tasks.search import optuna_tpe
from tune_tasks.search.algorithms import searcher_of
from tune_tasks.search.observation import Fate, Observation
from tune_tasks.spec.search import Search
from tune_tasks.spec.search_space import SearchSpace
from tune_tasks.testing.searcher_contract import CONDITIONAL, NUMERIC

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


@pytest.mark.long
@pytest.mark.parametrize("config", [NUMERIC, CONDITIONAL, FINITE])
@pytest.mark.parametrize("objectives", [ONE, TWO, SMALL], ids=["one", "two", "constrained"])
@pytest.mark.parametrize("count", [0, 1, 5, 40])
def test_it_proposes_what_optunas_own_does(monkeypatch, config, objectives, count):
    space = SearchSpace(config)
    past = list(history(space, objectives, count))

    def proposed():
        searcher = searcher_of(Search("tpe", startup_trials=4), space, objectives)
        chooses = [searcher.ask(past, i, random.Random(i)) for i in range(3)]
        return [space.resolve(i, "stream", choose=each).point for i, each in enumerate(chooses)]

    ours = proposed()
    # Optuna's has a model of each parameter alone if there are several objectives.
    theirs = partial(optuna.samplers.TPESampler, multivariate=True)
    monkeypatch.setattr(optuna_tpe, "ToldTpe", theirs)
    assert ours == proposed()
