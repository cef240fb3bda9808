"""Rules of `retry` that can have no effect are warned of, each at its place."""

import pytest

from tests.sweep.test_planning import plan, plan_file
from tune_tasks.errors import SpecError


@pytest.mark.parametrize(
    ("experiment", "doubts"),
    [
        ({"retry": [{"on": "a", "times": 1}, {"on": "b", "counts": False}]}, []),
        ({"retry": [{"on": "a"}], "max_failures": 1}, []),
        ({"retry": [{"on": "a", "do": "fail"}]}, []),
        (
            {"retry": [{"on": "a"}]},
            [
                "e.retry.0: tries nothing again: such a failure counts, and `max_failures` is 0; give"
                " max_failures, or the rule `times` of its own or `counts: false`"
            ],
        ),
        (
            {"retry": [{"on": "a", "do": "fail"}, {"on": "a", "do": "stop_sweep"}]},
            ["e.retry.1: never fits: another rule for 'a' comes before it"],
        ),
        (
            {"retry": [{"on": ".*", "do": "fail"}, {"on": "a", "do": "fail"}]},
            ["e.retry.1: never fits: '.*' before it fits every failure"],
        ),
        (
            {"retry": [{"on": "out_of_memroy", "do": "fail"}]},
            [
                "e.retry.0: 'out_of_memroy' is looked for in the text of an error; did you mean the"
                " cause 'out_of_memory'?"
            ],
        ),
        (
            {"retry": [{"on": "a", "times": 1, "resources": {"memory": "x2"}}]},
            [
                "e.retry.0: resources.memory: x2 of nothing is nothing; say under `resources` of the"
                " experiment what the first attempt gets"
            ],
        ),
        (
            {
                "retry": [{"on": "a", "times": 1, "resources": {"memory": "x2"}}],
                "resources": {"memory": "1GiB"},
            },
            [],
        ),
    ],
)
def test_what_is_doubtful(experiment, doubts):
    assert plan({"e": experiment}).warnings == doubts


def test_the_place(tmp_path):
    (tmp_path / "train.py").write_text("def train(config, reporter): pass")
    text = "e:\n  config: {script_file_path: train.py}\n  retry:\n    - {on: a}\n"
    (warning,) = plan_file(tmp_path, text).warnings
    assert warning.removeprefix(f"{tmp_path}/").startswith("f.yaml:4:7: e.retry.0: ")


def test_an_rllib_trial_has_the_processes_that_its_config_says():
    rule = {"on": "out_of_memory", "times": 1, "resources": {"cpu": "x2"}}
    with pytest.raises(SpecError) as caught:
        plan({"e": {"alg": "PPO", "retry": [rule]}})
    assert str(caught.value) == (
        "e.retry.0.resources.cpu: how many CPUs and GPUs a trial of PPO has follows from its"
        " config; a rule can change its memory alone"
    )
