"""What `warm_start` may say, and what trials try because of it."""

import pytest

from tests.spec.test_conditional_spaces import OPTIMIZER
from tune_tasks.errors import SpecError
from tune_tasks.spec.expansion import Expansion
from tune_tasks.spec.loading import load_spec, spec_from_data
from tune_tasks.spec.search_space import SearchSpace
from tune_tasks.spec.warm_start import HeadStart


def test_options_left_out_have_the_values_of_the_issue():
    wish = spec_from_data({"e": {"warm_start": {}}}).experiments["e"].warm_start
    assert (wish.source, wish.use, wish.top) == ("last", "both", 5)
    assert spec_from_data({"e": {}}).experiments["e"].warm_start is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            "{form: last}",
            "spec.yaml:2:16: e.warm_start.form: unknown key; did you mean 'from'? (known: from, use, top)",
        ),
        (
            "{use: config}",
            "spec.yaml:2:21: e.warm_start.use: expected configs, results or both, got 'config';"
            " did you mean 'configs'?",
        ),
        (
            "{use: [configs]}",
            "spec.yaml:2:21: e.warm_start.use: expected configs, results or both, got ['configs'];"
            " did you mean 'configs'?",
        ),
        (
            "{top: 0}",
            "spec.yaml:2:21: e.warm_start.top: expected a number greater than or equal to 1, got 0",
        ),
        ("{from: 7}", "spec.yaml:2:22: e.warm_start.from: expected a valid string, got 7"),
        (
            "last",
            "spec.yaml:2:15: e.warm_start: expected a valid mapping, got 'last'; write warm_start:"
            " {from: last}",
        ),
    ],
)
def test_a_mistake_has_its_place(given, message, tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text(f"e:\n  warm_start: {given}\n")
    with pytest.raises(SpecError) as raised:
        load_spec(path)
    assert str(raised.value).replace(f"{tmp_path}/", "") == message


CONFIG = {
    "optimizer": OPTIMIZER,
    "layers": {"int": [1, 6]},
    "width": {"int": [1, {"eval": "100 * spec.config.layers"}]},
    "steps": 1000,
}


def expansion(configs=(), told=None, config=CONFIG, **keys):
    spec = spec_from_data({"e": {"num_trials": 6, "config": config, **keys}}).experiments["e"]
    return Expansion(
        "e", spec, SearchSpace(config), seed=1, head_start=HeadStart(configs, told or {})
    )


def test_configs_are_tried_after_what_the_spec_says_itself():
    good = {"optimizer.name": "adam", "optimizer.lr": 0.001, "layers": 3, "width": 123}
    trials = expansion([good, {"layers": 2}], try_first=[{"layers": 6}])
    assert trials[0].config["layers"] == 6
    assert trials[1].config == {
        "optimizer": {"name": "adam", "lr": 0.001},
        "layers": 3,
        "width": 123,
        "steps": 1000,
    }
    assert trials[2].config["layers"] == 2
    assert [trials.rounds.head_start_of(index) for index in range(6)] == [
        None,
        0,
        1,
        None,
        None,
        None,
    ]
    assert [each.config for each in trials[3:]] == [each.config for each in expansion()[3:]]
    who = [each.proposed_by for each in trials]
    assert who == ["try_first", "warm_start", "warm_start", "random", "random", "random"]


@pytest.mark.parametrize(
    ("values", "has"),
    [
        ({"layers": 9, "width": 7}, {"width": 7}),  # beyond the bound
        ({"layers": 1, "width": 500}, {"layers": 1}),  # beyond a bound that depends
        ({"layers": 2.5}, {}),
        ({"layers": "***"}, {}),
        ({"gone": 1, "layers": 4}, {"layers": 4}),
    ],
)
def test_what_a_trial_cannot_have_is_drawn(values, has):
    config = expansion([values])[0].config
    assert {key: config[key] for key in has} == has
    assert config["layers"] in range(1, 7)
    assert config["width"] in range(1, 100 * config["layers"] + 1)


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"optimizer.name": "adam", "optimizer.beta": 0.5}, "adam"),  # it has no `beta` any more
        ({"optimizer.lr": 1e-5}, None),  # either may have it
        ({"optimizer.name": "adan"}, None),
        ({"optimizer.momentum": 0.5}, "sgd"),
    ],
)
def test_the_nearest_branch_is_taken(values, name):
    config = expansion([values])[0].config
    if name:
        assert config["optimizer"]["name"] == name
    else:
        assert config["optimizer"]["name"] in ("sgd", "adam")


def test_values_that_turn_bounds_round_are_all_drawn():
    config = {"a": {"uniform": [0, 2]}, "b": {"uniform": [{"eval": "spec.config.a"}, 2.5]}}
    space = {**config, "a": {"uniform": [0, 9]}}
    tried = expansion([{"a": 8.0}], config=space, seed=1)[0].config
    assert tried == expansion([{}], config=space, seed=1)[0].config


def test_each_combination_of_a_grid_tries_them_with_its_own_option():
    config = {"x": {"uniform": [0, 1]}, "g": {"grid_search": [1, 2]}}
    tried = [each.config for each in expansion([{"x": 0.5, "g": 2}], config=config)]
    assert tried[:2] == [{"x": 0.5, "g": 1}, {"x": 0.5, "g": 2}]
    assert tried[2]["x"] != 0.5


def known(trials):
    return [trials.is_known(index) for index in trials.indices]


def test_results_that_are_told_stand_for_the_trials_that_cover_the_space():
    learns = {"search": {"tpe": {"startup_trials": 3}}, "metric": "mean_loss"}
    assert known(expansion(**learns)) == [True] * 3 + [False] * 3
    assert known(expansion(told={0: 2}, **learns)) == [True] + [False] * 5
    assert known(expansion(told={0: 40}, **learns)) == [False] * 6
    assert known(expansion([{}], told={0: 40}, **learns)) == [True] + [False] * 5


def test_they_go_on_where_the_earlier_sweep_has_ended():
    learns = {"search": {"tpe": {"startup_trials": 3}}, "metric": "mean_loss", "seed": 1}
    config = {"x": {"uniform": [0, 1]}}
    first, again = (
        expansion(config=config, **learns),
        expansion(told={0: 2}, config=config, **learns),
    )
    assert again[0].config == first[2].config


def test_each_cell_of_a_grid_has_been_told_its_own():
    learns = {"search": {"tpe": {"startup_trials": 2}}, "metric": "mean_loss"}
    config = {"x": {"uniform": [0, 1]}, "g": {"grid_search": [1, 2]}}
    trials = expansion(told={1: 1}, config=config, **learns)
    assert known(trials) == [True, True, True, False, False, False]
