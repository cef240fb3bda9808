"""The command that shows the trials of a spec."""

import json


def test_plan_for_people(call_cli):
    assert call_cli("plan", "-f", "spec.yaml") == (
        0,
        (
            "mnist: 4 trials of 0.5 CPUs, 0 GPUs, seed 3\n"
            "  stop: mean_accuracy >= 0.99, mean_loss < 0.1\n"
            " - script_digits_0_activation=relu\n"
            " - script_digits_1_activation=elu\n"
            " - script_digits_2_activation=relu\n"
            " - script_digits_3_activation=elu\n"
        ),
        "",
    )


def test_plan_as_json(call_cli):
    code, out, _ = call_cli("plan", "-f", "spec.yaml", "--json", "--num-trials", "1")
    assert code == 0
    assert json.loads(out) == [
        {
            "experiment": "mnist",
            "index": 0,
            "name": "script_digits_0_activation=relu",
            "config": {"script_file_path": "train.py", "activation": "relu"},
            "resources": {"cpu": 0.5, "gpu": 0, "memory": 0},
            "stop": {"mean_accuracy": 0.99, "mean_loss": "< 0.1"},
        }
    ]


def test_a_plan_of_several_trials_is_one_json_document(call_cli):
    _, out, _ = call_cli("plan", "-f", "spec.yaml", "--json")
    document = json.loads(out)
    assert [trial["index"] for trial in document] == [0, 1, 2, 3]
    assert out == json.dumps(document, indent=2) + "\n"


def test_stop_beside_the_files_own(call_cli):
    code, out, _ = call_cli(
        "plan",
        "-f",
        "spec.yaml",
        "--stop",
        '{"mean_accuracy": 0.5, "training_iteration": 3}',
    )
    assert (code, out.splitlines()[1]) == (
        0,
        "  stop: mean_accuracy >= 0.5, mean_loss < 0.1, training_iteration >= 3",
    )
