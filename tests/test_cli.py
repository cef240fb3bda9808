"""The commands that start nothing: validate, plan, schema; and what is refused."""

import json

import pytest

from tune_tasks.cli import main

SPEC = """
mnist:
    env: digits
    seed: 3
    num_trials: 4
    resources: {cpu: 0.5}
    stop: {mean_accuracy: 0.99, mean_loss: "< 0.1"}
    config:
        script_file_path: train.py
        activation: {grid_search: [relu, elu]}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(
        "raise SystemExit('executed')\ndef train(config, status_reporter): pass"
    )
    (tmp_path / "spec.yaml").write_text(SPEC)
    return tmp_path


def run(capsys, *args):
    """Exit code, standard output and standard error of a command."""
    try:
        code = main(list(args))
    except SystemExit as exc:
        code = exc.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_validate(capsys):
    assert run(capsys, "validate", "-f", "spec.yaml") == (0, "mnist: valid, 4 trials\n", "")


def test_plan_for_people(capsys):
    assert run(capsys, "plan", "-f", "spec.yaml") == (
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


def test_plan_as_json(capsys):
    code, out, _ = run(capsys, "plan", "-f", "spec.yaml", "--json", "--num-trials", "1")
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


def test_a_plan_of_several_trials_is_one_json_document(capsys):
    _, out, _ = run(capsys, "plan", "-f", "spec.yaml", "--json")
    document = json.loads(out)
    assert [trial["index"] for trial in document] == [0, 1, 2, 3]
    assert out == json.dumps(document, indent=2) + "\n"


def test_stop_beside_the_files_own(capsys):
    code, out, _ = run(
        capsys,
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


def test_schema(capsys):
    code, out, _ = run(capsys, "schema")
    assert (code, json.loads(out)["title"]) == (0, "tune-tasks spec")


def test_an_experiment_by_flags(capsys):
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
    code, out, _ = run(capsys, "plan", *args, "--seed", "1", "--experiment-name", "mine")
    assert (code, out.splitlines()[0]) == (0, "mine: 2 trials of 2 CPUs, 0 GPUs, seed 1")
    code, out, _ = run(capsys, "plan", *args, "--json")
    assert [trial["experiment"] for trial in json.loads(out)] == ["default", "default"]


REFUSED = {
    "unknown key": (
        ["validate", "--config", '{"script_file_path": "train.py"}', "--resources", '{"cpus": 1}'],
        (
            "error: default.resources.cpus: unknown key; did you mean 'cpu'? (known: cpu, gpu,"
            " memory)\n"
        ),
    ),
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
    "both": (
        ["validate", "-f", "spec.yaml", "--env", "x"],
        "error: --env cannot be combined with -f: write it into spec.yaml\n",
    ),
    "a criterion that is none": (
        ["validate", "-f", "spec.yaml", "--stop", '{"mean_loss": "low"}'],
        "error: stop.mean_loss: expected a number or a comparison such as '<= 0.1', got 'low'\n",
    ),
    "nothing to train": (
        ["train", "--alg", "PPO"],
        (
            "error: nothing to train: give --alg and --env (--alg=PPO --env=CartPole-v1), or a spec"
            " file (-f spec.yaml)\n"
        ),
    ),
    "a checkpoint's frequency beside a file": (
        ["train", "-f", "spec.yaml", "--checkpoint-freq", "5"],
        "error: --checkpoint-freq cannot be combined with -f: write it into spec.yaml\n",
    ),
    "a misspelt flag": (
        ["-f", "spec.yaml", "--num-trails", "2"],
        (
            "error: `tune-tasks run` has no argument '--num-trails'; did you mean '--num-trials'? "
            "(`tune-tasks run --help` lists them)\n"
        ),
    ),
    "a misspelt command": (
        ["vaildate", "-f", "spec.yaml"],
        (
            "error: `tune-tasks` has no command 'vaildate'; did you mean 'validate'? (its commands:"
            " run, train, validate, plan, best, evaluate, schema, deploy, serve, ui)\n"
        ),
    ),
    "a spec without -f": (
        ["sweep.yaml"],
        (
            "error: `tune-tasks` has no command 'sweep.yaml'; a spec file is given with -f (its"
            " commands: run, train, validate, plan, best, evaluate, schema, deploy, serve, ui)\n"
        ),
    ),
    "a spec without -f, of a command": (
        ["plan", "sweep.yaml"],
        (
            "error: `tune-tasks plan` has no argument 'sweep.yaml'; a spec file is given with -f "
            "(`tune-tasks plan --help` lists them)\n"
        ),
    ),
    "results where a file is": (
        ["--config", '{"script_file_path": "os:getpid"}', "--local-dir", "spec.yaml/x"],
        "/spec.yaml is a file\n",
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
def test_what_is_refused(capsys, args, message):
    code, out, err = run(capsys, *args)
    assert (code, out) == (2, "")
    assert err.endswith(message)
    assert "Traceback" not in err


def test_a_store_of_mlflow_that_cannot_be_used_is_an_error_before_anything_starts(
    capsys, folder, monkeypatch
):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (folder / "mlflow.db").write_text("no database " * 100)
    before = sorted(folder.iterdir())
    for args in (("-f", "spec.yaml"), ("best", "--experiment", "mnist"), ("ui",)):
        code, out, err = run(capsys, *args)
        assert (code, out) == (1, "")
        assert (
            err
            == f"ServiceError: the MLflow store {folder}/mlflow.db cannot be used: file is not a"
            " database; move it away, or name another store with MLFLOW_TRACKING_URI\n"
        )
    assert {*folder.iterdir()} - {*before} == {folder / ".mlflow.db.lock"}
