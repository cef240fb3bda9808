"""Every example does what it says, as a user runs it."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.waiting import until
from tune_tasks.spec.expansion import derive_seed

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_main_job(command, folder, task_runs, mlflow_runs):
    """2017's own example.

    From the checkout's folder there, from anywhere here, for a spec's folder is looked in, too.
    """
    process = command(
        "-f", EXAMPLES / "tune_mnist_ray.yaml", "--json", cwd=EXAMPLES.parent, env=own_store(folder)
    )
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    document = json.loads(out)
    experiment = document["experiments"]["tune_mnist"]
    names = [f"script_mnist_{i}_activation={('relu', 'elu', 'tanh')[i % 3]}" for i in range(10)]
    assert [trial["name"] for trial in experiment["trials"]] == names
    assert {trial["state"] for trial in experiment["trials"]} == {"TERMINATED"}
    assert experiment["best"]["last_result"]["mean_accuracy"] >= 0.98
    trials, (parent,) = mlflow_runs("tune_mnist")
    assert sorted(trials) == names
    assert {run.info.status for run in [*trials.values(), parent]} == {"FINISHED"}


def own_store(folder):
    return {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db", "PWD": str(folder)}


@pytest.mark.parametrize(
    "spec",
    [
        "digits_softmax.yaml",
        "digits_classifiers.json",
        "digits_conditional.yaml",
        "digits_asha.yaml",
        "digits_pbt.yaml",
    ],
)
def test_specs(command, folder, spec):
    process = command("-f", EXAMPLES / spec, "--json", cwd=EXAMPLES.parent, env=own_store(folder))
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert all(experiment["best"] for experiment in json.loads(out)["experiments"].values())


def test_the_one_with_two_objectives_finds_a_front_and_best_prints_it(command, folder):
    options = {"cwd": EXAMPLES.parent, "env": own_store(folder)}
    spec = EXAMPLES / "digits_objectives.yaml"
    process = command("-f", spec, "--json", **options)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    (experiment,) = json.loads(out)["experiments"].values()
    front = experiment["front"]
    trials = {trial["index"]: trial for trial in experiment["trials"]}
    assert len(front) > 1
    assert experiment["best"]["index"] in front
    assert not any(trials[index]["infeasible"] for index in front)
    assert any(trial["infeasible"] for trial in trials.values())
    process = command("best", "-f", spec, "--json", **options)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    (best,) = json.loads(out).values()
    assert best["index"] == experiment["best"]["index"]
    assert [trial["index"] for trial in best["front"]] == front
    assert best["spec"]["config"]["width"] == experiment["best"]["config"]["width"]


@pytest.mark.parametrize("script", ["library.py", "early_stopping.py"])
def test_scripts(folder, prefect, script):
    done = subprocess.run(
        [sys.executable, EXAMPLES / script],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "TERMINATED" in done.stdout


def test_specs_conform_to_the_schema_that_they_name():
    import jsonschema
    import yaml

    schema = json.loads((EXAMPLES / "tune-tasks.schema.json").read_text())
    for path in [*EXAMPLES.glob("*.yaml"), *EXAMPLES.glob("[!t]*.json")]:
        data = yaml.safe_load(path.read_text())
        data.pop("$schema", None)
        jsonschema.validate(data, schema)


def test_the_resumable_one_reports_the_same_if_it_is_stopped_and_resumed(command, folder):
    """Ctrl-C after some epochs; the trials go on, and report what one that ran through reports."""
    options = {"cwd": EXAMPLES.parent, "env": own_store(folder)}
    where = ["--local-dir", str(folder / "results"), "--num-trials", "2"]
    first = command("-f", EXAMPLES / "resumable.yaml", *where, **options)
    until(lambda: len(reports_in(folder)) == 2 and min(map(len, reports_in(folder))) > 5, 120)
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=120)
    assert first.returncode == 130
    assert max(map(len, reports_in(folder))) < 40
    again = command("-f", EXAMPLES / "resumable.yaml", *where, "--resume", "--json", **options)
    out, err = again.communicate(timeout=300)
    assert again.returncode == 0, err
    (experiment,) = json.loads(out)["experiments"].values()
    for trial in experiment["trials"]:
        logdir = Path(trial["logdir"])
        assert (logdir / "restored_from.json").is_file()
        lines = (logdir / "result.json").read_text().splitlines()
        losses = [json.loads(line)["mean_loss"] for line in lines]
        assert losses == undisturbed(trial["config"], trial["index"])


def reports_in(folder):
    files = folder.glob("results/resumable/*/*/result.json")
    return [file.read_text().splitlines() for file in files]


def undisturbed(config, index):
    """The losses of a training that runs through, in this process."""
    sys.path.insert(0, str(EXAMPLES))
    try:
        from resumable import Training, load_digits, train_test_split
    finally:
        sys.path.remove(str(EXAMPLES))
    images, labels = load_digits(return_X_y=True)
    images, _, labels, _ = train_test_split(images / 16, labels, test_size=0.25, random_state=0)
    training = Training(config, derive_seed(7, f"resumable/{index}/trial"))
    losses = []
    for _ in range(config["epochs"]):
        training.run_epoch(images, labels)
        losses.append(training.loss(images, labels))
    return losses
