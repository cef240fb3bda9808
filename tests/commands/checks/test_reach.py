"""Whether the servers can be reached."""

import socket

import pytest

from tune_tasks.commands.checks.reach import mlflow_findings, ray_finding, ray_findings


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "ray://127.0.0.1:{}"])
def test_a_cluster_that_listens(form):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = form.format(server.getsockname()[1])
        assert ray_finding(address).line() == f"ok      Ray: something listens at {address}"


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:many"])
def test_a_cluster_that_does_not(address):
    line = ray_finding(address).line()
    assert line.startswith(f"problem Ray: nothing answers at {address} (")
    assert line.endswith("start the cluster (ray start --head), or unset RAY_ADDRESS")


def test_without_an_address_a_sweep_starts_its_own_cluster(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert list(ray_findings(None)) == []
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    assert len(list(ray_findings(None))) == 1
    assert list(ray_findings("auto")) == []


def test_a_store_that_is_no_database(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "mlflow.db").write_text("what is this")
    (finding,) = mlflow_findings(tmp_path)
    assert finding.line().startswith(f"problem MLflow: the MLflow store {tmp_path}/mlflow.db")


def test_a_store_that_is_not_there_yet_is_made_by_the_sweep(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (finding,) = mlflow_findings(tmp_path)
    assert finding.line() == f"ok      MLflow: sqlite:///{tmp_path}/mlflow.db"
    assert not (tmp_path / "mlflow.db").exists()
