"""`tune-tasks ui`: Prefect's and MLflow's pages on what the runs wrote, on loopback, until Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
import webbrowser
from collections.abc import Iterator
from pathlib import Path

from tune_tasks.errors import ServiceError
from tune_tasks.mlflow_client import default_tracking_uri, expect_usable, is_local_store, without_password
from tune_tasks.mlflow_store import MlflowStore
from tune_tasks.mlflow_view import web_address
from tune_tasks.services import free_port, latest_flow_run_url, prefect_server

_START_TIMEOUT_S = 120.0
_END_TIMEOUT_S = 10.0


def serve(*, open_browser: bool) -> None:
    """Serve both until Ctrl-C; a server that is there already is shown, not started again.

    Raises:
        ServiceError: If one cannot be started.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does, and so the servers with it
    uri = default_tracking_uri(Path.cwd())
    expect_usable(uri)
    with prefect_server() as wait_for_prefect, _mlflow_server(uri) as mlflow_url:
        prefect_url = wait_for_prefect().ui_url
        lines = [f"Prefect: {prefect_url}", f"MLflow:  {mlflow_url}"]
        if last := latest_flow_run_url("tune", "train"):
            lines.append(f"The last sweep: {last}")
        lines += [f"The last trials of {name}, compared: {mlflow_url}{path}" for name, path in _last_views(uri).items()]
        with contextlib.suppress(KeyboardInterrupt):  # from the first line that a user sees, Ctrl-C is the way out
            print(*lines, "Ctrl-C ends them.", sep="\n", flush=True)
            for url in (prefect_url, mlflow_url) if open_browser else ():
                webbrowser.open(url)
            while True:
                time.sleep(3600)


def _last_views(uri: str) -> dict[str, str]:
    try:
        return MlflowStore(uri).last_views()
    except Exception:  # noqa: BLE001 - the pages are served without these addresses
        return {}


@contextlib.contextmanager
def _mlflow_server(uri: str) -> Iterator[str]:
    if not is_local_store(uri):
        yield web_address(uri) or without_password(uri)
        return
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", uri, "--workers", "1"]
    # With its defaults MLflow is 15 processes and 2.3 GB.
    env = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    process = subprocess.Popen(  # noqa: S603 - MLflow's own command
        command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_until_up(process, f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()


def _wait_until_up(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/health", timeout=2):  # noqa: S310 - loopback
            return
        time.sleep(0.1)
    raise ServiceError(f"the MLflow server does not start (exit code {process.poll()}); try `mlflow ui` for its messages")
