"""Serves Prefect's and MLflow's pages on what the runs wrote, on loopback, until Ctrl-C."""

from __future__ import annotations

import contextlib
import json
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
from tune_tasks.model.files import write_aside
from tune_tasks.servers.mlflow_client import (
    default_tracking_uri,
    expect_usable,
    is_local_store,
    web_address,
    without_password,
)
from tune_tasks.servers.ports import LOOPBACK, listen, port_of
from tune_tasks.servers.prefect import own_server_files, prefect_server
from tune_tasks.servers.prefect_address import PrefectAddress
from tune_tasks.tracking.mlflow_store import MlflowStore

_START_TIMEOUT_S = 120.0
_END_TIMEOUT_S = 10.0


def serve(*, open_browser: bool) -> None:
    """Serve both until Ctrl-C; a server that is there already is shown, not started again.

    Args:
        open_browser: Whether to open them in the user's browser.

    Raises:
        ServiceError: If one cannot be started.
    """
    # SIGTERM ends this process as Ctrl-C does, so that the servers end with it
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    uri = default_tracking_uri(Path.cwd())
    expect_usable(uri)
    with prefect_server() as wait_for_prefect, _mlflow_server(uri) as mlflow_url:
        prefect = wait_for_prefect()
        lines = list(_addresses(prefect, mlflow_url, uri))
        # From the first line that a user sees, Ctrl-C is the way out
        with contextlib.suppress(KeyboardInterrupt):
            print(*lines, "Ctrl-C ends them.", sep="\n", flush=True)
            if open_browser:
                webbrowser.open(_page_to_open(prefect))
                webbrowser.open(mlflow_url)
            while True:
                time.sleep(3600)


def _addresses(prefect: PrefectAddress, mlflow_url: str, uri: str) -> Iterator[str]:
    """Yield a line for each address that a user may want."""
    yield f"Prefect: {prefect.ui_url}"
    yield f"MLflow:  {mlflow_url}"
    last_sweep = _last_sweep()
    if last_sweep:
        yield f"The last sweep: {last_sweep}"
    for name, path in _last_views(uri).items():
        yield f"The last trials of {name}, compared: {mlflow_url}{path}"
    if prefect.sign_in_url:
        yield (
            "Another browser signs in to Prefect, once, by (keep it to yourself):"
            f" {prefect.sign_in_url}"
        )


def _page_to_open(prefect: PrefectAddress) -> str:
    """Return the address of Prefect's pages, or of a file that sends a browser there to sign in.

    The address for signing in is a secret, and all users can see what a browser is started with.
    """
    if not prefect.sign_in_url:
        return prefect.ui_url
    address = json.dumps(prefect.sign_in_url)
    file = own_server_files().sign_in
    write_aside(file, f"<!doctype html><script>location.replace({address})</script>")
    return file.as_uri()


def _last_sweep() -> str | None:
    try:
        return _latest_flow_run_url("tune", "train")
    except Exception:  # noqa: BLE001 - the pages are served without this address
        return None


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
    with listen() as listener:
        url = f"http://{LOOPBACK}:{port_of(listener)}"
        # MLflow gets the listening socket as its standard input. If it opened the port itself,
        # another process could answer there first.
        command = [sys.executable, "-m", "mlflow", "server", "--uvicorn-opts", "--fd 0"]
        command += ["--backend-store-uri", uri, "--workers", "1"]
        # By default MLflow would be 15 processes, with 2.3 GB
        env = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        process = subprocess.Popen(  # noqa: S603 - MLflow's own command
            command,
            env=env,
            stdin=listener.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    try:
        _wait_until_up(process, url)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()


def _wait_until_up(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{url}/health", timeout=2).close()  # noqa: S310 - loopback
            return
        time.sleep(0.1)
    raise ServiceError(
        f"the MLflow server does not start (exit code {process.poll()}); try `mlflow ui` for its"
        " messages"
    )


def _latest_flow_run_url(*flows: str) -> str | None:
    """Return the page of the latest run of some flows; None if none of them has run.

    Args:
        flows: The flows' names, at the server that this process's settings point to.
    """
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import (
        FlowFilter,
        FlowFilterName,
        FlowRunFilter,
        FlowRunFilterStartTime,
    )
    from prefect.client.schemas.sorting import FlowRunSort

    by_name = FlowFilter(name=FlowFilterName(any_=list(flows)))
    # The runs of a schedule are made beforehand, and have no start.
    begun = FlowRunFilter(start_time=FlowRunFilterStartTime(is_null_=False))
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(
            flow_filter=by_name, flow_run_filter=begun, sort=FlowRunSort.START_TIME_DESC, limit=1
        )
    if not runs:
        return None
    return f"{PrefectAddress.of_settings().ui_url}/runs/flow-run/{runs[0].id}"
