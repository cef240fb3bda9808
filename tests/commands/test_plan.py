"""The command that shows the trials of a spec."""

import json
from pathlib import Path

import pytest

from tests.sweep.drivers import Driver
from tune_tasks.sweep.request import Request


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
            "constraints": {},
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


@pytest.fixture
def begun(spec_folder):
    """The id of a sweep of the spec that has died: one of its four trials has ended, two ran."""
    driver = Driver(Request(spec_file=str(spec_folder / "spec.yaml")))
    driver.end()
    driver.die()
    return driver.sweep


def edit(folder, before, after):
    text = (folder / "spec.yaml").read_text()
    assert before in text
    (folder / "spec.yaml").write_text(text.replace(before, after))


def test_an_edited_spec_shows_what_a_sweep_keeps(call_cli, spec_folder, begun):
    edit(spec_folder, "[relu, elu]", "[elu, tanh]")
    edit(spec_folder, 'mean_loss: "< 0.1"', 'mean_loss: "< 0.2"')
    code, out, _ = call_cli("plan", "-f", "spec.yaml", "--resume", begun)
    assert code == 0
    assert out.splitlines()[2:] == [
        "mnist: 1 trials kept, 3 to begin, 2 dropped",
        '  2 dropped: config.activation: "relu" is not searched any more',
        '  stop.mean_loss: "< 0.1" → "< 0.2"',
        '  config.activation.grid_search: ["relu", "elu"] → ["elu", "tanh"]',
        " - script_digits_1_activation=elu: kept, goes on",
        " - script_digits_3_activation=tanh: new",
        " - script_digits_4_activation=elu: new",
        " - script_digits_5_activation=tanh: new",
        ' - script_digits_0_activation=relu: dropped, config.activation: "relu" is not searched any'
        " more",
        ' - script_digits_2_activation=relu: dropped, config.activation: "relu" is not searched any'
        " more",
    ]
    _, out, _ = call_cli("plan", "--resume", begun, "--json")
    changes = {trial["index"]: trial["change"] for trial in json.loads(out)}
    assert changes == {1: "kept", 3: "new", 4: "new", 5: "new", 0: "dropped", 2: "dropped"}


def test_a_spec_that_was_not_edited_goes_on(call_cli, begun):
    _, out, _ = call_cli("plan", "-f", "spec.yaml", "--resume", begun)
    assert out.splitlines()[2:] == [
        "mnist: 3 trials kept, 1 to begin, 0 dropped",
        " - script_digits_0_activation=relu: kept, has ended",
        " - script_digits_1_activation=elu: kept, goes on",
        " - script_digits_2_activation=relu: kept, goes on",
        " - script_digits_3_activation=elu: new",
    ]


def test_running_an_edited_spec_asks_for_consent(refusal, spec_folder, begun):
    edit(spec_folder, "[relu, elu]", "[elu]")
    said = refusal("run", "-f", "spec.yaml", "--resume", begun)
    assert f"the spec is not what the sweep {begun} has run so far" in said
    assert "give --accept-changes" in said


def test_consent_is_about_a_sweep_that_is_resumed(refusal):
    said = refusal("run", "-f", "spec.yaml", "--accept-changes")
    assert "--accept-changes is about a sweep that is resumed: give --resume, too" in said


def test_a_sweep_is_resumed_where_it_began(call_cli, spec_folder, monkeypatch):
    driver = Driver(Request(spec_file="spec.yaml"), cwd=spec_folder)
    driver.die()
    (spec_folder / "elsewhere").mkdir()
    monkeypatch.chdir(spec_folder / "elsewhere")
    where = ("--local-dir", "../tune_results")
    for named in ((driver.sweep,), ("last", "-f", "../spec.yaml")):
        code, out, err = call_cli("plan", "--resume", *named, *where)
        assert (code, err) == (
            0,
            f"Warning: the sweep began in {spec_folder}, and goes on there\n",
        )
        assert "mnist: 2 trials kept, 2 to begin, 0 dropped" in out
        assert Path.cwd() == spec_folder / "elsewhere"
