"""The types of arguments: what they refuse."""

import pytest

REFUSED = {
    "no JSON": (
        ["validate", "--stop", "{mean_loss: 1}"],
        (
            "--stop: not valid JSON: Expecting property name enclosed in double quotes at character"
            " 2 of '{mean_loss: 1}'\n"
        ),
    ),
    "no object": (
        ["validate", "--stop", "[1]"],
        "argument --stop: expected a JSON object such as '{\"key\": 1}', got '[1]'\n",
    ),
    "no number": (
        ["--num-trials", "0", "-f", "spec.yaml"],
        "argument --num-trials: expected a whole number >= 1, got '0'\n",
    ),
    "two files": (
        ["validate", "-f", "one.yaml", "-f", "two.yaml"],
        "argument -f/--file: given twice; a file may hold any number of experiments\n",
    ),
}


@pytest.mark.parametrize(("args", "message"), REFUSED.values(), ids=REFUSED)
def test_an_argument_of_another_type_is_refused(refusal, args, message):
    assert refusal(*args).endswith(message)
