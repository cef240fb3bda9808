"""Every searcher by its contract, and each finds what random search does not."""

import itertools
import random
from functools import partial
from statistics import median

import pytest

from tune_tasks.model.objective import Objective
from tune_tasks.search.algorithms import has_torch, searcher_of
from tune_tasks.search.observation import Fate, Observation, lessons
from tune_tasks.search.searcher import Searcher
from tune_tasks.search.study import Study, text_of
from tune_tasks.spec.domains import Unit
from tune_tasks.spec.search import Search
from tune_tasks.spec.search_space import SearchSpace
from tune_tasks.spec.start_up import LatinHypercube, Sobol
from tune_tasks.testing.searcher_contract import NUMERIC, SearcherContract

LOSS = Objective("mean_loss", "min")


class TestTpe(SearcherContract):
    def searcher(self, space):
        return searcher_of(Search("tpe"), space, LOSS)


class TestCmaes(SearcherContract):
    config = NUMERIC

    def searcher(self, space):
        return searcher_of(Search("cmaes", startup_trials=4), space, LOSS)


@pytest.mark.skipif(not has_torch(), reason="a Gaussian process needs torch")
class TestGp(SearcherContract):
    config = NUMERIC
    lengths = (0, 8)  # a question takes some tenths of a second

    def searcher(self, space):
        return searcher_of(Search("gp"), space, LOSS)


class TestAutoOfAConditionalSpace(SearcherContract):
    def searcher(self, space):
        return searcher_of(Search("auto"), space, LOSS)


class Drawing(Searcher):
    def ask(self, history, index, rng):
        return lambda _name, scale: scale.at(rng.random())


class TestOnesOwn(SearcherContract):
    def searcher(self, space):
        return Drawing()


def at(point):
    return lambda name, _scale: point.get(name)


def best_of(searcher, seed, space, loss, count=40, startup=8):
    study = Study(searcher, str(seed))
    start = Sobol([each.name for each in space.parameters], seed)
    history = []
    for index in range(count):

        def resolve(choose, index=index):
            return space.resolve(index, f"{seed}/{index}", choose=choose)

        if index < startup:
            point = resolve(start.chooser(index)).point
        else:
            point = study.propose(history, index, resolve, ())
        config = space.resolve(index, "", choose=at(point)).config
        history.append(Observation(index, point, Fate.FINISHED, loss(config)))
    return min(each.value for each in history)


@pytest.mark.parametrize("algorithm", ["tpe", "cmaes"])
def test_a_model_is_better_than_chance(algorithm):
    space = SearchSpace({"x": {"uniform": [-5, 5]}, "y": {"loguniform": [1e-3, 1e3]}})

    def loss(config):
        return (config["x"] - 2) ** 2 + (config["y"] - 1) ** 2

    learned = searcher_of(Search(algorithm, startup_trials=8), space, LOSS)
    found = [
        median(best_of(s, seed, space, loss) for seed in range(7)) for s in (learned, Drawing())
    ]
    assert found[0] < found[1] / 3


def test_a_space_is_tried_whole_before_anything_is_tried_twice():
    space = SearchSpace({"a": {"int": [1, 4]}, "b": {"choice": ["x", "y", "z"]}})
    study = Study(searcher_of(Search("tpe"), space, LOSS), "7")
    history = []
    tried = set()
    for index in range(14):

        def resolve(choose, index=index):
            return space.resolve(index, f"{index}", choose=choose)

        point = study.propose(history, index, resolve, tried)
        tried.add(text_of(resolve(at(point))))
        fate = Fate.RUNNING if index % 3 == 0 else Fate.FINISHED
        history.append(Observation(index, point, fate, float(index)))
    points = [tuple(sorted(each.point.items())) for each in history]
    assert len(set(points[:12])) == 12
    assert set(points[12:]) <= set(points[:12])


def test_a_model_of_few_ended_trials_is_not_asked():
    space = SearchSpace({"x": {"uniform": [0, 1]}})

    def learns_from(ended, **options):
        """Whether it matters which trials were good."""
        searcher = searcher_of(Search("tpe", **options), space, LOSS)
        proposed = []
        for best in (0, ended - 1):
            history = [
                Observation(i, {"x": i / 20}, Fate.FINISHED, abs(i - best)) for i in range(ended)
            ]
            choose = searcher.ask(history, 20, random.Random(1))
            proposed.append(choose("x", Unit()))
        return proposed[0] != proposed[1]

    assert not learns_from(9)
    assert learns_from(10)
    assert learns_from(4, startup_trials=4)


class Stuck(Searcher):
    """Proposes one point for ever."""

    def ask(self, history, index, rng):
        return lambda _name, _scale: 4


def test_in_place_of_what_was_tried_something_near_it_is_tried():
    names = ["a", "b", "c", "d", "e"]
    space = SearchSpace({name: {"int": [0, 9]} for name in names})
    study = Study(Stuck(), "1")

    def resolve(choose):
        return space.resolve(0, "", choose=choose)

    stuck = study.propose([], 0, resolve, ())
    assert stuck == dict.fromkeys(names, 4)
    tried = {text_of(resolve(at(stuck)))}
    moved = [0] * 50
    for index in range(50):
        point = study.propose([], index, resolve, tried)
        tried.add(text_of(resolve(at(point))))
        moved[index] = sum(point[name] != 4 for name in names)
    assert 0 not in moved
    assert median(moved) <= 2


def test_failed_trials_and_values_that_are_not_finite_are_as_bad_as_the_worst():
    history = [
        Observation(0, {}, Fate.FINISHED, 0.5),
        Observation(1, {}, Fate.FINISHED, None),
        Observation(2, {}, Fate.FAILED, 0.1),
        Observation(3, {}, Fate.RUNNING, 0.1),
        Observation(4, {}, Fate.STOPPED, 2.0, 3.0),
    ]

    def taught(**options):
        return {each.index: value for each, value in lessons(history, **options)}

    loss = taught(is_greater_better=False, ignores_failures=False)
    assert loss == {0: 0.5, 1: 2.0, 2: 2.0, 4: 2.0}
    reward = taught(is_greater_better=True, ignores_failures=False)
    assert reward == {0: 0.5, 1: 0.5, 2: 0.5, 4: 2.0}
    assert taught(is_greater_better=True, ignores_failures=True) == {0: 0.5, 4: 2.0}


def test_a_failing_region_is_left():
    """A model that does not hear of failures proposes them again and again."""
    space = SearchSpace({"x": {"uniform": [0, 1]}})
    history = [
        Observation(i, {"x": i / 20}, Fate.FAILED if i > 8 else Fate.FINISHED, 1 - i / 20)
        for i in range(20)
    ]

    def proposed(**options):
        study = Study(searcher_of(Search("tpe", **options), space, LOSS), "1")
        points = (
            study.propose(history, 20 + i, lambda c, i=i: space.resolve(i, "", choose=c), ())
            for i in range(20)
        )
        return sum(point["x"] > 0.45 for point in points)

    assert proposed() < proposed(ignores_failures=True)


@pytest.mark.parametrize("points_of", [Sobol, partial(LatinHypercube, count=16)])
def test_points_cover_a_space_evenly_and_follow_from_the_index(points_of):
    names = ["a", "b"]

    def point(made, index):
        return [made.chooser(index)(name, Unit()) for name in names]

    points = [point(points_of(names, 3), i) for i in range(16)]
    for axis in (0, 1):
        assert sorted(int(each[axis] * 16) for each in points) == list(range(16))
    again = points_of(names, 3)
    order = list(range(16))
    random.Random(1).shuffle(order)
    assert {i: point(again, i) for i in order} == dict(enumerate(points))
    assert point(points_of(names, 4), 0) != points[0]


def test_the_first_trials_of_a_model_show_every_pair_of_halves():
    """So few Sobol points do not, and two parameters then look like one."""
    names = "abcdefghi"
    for seed in range(8):
        made = LatinHypercube(names, seed, 16)
        points = [[made.chooser(i)(name, Unit()) > 0.5 for name in names] for i in range(16)]
        for one, other in itertools.combinations(range(9), 2):
            assert len({(each[one], each[other]) for each in points}) == 4


def test_there_may_be_many_first_trials():
    made = LatinHypercube(["a"], 1, 1_000_000)
    far = made.chooser(999_999)("a", Unit())
    assert 0 <= far <= 1
    assert far != made.chooser(0)("a", Unit())


def test_cmaes_begins_at_the_best_of_what_earlier_sweeps_have_found():
    space = SearchSpace({"x": {"uniform": [0, 1]}})
    then = [
        Observation(index, {"x": (index + 20) / 20}, Fate.FINISHED, abs(index / 20 + 0.1))
        for index in range(-20, 0)
    ]
    searcher = searcher_of(Search("cmaes", startup_trials=4), space, LOSS)
    proposed = [
        searcher.ask(then, index, random.Random(index))("x", space.parameters[0].scale)
        for index in range(40)
    ]
    assert median(proposed) == pytest.approx(0.9, abs=0.1)
