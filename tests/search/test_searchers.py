"""Every searcher by its contract, and each finds what random search does not."""

import itertools
import random
from dataclasses import replace
from functools import partial
from itertools import starmap
from statistics import median

import pytest

from tune_tasks.model.objective import Objective, Objectives
from tune_tasks.search import optuna_models
from tune_tasks.search.algorithms import has_torch, searcher_of
from tune_tasks.search.observation import Fate, Observation, lessons, violations
from tune_tasks.search.searcher import Searcher
from tune_tasks.search.study import Study, text_of
from tune_tasks.spec.domains import Categories, Unit
from tune_tasks.spec.search import Search
from tune_tasks.spec.search_space import SearchSpace
from tune_tasks.spec.start_up import LatinHypercube, Sobol
from tune_tasks.testing import SearcherContract
from tune_tasks.testing.searcher_contract import NUMERIC

pytestmark = pytest.mark.long

LOSS = Objectives((Objective("mean_loss", "min"),))
TWO = Objectives((Objective("mean_loss", "min"), Objective("mean_accuracy", "max")))
WITH_CATEGORIES = {**NUMERIC, "act": {"choice": ["relu", "elu", "tanh"]}}
NEEDS_TORCH = pytest.mark.skipif(not has_torch(), reason="a Gaussian process needs torch")


class TestTpe(SearcherContract):
    def searcher(self, space):
        return searcher_of(Search("tpe"), space, LOSS)


class TestCmaes(SearcherContract):
    config = NUMERIC

    def searcher(self, space):
        return searcher_of(Search("cmaes", startup_trials=4), space, LOSS)


@NEEDS_TORCH
class TestGp(SearcherContract):
    config = NUMERIC
    lengths = (0, 8)  # a question takes some tenths of a second

    def searcher(self, space):
        return searcher_of(Search("gp"), space, LOSS)


class TestAutoOfAConditionalSpace(SearcherContract):
    def searcher(self, space):
        return searcher_of(Search("auto"), space, LOSS)


class TestTpeWithConstraints(TestTpe):
    constraints = 2


class TestCmaesWithConstraints(TestCmaes):
    constraints = 2


class TestNsga2(SearcherContract):
    config = NUMERIC

    def searcher(self, space):
        return searcher_of(Search("nsga2", startup_trials=8), space, LOSS)


class TestNsga2OfTwo(SearcherContract):
    config = WITH_CATEGORIES
    objectives = 2
    constraints = 1

    def searcher(self, space):
        return searcher_of(Search("nsga2", startup_trials=4), space, TWO)


class TestTpeOfTwo(SearcherContract):
    objectives = 2
    constraints = 1

    def searcher(self, space):
        return searcher_of(Search("tpe"), space, TWO)


class TestAutoOfTwo(TestTpeOfTwo):
    config = NUMERIC

    def searcher(self, space):
        return searcher_of(Search("auto"), space, TWO)


@NEEDS_TORCH
class TestGpOfTwo(SearcherContract):
    config = NUMERIC
    lengths = (0, 8)
    objectives = 2

    def searcher(self, space):
        return searcher_of(Search("gp"), space, TWO)


@NEEDS_TORCH
class TestGpWithConstraints(SearcherContract):
    config = NUMERIC
    lengths = (0, 8)
    constraints = 2

    def searcher(self, space):
        return searcher_of(Search("gp"), space, LOSS)


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
        Observation(4, {}, Fate.STOPPED, 2.0),
    ]

    def taught(mode, ignores_failures):
        told = lessons(history, [mode], ignores_failures=ignores_failures)
        return {each.index: value for each, (value,) in told}

    assert taught("min", ignores_failures=False) == {0: 0.5, 1: 2.0, 2: 2.0, 4: 2.0}
    assert taught("max", ignores_failures=False) == {0: 0.5, 1: 0.5, 2: 0.5, 4: 2.0}
    assert taught("max", ignores_failures=True) == {0: 0.5, 4: 2.0}


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


def test_what_is_not_known_of_a_constraint_is_as_far_beyond_as_the_worst():
    history = [
        Observation(0, {}, Fate.FINISHED, 0.5, excesses=(-0.5, 0.0)),
        Observation(1, {}, Fate.FINISHED, None, excesses=(0.25, None)),
        Observation(2, {}, Fate.FAILED, 0.1, excesses=(-9.0, -9.0)),
        Observation(3, {}, Fate.RUNNING),
    ]
    assert violations(history) == {0: (-0.5, 0.0), 1: (0.25, 1.0), 2: (0.25, 1.0)}
    assert violations(history[3:]) == {}
    assert violations([Observation(0, {}, Fate.FINISHED, 0.5)]) == {}


@pytest.mark.parametrize(
    ("algorithm", "asked"), [("tpe", 12), ("cmaes", 12), pytest.param("gp", 4, marks=NEEDS_TORCH)]
)
def test_a_model_leaves_what_is_not_allowed(algorithm, asked):
    """The best values are where they are not allowed: x is to be small, but not below 0.6."""
    space = SearchSpace({"x": {"uniform": [0, 1]}, "y": {"uniform": [0, 1]}})

    def learnt(constrained):
        rng = random.Random(3)
        searcher = searcher_of(Search(algorithm, startup_trials=8), space, LOSS)
        study = Study(searcher, "1")
        history = []
        for index in range(12 + asked):

            def resolve(choose, index=index):
                return space.resolve(index, f"{index}", choose=choose)

            point = {"x": rng.random(), "y": rng.random()}
            if index >= 12:
                point = study.propose(history, index, resolve, ())
            excesses = (0.6 - point["x"],) if constrained else ()
            history.append(Observation(index, point, Fate.FINISHED, point["x"], excesses=excesses))
        return sum(each.point["x"] > 0.45 for each in history[12:])

    assert learnt(constrained=True) > learnt(constrained=False) + asked / 3


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


@pytest.mark.parametrize(("sizes", "distinct"), [((5, 4), 16), ((3, 4), 12), ((16,), 16)])
def test_the_first_trials_of_a_finite_space_are_distinct_while_there_is_something_else(
    sizes, distinct
):
    scales = {f"p{i}": Categories(size) for i, size in enumerate(sizes)}
    for seed in range(20):
        made = LatinHypercube(list(scales), seed, 16, scales)
        points = [tuple(starmap(made.chooser(i), scales.items())) for i in range(16)]
        assert len(set(points[:distinct])) == distinct


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


def front_found(searcher, seed, count=64, startup=16):
    """How much of the square a front covers that was searched for: the more, the better.

    ZDT1 (Zitzler, Deb and Thiele 2000) with four numbers; the second objective is to be maximal.
    """
    space = SearchSpace({name: {"uniform": [0, 1]} for name in "abcd"})
    study = Study(searcher(space), str(seed))
    start = Sobol([each.name for each in space.parameters], seed)
    history = []
    for index in range(count):

        def resolve(choose, index=index):
            return space.resolve(index, f"{seed}/{index}", choose=choose)

        if index < startup:
            point = resolve(start.chooser(index)).point
        else:
            point = study.propose(history, index, resolve, ())
        g = 1 + 3 * (point["b"] + point["c"] + point["d"])
        gain = 10 - g * (1 - (point["a"] / g) ** 0.5)
        history.append(Observation(index, point, Fate.FINISHED, point["a"], others=(gain,)))
    covered, least = 0.0, 0.0
    for loss, gain in sorted((each.value, each.others[0]) for each in history):
        covered += (1 - loss) * max(gain - least, 0)
        least = max(least, gain)
    return covered


@pytest.mark.parametrize("algorithm", ["tpe", "nsga2"])
def test_of_two_objectives_a_model_finds_a_better_front_than_chance(algorithm):
    def learned(space):
        return searcher_of(Search(algorithm, startup_trials=16), space, TWO)

    found = [median(front_found(s, seed) for seed in range(5)) for s in (learned, drawing)]
    assert found[0] > found[1]


def drawing(_space):
    return Drawing()


def test_a_generation_follows_from_the_order_of_the_indices():
    """What has ended after the last complete generation changes nothing yet."""
    space = SearchSpace(NUMERIC)
    searcher = searcher_of(Search("nsga2", startup_trials=4), space, TWO)
    history = [
        Observation(i, space.resolve(i, str(i)).point, Fate.FINISHED, 10.0 - i, others=(0.0,))
        for i in range(11)
    ]

    def proposed(known):
        return Study(searcher, "1").propose(
            known, 20, lambda c: space.resolve(20, "", choose=c), ()
        )

    assert proposed(history[:8]) == proposed(history)
    assert proposed(history[:8]) != proposed(history[:7])
    late = [each if each.index != 2 else replace(each, fate=Fate.RUNNING) for each in history]
    without = [each for each in history if each.index != 2]
    assert proposed(late) == proposed(without)


@pytest.mark.parametrize("algorithm", ["tpe", "nsga2"])
def test_of_a_very_long_history_the_best_and_the_last_are_told(algorithm, monkeypatch):
    """Questions about all of it would take too long; the answer is a function of it all the same."""
    monkeypatch.setattr(optuna_models, "_MOST", 30)
    monkeypatch.setattr(optuna_models, "_BEST", 10)
    space = SearchSpace(NUMERIC)
    rng = random.Random(1)
    history = [
        Observation(
            i,
            space.resolve(i, str(i)).point,
            Fate.FINISHED,
            rng.random(),
            excesses=(rng.choice([-1.0, 1.0]),),
            others=(rng.random(),),
        )
        for i in range(100)
    ]
    searcher = searcher_of(Search(algorithm, startup_trials=1), space, TWO)
    told = searcher._shortened(history)
    assert len(told) == 30
    assert told[10:] == history[80:]
    assert [each.index for each in told] == sorted(each.index for each in told)
    assert all(each.is_feasible for each in told[:10])
    choose = searcher.ask(history, 100, random.Random(5))
    assert space.resolve(100, "", choose=choose).point.keys() == NUMERIC.keys()
