"""Other tools' words and variables in a spec: what is said of each, and what nothing is said of."""

import pytest

from tune_tasks.model.text import not_replaced
from tune_tasks.spec.lookalikes import unsearched, variables

GENERAL = "write {choice: [...]}, {uniform: [a, b]} or {loguniform: [a, b]}"


@pytest.mark.parametrize(
    ("value", "whose", "written"),
    [
        ({"values": [1, 2]}, "Weights & Biases'", "write {choice: [1, 2]}"),
        ({"values": ["a"]}, "Weights & Biases'", 'write {choice: ["a"]}'),
        ({"min": 0.0, "max": 0.1}, "Weights & Biases'", "write {uniform: [0.0, 0.1]}"),
        ({"min": 1, "max": 5}, "Weights & Biases'", "write {int: [1, 5]}"),
        (
            {"distribution": "normal", "mu": 0, "sigma": 1},
            "Weights & Biases'",
            GENERAL,
        ),
        (
            {"distribution": ["x"], "min": 1, "max": 2},
            "Weights & Biases'",
            GENERAL,
        ),
        ({"choices": [1, 2]}, "another tool's", "write {choice: [1, 2]}"),
        ({"lograndint": [1, 65]}, "another tool's", "write {logint: [1, 64]}"),
        ({"lograndint": [1, "n"]}, "another tool's", GENERAL),
        ({"qrandint": [1, 10, 2]}, "'qrandint', another tool's", GENERAL),
        ({"qrandint": [1, 10, 2], "when": {"a": 1}}, "'qrandint', another tool's", GENERAL),
        ({"qrandn": [0, 1, 0.1]}, "'qrandn', another tool's", GENERAL),
        ({"unifrom": [0, 1], "when": {"a": 1}}, "'uniform' in place of 'unifrom'?", ""),
        ({"uniform": [0, 1], "int": [1, 2]}, "'uniform' stands alone", "not with 'int'"),
        ({"int": [1, 2], "choice": [1], "when": {"a": 1}}, "'int' stands alone", "'choice'"),
        ({"uniform": [0, 1], "q": 0.1}, "'uniform' stands alone", "not with 'q'"),
        ({"choice": [1], "p": [1], "when": {"a": 1}}, "'choice' stands alone", "not with 'p'"),
        ({"type": "float", "low": 0, "high": 1}, "another tool's", GENERAL),
        (
            {"type": "double", "minval": 0, "maxval": 1},
            "Determined's",
            GENERAL,
        ),
        ({"type": "categorical", "vals": [1, 2]}, "Determined's", GENERAL),
        ({"uniform": "0, 1"}, "write {uniform: [low, high]}", ""),
        ({"uniform": {"low": 0, "high": 1}}, "write {uniform: [low, high]}", ""),
        ({"log_uniform": [1, 2]}, "did you mean 'loguniform' in place of 'log_uniform'?", ""),
        ({"Integer": [1, 2]}, "did you mean 'int' in place of 'Integer'?", ""),
        ({"lognit": [8, 128]}, "did you mean 'logint' in place of 'lognit'?", ""),
        ({"loguniorm": [1, 2]}, "did you mean 'loguniform' in place of 'loguniorm'?", ""),
        ({"chioce": ["a", "b"]}, "did you mean 'choice' in place of 'chioce'?", ""),
        ({"categorical": ["a", "b"]}, "did you mean 'choice' in place of 'categorical'?", ""),
        ({"uniform": [0, 1], "wehn": {"a": 1}}, "'uniform' stands alone", "not with 'wehn'"),
        ({"sample_from": "lambda spec: 1"}, "another tool's", GENERAL),
        ("tune.loguniform(1e-4, 1e-1)", "Ray Tune's", "write {loguniform: [1e-4, 1e-1]}"),
        ("ray.tune.uniform(0, 1)", "Ray Tune's", "write {uniform: [0, 1]}"),
        ("tune.randint(1, 5)", "Ray Tune's", "write {int: [1, 4]}"),
        ("tune.choice(['a', 'b'])", "Ray Tune's", 'write {choice: ["a", "b"]}'),
        ("grid_search([1, 2])", "Ray Tune's", "write {grid_search: [1, 2]}"),
        ("hp.uniform('lr', 0, 1)", "Hyperopt's", GENERAL),
        ("trial.suggest_float('lr', 0, 1)", "Optuna's", GENERAL),
    ],
)
def test_another_tools_words_are_named_with_ours(value, whose, written):
    ((path, message),) = unsearched({"a": [{"b": value}]})
    assert path == ("a", 0, "b")
    assert message.startswith("nothing is searched here: ")
    assert whose in message
    assert written in message


@pytest.mark.parametrize(
    "key", ["grid", "gridsearch", "grid-search", "GridSearch", "grid_serach", "Grid Search"]
)
def test_a_misspelt_grid_search(key):
    ((path, message),) = unsearched({"a": {key: [1, 2]}})
    assert (path, message) == (
        ("a",),
        f"nothing is searched here: did you mean 'grid_search' in place of {key!r}?",
    )


def test_an_eval_that_is_not_said_to_be_one():
    (found,) = unsearched({"lr": "np.random.uniform(0, 1)"})
    assert found[1].endswith("write {eval: 'np.random.uniform(0, 1)'}")


@pytest.mark.parametrize(
    "value",
    [
        {"grid_search": ["a", {"eval": "random.random()"}]},
        {"values": "x"},
        {"low": 0, "high": 1},
        {"type": "relu", "val": 1},
        {"val": "x"},
        {"values": [1], "own": 2},
        {"min": 1},
        {"min": 0, "max": 10, "value": 5},
        {"uniform": 3},
        {"choice": "random"},
        {"choice": [1, 2]},
        {"uniform": [0, 1], "when": {"a": 1}},
        {"int": [1], "own": 2},
        {"kernel": [1]},
        {"kernel": [1], "when": "now"},
        {"uniform": [0, 1], "normal": True},
        {"uniform": [0, 1], "int": [1, 2], "own": 2},
        {"uniform": {"int": [1, 2]}, "int": {"int": [1, 2]}},
        "tune",
        "random",
        "tune.yaml",
        {},
        None,
    ],
)
def test_what_is_somebodys_own_value(value):
    assert list(unsearched({"a": value})) == []


def test_a_text_of_many_beginnings_of_variables_takes_a_moment():
    assert list(variables({"a": "${A" * 300_000})) == []


@pytest.mark.parametrize("text", ["^a$b", "$x^2$", "Hello $name", "$X$", "$5", "$$", "$XyZ"])
def test_a_dollar_that_begins_no_variable(text):
    assert list(variables({"a": text})) == []


def test_variables():
    found = dict(
        variables(
            {
                "num_trials": 2,
                "config": {"a": ["${X}/b", "$HOME"], "b": {"eval": "'$x'"}, "c": "5$", "d": "^a$"},
            }
        )
    )
    assert list(found) == [("config", "a", 0), ("config", "a", 1)]
    assert found["config", "a", 0] == "'${X}' stays as it is: variables are not replaced"
    assert (not_replaced("${X}"), not_replaced(5), not_replaced("x")) == (
        "; variables are not replaced",
        "",
        "",
    )
