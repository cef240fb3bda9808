"""A spec file or one experiment by flags, as a request."""

import json

import pytest


def test_an_experiment_by_flags(call_cli):
    config = '{"script_file_path": "train.py", "lr": {"grid_search": [1, 2]}}'
    args = (
        "--alg",
        "script",
        "--env",
        "digits",
        "--config",
        config,
        "--stop",
        '{"mean_loss": 1}',
        "--resources",
        '{"cpu": 2}',
    )
    code, out, _ = call_cli("plan", *args, "--seed", "1", "--experiment-name", "mine")
    assert (code, out.splitlines()[0]) == (0, "mine: 2 trials of 2 CPUs, 0 GPUs, seed 1")
    code, out, _ = call_cli("plan", *args, "--json")
    assert [trial["experiment"] for trial in json.loads(out)] == ["default", "default"]


REFUSED = {
    "both": (
        ["validate", "-f", "spec.yaml", "--env", "x"],
        "error: --env cannot be combined with -f: write it into spec.yaml\n",
    ),
    "a checkpoint's frequency beside a file": (
        ["train", "-f", "spec.yaml", "--checkpoint-freq", "5"],
        "error: --checkpoint-freq cannot be combined with -f: write it into spec.yaml\n",
    ),
    "neither": (
        ["validate"],
        (
            "error: nothing to run: give a spec file (-f spec.yaml), or one experiment by --config,"
            " --stop, …\n"
        ),
    ),
}


@pytest.mark.parametrize(("args", "message"), REFUSED.values(), ids=REFUSED)
def test_arguments_that_make_no_request_are_refused(refusal, args, message):
    assert refusal(*args).endswith(message)
