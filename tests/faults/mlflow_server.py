"""An MLflow server that may be killed, and started again at its address."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.services.waiting import answers, until
from tune_tasks.servers.ports import LOOPBACK, listen, port_of

_STARTS_S = 180


class MlflowServer:
    """A tracking server over a folder's `mlflow.db`.

    Args:
        folder: The database's.
        host: The address that it listens on.

    Attributes:
        url: Its address, which stays the same.
    """

    def __init__(self, folder: Path, host: str = LOOPBACK) -> None:
        self._folder = folder
        self._host = host
        with listen() as free:
            self._port = port_of(free)
        self.url = f"http://{host}:{self._port}"
        self.start()

    def start(self) -> None:
        """Start it; it takes seconds until it answers."""
        command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
        command += ["--host", self._host, "--port", str(self._port)]
        command += ["--backend-store-uri", f"sqlite:///{self._folder}/mlflow.db"]
        command += ["--artifacts-destination", str(self._folder / "artifacts")]
        with (self._folder / "mlflow_output").open("ab") as output:
            self._process = subprocess.Popen(
                command,
                cwd=self._folder,
                env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Wait until it answers."""
        until(lambda: answers(f"{self.url}/health"), _STARTS_S)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all of its processes."""
        os.killpg(self._process.pid, number)
        if number is signal.SIGKILL:
            self._process.wait()
