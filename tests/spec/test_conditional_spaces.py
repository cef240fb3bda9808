"""Domains in a config: conditional ones, bounds that depend, and what a searcher is asked."""

import functools
import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tune_tasks.errors import ExpressionError, SpecError
from tune_tasks.spec.domains import Categories, Steps, Unit
from tune_tasks.spec.search_space import SearchSpace

OPTIMIZER = {
    "choice": [
        {"name": "sgd", "lr": {"loguniform": [1e-3, 1]}, "momentum": {"uniform": [0, 0.99]}},
        {"name": "adam", "lr": {"loguniform": [1e-5, 1e-2]}},
    ]
}
CONFIG = {
    "optimizer": OPTIMIZER,
    "layers": {"int": [1, 6]},
    "width": {"logint": [16, 1024]},
    "steps": 1000,
    "warmup": {"int": [0, {"eval": "spec.config.steps // 4"}]},
    "width2": {
        "logint": [8, {"eval": "spec.config.width"}],
        "when": {"layers": ">= 2", "optimizer.name": "adam"},
    },
}


def resolved(config=CONFIG, index=0, **chosen):
    """With coordinates by name, the dots in which are written as two underscores."""
    chosen = {name.replace("__", "."): value for name, value in chosen.items()}
    space = SearchSpace(config)
    return space.resolve(index, f"7/exp/{index}", choose=lambda name, _scale: chosen.get(name))


@given(st.integers(0, 2**40))
def test_a_branch_has_its_own_settings_and_bounds_that_depend_hold(index):
    config = resolved(index=index).config
    optimizer = config["optimizer"]
    assert set(optimizer) == (
        {"name", "lr", "momentum"} if optimizer["name"] == "sgd" else {"name", "lr"}
    )
    assert 0 <= config["warmup"] <= 250
    has_second = config["layers"] >= 2 and optimizer["name"] == "adam"
    assert ("width2" in config) == has_second
    if has_second:
        assert 8 <= config["width2"] <= config["width"]


def test_what_every_trial_has():
    space = SearchSpace({**CONFIG, "act": {"grid_search": [{"a": 1, "b": 2}, {"a": 3}]}})
    assert {".".join(path) for path in space.always} == {
        *("optimizer.name", "optimizer.lr", "layers", "width", "steps", "warmup", "act.a")
    }
    for index in range(20):
        config = space.resolve(index, f"7/{index}").config
        for path in space.always:
            assert functools.reduce(operator.getitem, path, config) is not None


def test_what_is_searched_is_named_by_its_path_without_the_branch():
    sgd = resolved(optimizer=0, layers=1).searched
    assert list(sgd) == [
        "layers",
        "optimizer.lr",
        "optimizer.momentum",
        "optimizer.name",
        "warmup",
        "width",
    ]
    adam = resolved(optimizer=1, layers=3).searched
    assert list(adam) == ["layers", "optimizer.lr", "optimizer.name", "warmup", "width", "width2"]


def test_a_searcher_is_asked_for_what_the_trial_has_and_for_nothing_else():
    asked = {}

    def choose(name, scale):
        asked[name] = scale
        return {"optimizer": 1, "layers": 1}.get(name)

    space = SearchSpace(CONFIG)
    chosen = space.resolve(0, "s", choose=choose)
    assert asked == {
        "optimizer": Categories(2),
        "optimizer.lr#2": Unit(),  # not that of the other branch, which has other bounds
        "layers": Steps(1, 6),
        "width": Steps(16, 1024, log=True),
        "warmup": Unit(),  # a relative position
    }
    assert chosen.point.keys() == asked.keys()
    # The same point gives the same trial, whatever would be drawn
    again = space.resolve(5, "other", choose=lambda name, _: chosen.point[name])
    assert again.config == chosen.config


def test_branches_with_the_same_domain_share_a_parameter():
    lr = {"loguniform": [1e-3, 1]}
    config = {"a": {"choice": [{"kind": 1, "lr": lr}, {"kind": 2, "lr": lr}]}}
    assert resolved(config, a=0).point.keys() == resolved(config, a=1).point.keys() == {"a", "a.lr"}


def test_a_relative_position_moves_with_its_bounds():
    config = {"top": {"int": [1, 100]}, "x": {"int": [0, {"eval": "spec.config.top"}]}}
    assert resolved(config, top=10, x=1.0).config == {"top": 10, "x": 10}
    assert resolved(config, top=100, x=0.0).config == {"top": 100, "x": 0}


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ({"layers": ">= 2"}, True),
        ({"layers": "< 2"}, False),
        ({"layers": 3}, True),
        ({"layers": [1, 2]}, False),
        ({"layers": True}, False),
        ({"h.0": 1, "layers": "== 3"}, True),
        ({"kind": "a"}, True),
        ({"kind": ["b", "c"]}, False),
        ({"kind": "> 1"}, False),
        ({"none": None}, True),
        ({"absent": 1}, False),
        ({"group.deep": 5}, True),
    ],
)
def test_conditions(when, holds):
    config = {
        "layers": 3,
        "h": [{"int": [1, 1]}],
        "kind": {"choice": ["a"]},
        "none": None,
        "absent": {"int": [1, 1], "when": {"layers": 9}},
        "group": {"grid_search": [{"deep": 5}]},
        "x": {"uniform": [0, 1], "when": when},
    }
    assert ("x" in resolved(config).config) == holds


def test_options_may_hold_anything():
    config = {
        "x": {
            "choice": [{"eval": "_i + 40"}, {"choice": [{"uniform": [2, 2]}]}, [1, {"int": [3, 3]}]]
        }
    }
    assert resolved(config, 2, x=0).config == {"x": 42}
    assert resolved(config, 2, x=1).config == {"x": 2}
    assert resolved(config, 2, x=2).config == {"x": [1, 3]}


def test_an_eval_sees_what_was_chosen():
    config = {**CONFIG, "lr": {"eval": "spec.config.optimizer.lr * 2"}}
    config = resolved(config, optimizer=1).config
    assert config["lr"] == 2 * config["optimizer"]["lr"]


def test_a_grid_of_domains():
    config = {"x": {"grid_search": [{"uniform": [5, 5]}, 1]}}
    assert [resolved(config, i).searched for i in (0, 1)] == [{"x": 5}, {"x": 1}]


@pytest.mark.parametrize(
    "plain",
    [
        {"normal": True},
        {"randint": True},
        {"randint": "a"},
        {"randint": {"a": 1}},
        {"randint": [1, 2], "own": 3},
        {"int": [1, 2], "float": [3]},
        {"choice": "a"},
        {"uniform": {"low": 0}},
    ],
)
def test_what_is_the_users_own(plain):
    assert resolved({"x": plain}).config == {"x": plain}


def test_settings_may_have_the_name_of_another_tools_domain():
    assert resolved({"randint": [1, 5]}).config == {"randint": [1, 5]}


@pytest.mark.parametrize(
    "given",
    [
        {"randint": [1, 5]},
        {"randint": [1, 5], "when": {"z": 1}},
        {"randint": [0, 10], "q": 2},
        {"randint": 5},
        {"randint": {"low": 1, "high": 3}},
    ],
)
def test_what_randint_means_is_never_guessed(given):
    with pytest.raises(SpecError, match=r"^config\.x\.0: .*of randint.*write int"):
        SearchSpace({"x": [given], "z": {"int": [0, 1]}})


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"x": {"uniform": [1, 0]}}, "config.x.uniform: expected low <= high, got [1, 0]"),
        (
            {"x": {"int": [0, {"eval": "1 +"}]}},
            "config.x.int.1.eval: ",
        ),
        (
            {"x": {"randint": [0, 3]}},
            "config.x: tools disagree on whether the upper end of randint",
        ),
        (
            {"x": {"choice": [1, {"y": {"grid_search": [1]}}]}},
            "config.x.y: a grid_search within the values of a choice is not supported; use two keys",
        ),
        (
            {"x": {"uniform": [0, 1], "when": {"layer": 2}}, "layers": 2},
            "config.x.when: config has no 'layer'; did you mean 'layers'?",
        ),
        (
            {"x": {"uniform": [0, 1], "when": {"n": ">= a"}}, "n": 2},
            "config.x.when.n: expected a finite number, got 'a'",
        ),
        (
            {"x": {"uniform": [0, 1], "when": 3}},
            "config.x.when: expected a mapping such as {layers: '>= 2'}, got 3",
        ),
        (
            {"x": [{"uniform": [0, 1], "when": {"n": 1}}], "n": 1},
            "config.x.0.when: an item of a list",
        ),
        (
            {"uniform": [0, 1]},
            "config: uniform stands for a value of config, not for config itself",
        ),
    ],
)
def test_what_is_wrong(config, message):
    with pytest.raises(SpecError) as raised:
        SearchSpace(config)
    assert raised.value.message.startswith(message)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"x": {"int": [5, {"eval": "_i"}]}},
            "config.x: int: expected low <= high, got [5, 0] (trial 0)",
        ),
        (
            {"x": {"uniform": [0, {"eval": "spec.config.x"}]}},
            "config.x.uniform.1.eval: it refers to itself: config.x → config.x.uniform.1 → config.x",
        ),
        (
            {"x": {"uniform": [0, 1], "when": {"x": 1}}},
            "config.x: it refers to itself: config.x → config.x (trial 0)",
        ),
        (
            {
                "x": {"uniform": [0, 1], "when": {"n": 2}},
                "n": 1,
                "y": {"eval": "spec.config.x"},
            },
            "config.y.eval: spec.config has no 'x' in this trial (trial 0)",
        ),
    ],
)
def test_what_is_wrong_with_a_trial(config, message):
    with pytest.raises(ExpressionError) as raised:
        resolved(config)
    assert raised.value.message.startswith(message)


def test_settings_that_refer_to_one_another_without_end_are_an_error():
    config = {f"a{i}": {"uniform": [0, 1], "when": {f"a{i + 1}": ">= 0"}} for i in range(300)} | {
        "a300": 1
    }
    with pytest.raises(ExpressionError, match="too many settings refer to one another"):
        resolved(config)


@pytest.mark.parametrize(
    "config",
    [
        {"db_password": {"int": [12345, "hunter2"]}},
        {"auth": {"token": {"uniform": ["hunter2", 1]}}},
        {"x": {"int": [{"eval": "spec.config.api_token"}, 3]}, "api_token": "hunter2"},
        {"x": {"int": [1, 2], "when": {"api_token": "> hunter2"}}, "api_token": "a"},
    ],
    ids=str,
)
def test_a_message_shows_no_secret(config):
    with pytest.raises(SpecError) as raised:
        resolved(config)
    assert "hunter2" not in str(raised.value)


def test_a_key_that_looks_like_the_name_of_a_branch():
    config = {"o": CONFIG["optimizer"], "o.lr#2": {"uniform": [0, 1]}}
    point = resolved(config, o=1).point
    assert len(point) == 3
