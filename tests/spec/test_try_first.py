"""What somebody says that the first trials are to try."""

import pytest

from tests.spec.test_conditional_spaces import OPTIMIZER
from tune_tasks.errors import SpecError
from tune_tasks.spec.loading import load_spec, spec_from_data
from tune_tasks.sweep.planning import make_plan

CONFIG = {
    "optimizer": OPTIMIZER,
    "layers": {"int": [1, 6]},
    "width": {"int": [1, {"eval": "100 * spec.config.layers"}]},
    "second": {"int": [1, 5], "when": {"layers": ">= 2"}},
    "steps": 1000,
}


def train(config, status_reporter): ...


def plan(try_first, config=CONFIG, **keys):
    experiment = {"try_first": try_first, "num_trials": 6, "config": config, **keys}
    return make_plan(spec_from_data({"e": experiment}), callables={"e": train}, drawn_seed=1)


def configs(*args, **keys):
    return [trial.config for trial in plan(*args, **keys).trials()]


def test_what_is_named_is_tried_and_the_rest_is_drawn():
    first = [
        {"optimizer.name": "adam", "optimizer.lr": 0.001, "layers": 3, "width": 123, "second": 5},
        {"optimizer.momentum": 0.9},
        {"layers": 2},
    ]
    adam, sgd, two, *others = configs(first)
    assert adam == {
        "optimizer": {"name": "adam", "lr": 0.001},
        "layers": 3,
        "width": 123,
        "second": 5,
        "steps": 1000,
    }
    assert (sgd["optimizer"]["name"], sgd["optimizer"]["momentum"]) == ("sgd", 0.9)
    assert two["layers"] == 2
    assert others == configs([])[3:]  # as without


def test_the_model_knows_where_they_were():
    learns = {"search": {"tpe": {"startup_trials": 2}}, "metric": "mean_loss"}
    made = plan([{"optimizer.name": "adam", "layers": 3, "width": 150}], **learns)
    (experiment,) = made.experiments
    point = experiment.expansion.resolved(0).point
    assert (point["optimizer"], point["layers"]) == (1, 3)
    assert point["width"] == pytest.approx(0.5, abs=0.01)  # half of the way to 300
    assert [made.is_known(trial) for trial in made.trials()] == [True] * 3 + [False] * 3


def test_secrets_are_not_shown_and_not_to_be_masks():
    config = {"api_token": {"choice": ["a", "b"]}}
    for wanted, message in [("SECRET", "'[*]{3}' is not a value"), ("***", "stands for a secret")]:
        with pytest.raises(SpecError, match=message) as caught:
            plan([{"api_token": wanted}], config=config)
        assert "SECRET" not in str(caught.value)


WHO = {
    "a model": (
        {"search": {"tpe": {"startup_trials": 2}}, "metric": "m"},
        "try_first start-up tpe",
    ),
    "chance": ({}, "try_first random"),
    "points that cover the space": ({"search": "qmc"}, "try_first qmc"),
}


@pytest.mark.parametrize(("keys", "expected"), WHO.values(), ids=WHO)
def test_it_is_known_who_has_proposed_a_trial(keys, expected):
    made = [trial.proposed_by for trial in plan([{"layers": 2}], **keys).trials()]
    assert list(dict.fromkeys(made)) == expected.split()


def test_nobody_proposes_a_grid():
    grid = {"lr": {"grid_search": [1, 2]}}
    assert {trial.proposed_by for trial in plan([], grid).trials()} == {""}


def test_each_combination_of_a_grid_tries_them():
    config = {"x": {"uniform": [0, 1]}, "g": {"grid_search": [1, 2]}}
    tried = configs([{"x": 0.5}], config=config)
    assert tried[:2] == [{"x": 0.5, "g": 1}, {"x": 0.5, "g": 2}]
    assert tried[2]["x"] != 0.5


APART = [{"a": {"uniform": [0, 1]}, "n": 1}, {"a": {"uniform": [5, 6]}, "n": 2}]
NESTED = [{"n": "a", "in": {"choice": [{"k": 1}, {"k": 2}]}}, {"n": "b", "in": {"k": 3}}]
LISTS = [{"a": [{"uniform": [0, 1]}, 3], "b": 2}, {"a": [{"uniform": [5, 6]}, 4], "b": 7}]
DRAWN = [{"n": "a", "x": {"eval": "1 + 1"}}, {"n": "b", "x": 2}]


@pytest.mark.parametrize(
    ("options", "entry", "has"),
    [
        (APART, {"g.a": 5.5}, {"a": 5.5, "n": 2}),
        (APART, {"g.a": 0.5}, {"a": 0.5, "n": 1}),
        (NESTED, {"g.in.k": 3}, {"n": "b", "in": {"k": 3}}),
        (NESTED, {"g.in.k": 2}, {"n": "a", "in": {"k": 2}}),
        (LISTS, {"g.a.0": 5.5}, {"a": [5.5, 4], "b": 7}),
        (LISTS, {"g.a.0": 0.25, "g.a.1": 3}, {"a": [0.25, 3], "b": 2}),
        ([[1, 2], [{"int": [1, 3]}, 4]], {"g.1": 4, "g.0": 3}, [3, 4]),
        (DRAWN, {"g.x": 2}, {"n": "b", "x": 2}),
    ],
)
def test_the_branch_that_can_have_the_values_is_taken(options, entry, has):
    assert configs([entry], config={"g": {"choice": options}})[0]["g"] == has


def test_a_list_in_a_branch_says_which_branch_it_is():
    (first, *_) = configs([{"g.a.1": 4}], config={"g": {"choice": LISTS}})
    assert first["g"]["b"] == 7


def test_a_value_that_no_branch_has():
    for entry in [{"g.a": 3}, {"g.a": 5.5, "g.n": 3}, {"g.b": 1}]:
        with pytest.raises(SpecError, match=r"config\.g: no option has g"):
            plan([entry], config={"g": {"choice": [*APART, {"n": 3}]}})


def test_if_one_branch_alone_has_the_settings_its_domain_says_what_is_wrong():
    with pytest.raises(SpecError, match=r"config\.g\.a: 5\.5 is not a value of uniform: \[0, 1\]"):
        plan([{"g.n": 1, "g.a": 5.5}], config={"g": {"choice": APART}})


OF_A_CELL = {
    "g": {"grid_search": ["a", "b"]},
    "w": {"int": [1, 10], "when": {"g": "b"}},
    "x": {"uniform": [0, 1]},
}


def test_a_setting_of_some_cells_of_a_grid_is_tried_in_these():
    made = plan([{"w": 9, "x": 0.5}], config=OF_A_CELL)
    tried = [trial.config for trial in made.trials()]
    assert tried[:2] == [{"g": "a", "x": 0.5}, {"g": "b", "x": 0.5, "w": 9}]
    assert not made.warnings


def test_a_setting_of_one_cell_of_a_large_grid():
    grids = {f"h{i}": {"grid_search": list(range(30))} for i in range(3)}
    config = {**grids, "w": {"int": [1, 10], "when": {"h1": 29}}}
    assert plan([{"w": 9}], config=config)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"w": 99}, "config.w: 99 is not a value of int: [1, 10]"),
        ({"g": "a"}, "g: each value of its grid_search tries the others; leave it out"),
        ({"e": 1}, "e: it has no domain"),
    ],
)
def test_what_no_cell_can_try(entry, message):
    with pytest.raises(SpecError) as raised:
        plan([entry], config={**OF_A_CELL, "e": {"eval": "1"}})
    assert raised.value.message == f"e.try_first.0: {message}"


DEPENDENT = {
    "layers": {"int": [1, 6]},
    "width": {"logint": [16, 1024]},
    "width2": {"logint": [8, {"eval": "spec.config.width"}], "when": {"layers": ">= 2"}},
}


@pytest.mark.parametrize("seed", range(1, 7))
def test_what_depends_on_others_that_are_drawn_is_valid_with_any_seed(seed):
    made = plan([{"width2": 60}], config=DEPENDENT, seed=seed)
    first = next(iter(made.trials())).config
    can_have_it = first["layers"] >= 2 and first["width"] >= 60
    assert (first.get("width2") == 60) == can_have_it
    warning = (
        "e.try_first.0: no trial has all of it, by its combination of the grid or what is drawn for it;"
        " name layers and width, too"
    )
    assert (warning in made.warnings) == (not can_have_it)


@pytest.mark.parametrize("seed", range(1, 7))
@pytest.mark.parametrize("entry", [{"width2": 6000}, {"width": 32, "width2": 60}], ids=str)
def test_what_no_draw_allows_is_a_mistake_with_any_seed(seed, entry):
    with pytest.raises(SpecError, match=r"e\.try_first\.0: config\.width2: \d+ is not a value of"):
        plan([entry], config=DEPENDENT, seed=seed)


def test_what_one_cell_of_many_can_try_is_no_mistake():
    cells = {"a": {"grid_search": list(range(3000))}}
    config = {**cells, "w": {"int": [1, 9], "when": {"a": 2345}}}
    made = plan([{"w": 3}], config=config, num_trials=3000)
    assert [trial.config["w"] for trial in made.trials() if "w" in trial.config] == [3]
    assert not any("try_first" in warning for warning in made.warnings)


def test_evals_that_take_long_are_not_tried_again_and_again():
    slow = {"eval": "sum(i * j for i in range(300) for j in range(300))"}
    with pytest.raises(SpecError) as raised:
        plan([{"x": 0.5}], config={"a": slow, "x": {"uniform": [0, 1]}})
    assert raised.value.message.startswith("e.config.a.eval: ")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"layer": 3}, "layer: it has no domain; did you mean 'layers'?"),
        ({"steps": 3}, "steps: it has no domain"),
        ({"layers": 9}, "config.layers: 9 is not a value of int: [1, 6]"),
        ({"layers": 1, "width": 101}, "config.width: 101 is not a value of int: [1, 100]"),
        ({"layers": 1, "second": 2}, "second: a trial with the other values does not have it"),
        ({"optimizer.name": "adan"}, "config.optimizer: no option has optimizer.name: 'adan'"),
        (
            {"optimizer.name": "adam", "optimizer.momentum": 0.5},
            "config.optimizer: no option has optimizer.name: 'adam', optimizer.momentum: 0.5",
        ),
        (
            {"optimizer": "adam"},
            "config.optimizer: 'adam' is not a value of choice: one of the options",
        ),
    ],
)
def test_what_cannot_be_tried(entry, message, tmp_path):
    with pytest.raises(SpecError) as raised:
        plan([{}, entry])
    assert raised.value.message.startswith("e.try_first.1: ")
    assert message in raised.value.message


def test_a_mistake_has_its_place(tmp_path):
    (tmp_path / "s.py").write_text("def train(config, reporter): ...")
    (tmp_path / "spec.yaml").write_text(
        "e:\n  try_first:\n    - {x: 5}\n  config: {script_file_path: s.py, x: {uniform: [0, 1]}}\n"
    )
    with pytest.raises(SpecError) as raised:
        make_plan(load_spec(tmp_path / "spec.yaml"))
    assert "spec.yaml:3:7: e.try_first.0: config.x: 5 is not a value of uniform: [0, 1]" in str(
        raised.value
    )


def test_a_name_has_the_first_digits_of_what_was_chosen():
    config = {"x": {"uniform": [0, 1]}, "y": {"eval": "1 / 3"}}
    (trial,) = plan([{"x": 0.123456789}], config=config, num_trials=1).trials()
    assert trial.name == f"script_0_x=0.123457_y={1 / 3}"
    assert trial.config["x"] == 0.123456789
