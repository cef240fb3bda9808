"""The command that converts another tool's file."""

from pathlib import Path

import pytest

from tests.convert import test_determined, test_evals, test_wandb

FILES = {
    "a sweep of W&B": test_wandb.DEFINED,
    "a nested one": test_wandb.NESTED,
    "an experiment of Determined": test_determined.REFERENCE,
    "a grid of Determined": test_determined.GRID.replace("- python3", "- train.py"),
    "a file of 2017": test_evals.OF_2017,
}


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_what_it_prints_is_valid(call_cli, text):
    for script in ("train-nested-cli.py", "examples/tune_mnist_ray.py"):
        Path(script).parent.mkdir(exist_ok=True)
        Path(script).write_text("def train(config, status_reporter): pass")
    Path("theirs.yaml").write_text(text)
    code, made, err = call_cli("convert", "theirs.yaml")
    assert (code, err) == (0, "")
    Path("ours.yaml").write_text(made)
    code, out, _ = call_cli("validate", "-f", "ours.yaml")
    assert (code, ": valid, " in out) == (0, True)


REFUSED = {
    "no file": (["convert", "none.yaml"], "error: cannot read the spec file 'none.yaml': No such"),
    "a mistake": (
        ["convert", "theirs.yaml"],
        "error: theirs.yaml:2:17: parameters.a: lacks the key 'max'\n",
    ),
}


@pytest.mark.parametrize(("args", "message"), REFUSED.values(), ids=REFUSED)
def test_a_mistake_is_named_with_its_place(refusal, spec_folder, args, message):
    (spec_folder / "theirs.yaml").write_text("method: grid\nparameters: {a: {min: 1}}")
    assert refusal(*args).startswith(message)
