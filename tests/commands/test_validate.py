"""The command that checks a spec."""

import pytest


def test_validate(call_cli):
    assert call_cli("validate", "-f", "spec.yaml") == (0, "mnist: valid, 4 trials\n", "")


REFUSED = {
    "unknown key": (
        ["validate", "--config", '{"script_file_path": "train.py"}', "--resources", '{"cpus": 1}'],
        (
            "error: default.resources.cpus: unknown key; did you mean 'cpu'? (known: cpu, gpu,"
            " memory)\n"
        ),
    ),
    "a criterion that is not one": (
        ["validate", "-f", "spec.yaml", "--stop", '{"mean_loss": "low"}'],
        "error: stop.mean_loss: expected a number or a comparison such as '<= 0.1', got 'low'\n",
    ),
}


@pytest.mark.parametrize(("args", "message"), REFUSED.values(), ids=REFUSED)
def test_a_mistake_is_named_with_its_place(refusal, args, message):
    assert refusal(*args).endswith(message)
