"""Our TPE proposes what Optuna's does, and asks for less on the way."""

import random

import optuna
import pytest

from tune_tasks.model.objective import Objective, Objectives
from tune_tasks.search import optuna_tpe
from tune_tasks.search.algorithms import searcher_of
from tune_tasks.search.observation import Fate, Observation
from tune_tasks.spec.search import Search
from tune_tasks.spec.search_space import SearchSpace
from tune_tasks.testing.searcher_contract import CONDITIONAL, NUMERIC

FINITE = {"n": {"int": [1, 4]}, "kind": {"choice": ["x", "y"]}, "same": {"int": [3, 3]}}


def history(space, count):
    rng = random.Random(count)
    for index in range(count):
        point = space.resolve(index, str(index)).point
        fate = rng.choice([*Fate, Fate.FINISHED])
        step = 3.0 if fate is Fate.STOPPED else None
        yield Observation(index, point, fate, rng.random(), step)


@pytest.mark.long
@pytest.mark.parametrize("config", [NUMERIC, CONDITIONAL, FINITE])
@pytest.mark.parametrize("count", [0, 1, 5, 40])
def test_it_proposes_what_optunas_own_does(monkeypatch, config, count):
    space = SearchSpace(config)
    past = list(history(space, count))

    def proposed():
        searcher = searcher_of(Search("tpe"), space, Objectives((Objective("mean_loss", "min"),)))
        chooses = [searcher.ask(past, i, random.Random(i)) for i in range(4)]
        return [space.resolve(i, "stream", choose=each).point for i, each in enumerate(chooses)]

    ours = proposed()
    monkeypatch.setattr(optuna_tpe, "ToldTpe", optuna.samplers.TPESampler)
    assert ours == proposed()
