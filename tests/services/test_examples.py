"""Every example does what it says, as a user runs it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("spec", ["digits_softmax.yaml", "digits_classifiers.json"])
def test_specs(command, folder, spec):
    process = command("-f", EXAMPLES / spec, "--json", cwd=EXAMPLES.parent, env=own_store(folder))
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert all(experiment["best"] for experiment in json.loads(out)["experiments"].values())


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
