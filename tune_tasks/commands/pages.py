"""`tune-tasks ui`.

Prefect's and MLflow's pages on what the runs wrote, on loopback, until Ctrl-C.
"""

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
from tune_tasks.servers.prefect import (
    PrefectAddress,
    latest_flow_run_url,
    listen,
    own_server_files,
    port_of,
    prefect_server,
)
from tune_tasks.tracking.mlflow_store import MlflowStore

_START_TIMEOUT_S = 120.0
_END_TIMEOUT_S = 10.0


def serve(*, open_browser: bool) -> None:
    """Serve both until Ctrl-C; a server that is there already is shown, not started again.

    Raises:
        ServiceError: If one cannot be started.
    """
    # Ends as Ctrl-C does, and so the servers with it
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    uri = default_tracking_uri(Path.cwd())
    expect_usable(uri)
    with prefect_server() as wait_for_prefect, _mlflow_server(uri) as mlflow_url:
        prefect = wait_for_prefect()
        lines = [f"Prefect: {prefect.ui_url}", f"MLflow:  {mlflow_url}"]
        if last := _last_sweep():
            lines.append(f"The last sweep: {last}")
        lines += [
            f"The last trials of {name}, compared: {mlflow_url}{path}"
            for name, path in _last_views(uri).items()
        ]
        # From the first line that a user sees, Ctrl-C is the way out
        with contextlib.suppress(KeyboardInterrupt):
            if prefect.sign_in_url:
                lines.append(
                    "Another browser signs in to Prefect, once, by (keep it to yourself):"
                    f" {prefect.sign_in_url}"
                )
            print(*lines, "Ctrl-C ends them.", sep="\n", flush=True)
            for url in (_page_to_open(prefect), mlflow_url) if open_browser else ():
                webbrowser.open(url)
            while True:
                time.sleep(3600)


def _page_to_open(prefect: PrefectAddress) -> str:
    """Prefect's pages, or a file that sends a browser there to sign in.

    What it is started with, all users can see.
    """
    if not prefect.sign_in_url:
        return prefect.ui_url
    file = own_server_files().sign_in
    write_aside(
        file, f"<!doctype html><script>location.replace({json.dumps(prefect.sign_in_url)})</script>"
    )
    return file.as_uri()


def _last_sweep() -> str | None:
    try:
        return latest_flow_run_url("tune", "train")
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
        url = f"http://127.0.0.1:{port_of(listener)}"
        # The listening socket goes along as its standard input: nothing else can answer at the
        # address meanwhile.
        command = [sys.executable, "-m", "mlflow", "server", "--uvicorn-opts", "--fd 0"]
        command += ["--backend-store-uri", uri, "--workers", "1"]
        # With its defaults MLflow is 15 processes and 2.3 GB.
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
