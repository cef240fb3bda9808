"""What is shown of an MLflow address."""

import pytest

from tune_tasks.servers.mlflow_client import without_password


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
