"""The last lines of a sweep: the addresses of its views."""

from pathlib import Path

from tune_tasks.results.summary import ExperimentSummary, Summary, where_to_look


def test_a_sweep_ends_with_the_addresses_of_its_views():
    compared = ExperimentSummary("a", [], Path("/logs/a"), view_url="http://m/#/experiments/1")
    plain = ExperimentSummary("b", [], Path("/logs/b"))
    summary = Summary(
        "a-sweep", [compared, plain], prefect_url="http://p/runs/1", tracking_uri="http://m"
    )
    assert list(where_to_look(summary))[:-1] == [
        "Prefect flow run:   http://p/runs/1",
        "MLflow experiments: a, b in http://m",
        "MLflow, compared:   http://m/#/experiments/1",
        "TensorBoard:        tensorboard --logdir /logs/a",
        "TensorBoard:        tensorboard --logdir /logs/b",
    ]


def test_without_a_server_there_is_no_address_of_it():
    summary = Summary("a-sweep", [], tracking_uri="sqlite:////logs/mlflow.db")
    assert not [line for line in where_to_look(summary) if line.startswith("Prefect")]
