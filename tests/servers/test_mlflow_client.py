"""What is shown of an MLflow address, and the addresses of its pages."""

import pytest

from tune_tasks.servers.mlflow_client import run_page, web_address, without_password


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://user:pa@ss@host:5000/x", "http://***@host:5000/x"),
        ("https://TOKEN@host", "https://***@host"),
        (
            "API request to http://u:p@h/api failed: http://u:p@h/",
            "API request to http://***@h/api failed: http://***@h/",
        ),
        ("sqlite:////home/you@work/mlflow.db", "sqlite:////home/you@work/mlflow.db"),
        ("postgresql://prefect:secret@db/mlflow", "postgresql://***@db/mlflow"),
    ],
)
def test_users_and_passwords_are_not_shown(text, shown):
    assert without_password(text) == shown


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("https://me:secret@host:1/sub/", "https://host:1/sub"),
        ("sqlite:////tmp/mlflow.db", None),
        ("databricks", None),
        ("/tmp/mlruns", None),
    ],
)
def test_the_address_of_the_pages(uri, address):
    assert web_address(uri) == address


def test_the_page_of_a_trials_own_run():
    names = {
        "MLFLOW_TRACKING_URI": "http://user:pw@host/ml/",
        "MLFLOW_EXPERIMENT_ID": "3",
        "MLFLOW_RUN_ID": "abc",
    }
    assert run_page(names) == "http://host/ml/#/experiments/3/runs/abc"
    assert run_page({**names, "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"}) is None
    assert run_page({}) is None
