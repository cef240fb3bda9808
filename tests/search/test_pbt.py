"""Populations: who is replaced, by whom, and what is explored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tune_tasks.model.milestones import Reached
from tune_tasks.search.exploring import Explorer
from tune_tasks.search.judge import Exploit
from tune_tasks.search.judges import judges_of
from tune_tasks.search.pbt import differences
from tune_tasks.spec.loading import spec_from_data
from tune_tasks.sweep.planning import make_plan
from tune_tasks.testing import JudgeContract

CONFIG = {
    "lr": {"loguniform": [1e-4, 1]},
    "dropout": {"uniform": [0, 0.6]},
    "layers": {"int": [1, 6]},
    "width": {"logint": [16, 1024]},
    "rate": {"quniform": [0, 1, 0.05]},
    "noise": {"normal": [0, 1]},
    "scale": {"qloguniform": [1, 100, 1]},
    "heads": {"qloguniform": [8, 200, 8]},
    "batch": {"choice": [16, 32, 64, 128]},
    "act": {"choice": ["relu", "tanh", "gelu"]},
    "warmup": {"int": [0, {"eval": "spec.config.layers * 10"}]},
}
FAR = st.floats(0, 1, exclude_max=True)


def train(config, status_reporter): ...


def planned(num_trials=8, config=None, **options):
    spec = spec_from_data(
        {
            "e": {
                "metric": "mean_loss",
                "num_trials": num_trials,
                "stop": {"training_iteration": 81},
                "scheduler": {"pbt": options},
                "config": config or CONFIG,
            }
        }
    )
    return make_plan(spec, callables={"e": train}, drawn_seed=1).experiments[0]


def population(**keys):
    experiment = planned(**keys)
    (judge,) = judges_of(experiment.spec, experiment.expansion)
    return judge, experiment.expansion


def at(step, value=None):
    return Reached(0, step, step, value, value, value)


@pytest.mark.long
class TestPopulation(JudgeContract):
    trials = 40

    def make(self):
        return population(num_trials=40)[0]


def test_the_worst_goes_on_from_one_of_the_best():
    judge, trials = population()
    said = [judge.judge(index, at(5, index / 10)) for index in range(8)]
    # Among fewer than four nobody is replaced; then whoever comes last here is the worst.
    assert said[:3] == [None] * 3
    assert all(isinstance(each, Exploit) for each in said[3:])
    last = said[7]
    assert last.donor in (0, 1)
    assert last.reason.startswith(f"rank 8 of 8 at 5 iterations; goes on from trial {last.donor}, ")
    assert trials.resolved(7).point != last.point


def test_a_small_population_is_one_too():
    judge, _ = population(num_trials=2)
    assert judge.judge(0, at(5, 0.5)) is None
    assert judge.judge(1, at(5, 0.6)).donor == 0
    assert judge.judge(0, at(10, 0.5)) is None


def test_who_is_behind_is_ranked_by_its_last_value():
    judge, _ = population(num_trials=4)
    for index, value in enumerate([0.1, 0.2, 0.3]):
        judge.judge(index, at(5, value))
    assert judge.judge(3, at(5, 0.05)) is None
    # The others are at 5 still.
    assert judge.judge(3, at(10, 0.9)).reason.startswith("rank 4 of 4 at 10 iterations")
    # What 3 had at 10 is nothing to those at 5.
    assert judge.judge(2, at(10, 0.2)) is None


def test_nobody_goes_on_from_an_equal_or_from_no_number():
    judge, _ = population(num_trials=4)
    assert [judge.judge(index, at(5, 0.5)) for index in range(4)] == [None] * 4
    for index in range(3):
        assert judge.judge(index, at(10)).donor > index  # the others have a number still
    assert judge.judge(3, at(10)) is None


def test_a_member_that_has_failed_leaves():
    judge, _ = population(num_trials=4)
    for index in range(3):
        judge.judge(index, at(5, index))
    judge.failed(0)
    assert judge.judge(3, at(5, 9)) is None  # three are left


def test_each_cell_of_a_grid_is_a_population():
    config = {"act": {"grid_search": ["relu", "tanh"]}, "lr": {"uniform": [0, 1]}}
    judge, _ = population(num_trials=8, config=config, quantile=0.5)
    said = {index: judge.judge(index, at(5, -index)) for index in range(8)}
    assert not any(said.values())  # each is the best so far
    for index in range(8):
        exploit = judge.judge(index, at(10, index))
        assert exploit is None or exploit.donor % 2 == index % 2


def test_a_member_is_no_mere_copy():
    config = {"lr": {"uniform": [0, 1]}, "act": {"choice": ["relu", "tanh", "gelu"]}}
    for seed in range(20):
        judge, trials = population(num_trials=2, config=config, mutate=["act"], interval=seed + 1)
        judge.judge(0, at(seed + 1, 0.1))
        exploit = judge.judge(1, at(seed + 1, 0.2))
        assert exploit.point["act"] != trials.resolved(0).point["act"]
        assert exploit.point["lr"] == trials.resolved(0).point["lr"]


def test_the_same_seed_explores_alike():
    def said():
        judge, _ = population()
        return [judge.judge(index, at(5, index)) for index in range(8)]

    assert said() == said()


def drawing(number):
    return lambda purpose: (hash((number, purpose)) % 10_000) / 10_000


@pytest.mark.long
@given(st.integers(), st.integers(0, 7), st.sampled_from([0.0, 0.3, 1.0]), st.floats(0.1, 5))
def test_what_is_explored_is_in_the_domains(number, index, resample, factor):
    trials = EXPANSION
    explorer = Explorer(trials.space.parameters, list(CONFIG), resample, [factor])
    point = trials.resolved(index).point
    for _ in range(5):
        point = explorer.explored(point, drawing(number))
    config = trials.resolved(index, lambda name, _: point.get(name)).config
    assert 1e-4 <= config["lr"] <= 1
    assert 0 <= config["dropout"] <= 0.6
    assert config["layers"] in range(1, 7)
    assert config["width"] in range(16, 1025)
    assert config["rate"] == pytest.approx(round(config["rate"] / 0.05) * 0.05)
    assert 0 <= config["rate"] <= 1
    assert config["scale"] in range(1, 101)
    assert config["heads"] in range(8, 201, 8)
    assert config["batch"] in (16, 32, 64, 128)
    assert config["act"] in ("relu", "tanh", "gelu")
    assert 0 <= config["warmup"] <= 10 * config["layers"]


EXPANSION = planned().expansion


def changed(name, value, factor, resample=0.0):
    trials = EXPANSION
    (parameter,) = (each for each in trials.space.parameters if each.name == name)
    coordinate = parameter.domain.coordinate(value, *parameter.given)
    explorer = Explorer([parameter], [name], resample, [factor])
    explored = explorer.explored({name: coordinate}, lambda _: 0.5)
    return parameter.domain.value(explored[name], *parameter.given)


@pytest.mark.parametrize(
    ("name", "value", "factor", "expected"),
    [
        ("lr", 0.01, 1.2, 0.012),
        ("lr", 0.9, 1.2, 1.0),
        ("dropout", 0.5, 0.8, 0.4),
        ("dropout", 0.55, 1.2, 0.6),
        ("layers", 2, 1.2, 3),
        ("layers", 6, 1.2, 6),
        ("layers", 1, 0.8, 1),
        ("width", 100, 0.8, 80),
        ("rate", 0.2, 1.2, 0.25),
        ("rate", 0.1, 0.8, 0.05),
        ("noise", -1.0, 1.2, -1.2),
        ("heads", 16, 1.2, 24),
        ("heads", 16, 0.8, 8),
        ("heads", 104, 0.8, 80),
        ("heads", 200, 1.2, 200),
        ("batch", 32, 1.2, 64),
        ("batch", 32, 0.8, 16),
        ("batch", 128, 1.2, 128),
        ("act", "tanh", 1.2, "tanh"),
    ],
)
def test_a_value_moves_in_its_own_scale(name, value, factor, expected):
    assert changed(name, value, factor) == pytest.approx(expected) if name != "act" else True
    if name == "act":
        assert changed(name, value, factor) == expected
        assert changed(name, "relu", factor, resample=1.0) == "tanh"


def test_what_is_not_mutated_stays():
    point = EXPANSION.resolved(0).point
    explorer = Explorer(EXPANSION.space.parameters, ["lr"], 1.0, [2])
    explored = explorer.explored(point, drawing(3))
    assert {name for name in point if point[name] != explored[name]} == {"lr"}


def test_bounds_that_would_be_the_wrong_way_round_are_not_taken():
    config = {"low": {"uniform": [0, 1]}, "x": {"uniform": [{"eval": "spec.config.low"}, 1]}}
    judge, trials = population(num_trials=4, config=config, factors=[3])
    said = [judge.judge(index, at(5, index)) for index in range(4)]
    point = said[3].point
    resolved = trials.resolved(3, lambda name, _: point.get(name)).config
    assert resolved["low"] <= resolved["x"] <= 1


def test_differences_in_few_words():
    before = {"a": 0.1, "b": "x", "c": 1, "d": 2, "e": 3}
    after = {"a": 0.123456, "b": "y", "c": 2, "d": 3, "e": 3}
    assert differences(before, after) == "a 0.1 -> 0.1235, b x -> y, c 1 -> 2, 1 more"
    assert differences(before, before) == "with the same config"


def test_differences_show_no_secrets_and_no_long_texts():
    before = {"api_token": "one", "auth.password": 1, "auth": {"password": "two"}, "t": "x"}
    after = {"api_token": "three", "auth.password": 2, "auth": {"password": "four"}}
    assert differences(before, after) == (
        "api_token *** -> ***, auth.password *** -> ***,"
        " auth {'password': '***'} -> {'password': '***'}"
    )
    assert differences(before, {"t": "y" * 3_000}) == f"t x -> {'y' * 39}…"
