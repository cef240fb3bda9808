"""Which kind of file it is, and what is none."""

import pytest

from tests.convert.reading import convert
from tune_tasks.errors import SpecError

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
