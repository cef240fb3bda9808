"""The command that prints the best trial: what it refuses."""

import pytest


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ["--experiment", "exp"],
            (
                "no MLflow store {folder}/mlflow.db: no sweep was run in this folder (or set"
                " MLFLOW_TRACKING_URI)"
            ),
        ),
        (
            ["--experiment", "exp", "--mode", "min"],
            "--mode without --metric: name the metric that 'best' goes by",
        ),
        ([], "one of the arguments -f/--file --experiment is required"),
        (["-f", "no.yaml"], "cannot read the spec file 'no.yaml': No such file or directory"),
    ],
)
def test_what_is_refused(refusal, spec_folder, monkeypatch, args, message):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    said = refusal("best", *args)
    assert said.rstrip().endswith(message.format(folder=spec_folder))
    assert not (spec_folder / "mlflow.db").exists()
