"""Which kind of file it is, and what is none."""

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.convert import test_determined, test_evals, test_wandb, test_wandb_parameters
from tests.convert.reading import config, convert
from tune_tasks.errors import SpecError
from tune_tasks.model.paths import nodes
from tune_tasks.spec.reading import parse_source

KNOWN = (
    "expected a W&B sweep (method, parameters), a Determined experiment (hyperparameters, searcher),"
    " or experiments of ours (a name with config, …)"
)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("method: grid\nparameters: {a: {value: 1}}", "# Converted from a W&B sweep, sweep.yaml"),
        (
            "searcher: {name: single, metric: x}\nhyperparameters: {a: 1}",
            "# Converted from a Determined experiment, sweep.yaml",
        ),
        ("searcher: {name: single, metric: x, mode: min}", "# Converted from a Determined"),
        ("e: {repeat: 3}", "# Converted: it has no"),
        ("searcher: {config: {a: 1}, seed: 3}", "# Converted: it has no"),
        ("parameters: {config: {a: 1}}\nmethod: {config: {b: 1}}", "# Converted: it has no"),
    ],
)
def test_it_is_found_from_what_is_in_it(text, first):
    assert convert(text).startswith(first)


def test_json_is_known_by_its_name():
    made = convert('{"method": "grid", "parameters": {"a": {"value": 1}}}', "s.json")
    assert made.startswith("# Converted from a W&B sweep, s.json\ns:\n")


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("name: a / b", "a / b:"),
        ("name: _x-.mine", "mine:"),
        ('name: "on"', "'on':"),
        ('name: "a\\nb"', "a\\nb:"),
        ("name: ._", "sweep:"),
        ("", "my-file:"),
    ],
)
def test_the_experiments_name(name, written):
    text = f"method: grid\nparameters: {{a: {{value: 1}}}}\n{name}\n"
    assert convert(text, "folder/my-file.yaml").splitlines()[1] == written


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f"1:1: {KNOWN}"),
        ("{}", f"1:1: {KNOWN}"),
        ("[method]", f"1:1: {KNOWN}"),
        ("a: 1", f"1:1: {KNOWN}"),
        ("a: {b: 1}", f"1:1: {KNOWN}"),
        ("hyperparameter: {a: 1}", f"1:1: {KNOWN}; did you mean 'hyperparameters'?"),
        ("_e: {config: {}}", f"1:1: {KNOWN}"),
        (
            "method: grid\nsearcher: {name: grid}",
            (
                "2:1: unclear what it is: it has keys of a W&B sweep (method) and of a Determined"
                " experiment (searcher)"
            ),
        ),
        (
            "method: [",
            "2:1: not valid YAML: while parsing a flow node, did not find expected node content",
        ),
        ("method: a\nmethod: b", "2:1: 'method' is given twice (first at line 1)"),
    ],
)
def test_what_is_unclear_or_broken_is_one_error(text, message):
    with pytest.raises(SpecError) as caught:
        convert(text)
    assert str(caught.value) == f"sweep.yaml:{message}"


SMALL = [
    f"{test_wandb_parameters.sweep(parameter, method)}metric: {{name: loss}}\n"
    f"early_terminate: {{type: hyperband, max_iter: 27, s: 2, eta: 3}}\n"
    for parameter in test_wandb_parameters.SAME
    for method in ("random", "grid")
]
FILES = [
    *SMALL,
    test_wandb.DEFINED,
    test_wandb.NESTED,
    test_determined.REFERENCE,
    test_determined.ADAPTIVE,
    test_determined.GRID,
    test_evals.OF_2017,
]
VALUES = st.sampled_from(
    [
        *(None, True, 3, -1, 0, 2**70, 10**400, 0.5, 1.0000001, 1e308),
        *("x", "", "yes", "a\nb"),
        *([], [1], [None], [{}], {}, {"a": 1}),
        *({"type": "log"}, {"min": 1, "max": 2}, {"eval": "random.random()"}, {"choice": [1]}),
    ]
)


@pytest.mark.long
@settings(max_examples=400)
@given(st.sampled_from(FILES), st.integers(0), VALUES)
def test_any_value_anywhere_is_an_error_with_its_place_or_makes_a_spec(text, number, value):
    data = copy.deepcopy(parse_source(text, "theirs").data)
    places = [path for path, _ in nodes(data) if path]
    *parents, last = places[number % len(places)]
    part = data
    for key in parents:
        part = part[key]
    part[last] = value
    assert problem_of(json.dumps(data)).startswith(("changed.json:1:", "none"))


def problem_of(text):
    try:
        config(text, "changed.json")
    except SpecError as exc:
        return str(exc)
    return "none"
