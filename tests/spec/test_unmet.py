"""Conditions that no trial can meet are found; none is named that some trial may meet."""

import pytest

from tune_tasks.spec.search_space import SearchSpace

CONFIG = {
    "layers": {"int": [1, 3]},
    "optimizer": {"choice": [{"name": "sgd", "lr": {"uniform": [0, 1]}}, {"name": "adam"}]},
    "size": {"grid_search": [16, {"choice": [32, 64]}]},
    "width": {"int": [1, {"eval": "spec.config.layers"}]},
    "steps": {"eval": "random.randint(1, 9)"},
    "kind": "net",
    "depth": {"quniform": [2, 11, 4]},
    "rate": {"loguniform": [0.1, 1]},
    "ten": 10,
    "api_key": {"int": [1, 2]},
    "shift": {"normal": [0, 1]},
}


def reasons(**when):
    conditions = {name.replace("__", "."): value for name, value in when.items()}
    space = SearchSpace(CONFIG | {"x": {"uniform": [0, 1], "when": conditions}})
    return [why for _, why in space.unmet()]


@pytest.mark.parametrize(
    ("when", "why"),
    [
        ({"layers": 4}, "layers is never 4"),
        ({"layers": "2"}, "layers is never '2'; write 2"),
        ({"optimizer__name": "Adam"}, "optimizer.name is never 'Adam'; did you mean 'adam'?"),
        ({"optimizer__name": ["sgd", "lamb"]}, "optimizer.name is never 'lamb'"),
        ({"size": "32"}, "size is never '32'; write 32"),
        ({"size": 33}, "size is never 33"),
        ({"kind": True}, "kind is never True"),
        ({"shift": "0.5"}, "shift is never '0.5'; write 0.5"),
        ({"layers": "> 3"}, "layers is never > 3"),
        ({"layers": "== 2.5"}, "layers is never == 2.5"),
        ({"layers": "< 1"}, "layers is never < 1"),
        ({"optimizer__lr": ">= 1.5"}, "optimizer.lr is never >= 1.5"),
        ({"size": "> 64"}, "size is never > 64"),
        ({"depth": "> 11"}, "depth is never > 11"),
        ({"depth": "== 7"}, "depth is never == 7"),
        ({"rate": "< 0.1"}, "rate is never < 0.1"),
        ({"ten": "> 10"}, "ten is never > 10"),
        ({"kind": "> 1"}, "kind is never > 1"),
        ({"optimizer": "> 1"}, "optimizer is never > 1"),
        ({"api_key": "> 424242"}, "api_key is never that"),
    ],
)
def test_what_a_setting_never_is(when, why):
    assert reasons(**when) == [why]


@pytest.mark.parametrize(
    "when",
    [
        {"layers": 2},
        {"layers": ">= 3"},
        {"layers": "< 1.5"},
        {"layers": "== 2"},
        {"optimizer__lr": "> 0.99"},
        {"size": "> 33"},
        {"width": "> 99"},
        {"steps": "> 99"},
        {"depth": "== 6"},
        {"depth": ">= 10"},
        {"shift": "> 99"},
        {"rate": "<= 0.1"},
        {"ten": "== 10"},
        {"layers": [1, 2.0]},
        {"optimizer__name": "adam"},
        {"optimizer__lr": 0.5},
        {"optimizer": "adam"},
        {"size": [16, 64]},
        {"width": 9},
        {"steps": 5},
        {"kind": "net"},
        {"shift": 12},
    ],
)
def test_what_a_setting_may_be(when):
    assert reasons(**when) == []


def test_a_secret_is_not_shown():
    config = {"token": {"choice": ["one", "two"]}}
    space = SearchSpace(config | {"x": {"uniform": [0, 1], "when": {"token": "three"}}})
    ((_, why),) = space.unmet()
    assert not any(secret in why for secret in ("one", "two", "three"))
