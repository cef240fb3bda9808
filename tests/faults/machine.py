"""Another machine: a network namespace with a file system of its own, and a raylet in it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests.faults.processes import MARK, end_all
from tests.services.waiting import answers, until
from tune_tasks.servers.ports import listen, port_of

_STARTS_S = 180
_RAY = [sys.executable, "-m", "ray.scripts.scripts", "start"]


class Machine:
    """A machine that shares nothing with this one but a network and the installed packages.

    A cluster of both of them runs, with one CPU each; its head is here.

    Args:
        folder: Of the sweep; the machine has another one at its place.
        temporary: Ray's folder of temporary files, likewise.

    Attributes:
        host: The address of this machine that it reaches.
        environment: What whoever joins the cluster needs.
    """

    environment: Mapping[str, str] = {"RAY_AUTH_MODE": "disabled"}

    def __init__(self, folder: Path, temporary: str) -> None:
        self._hidden = [str(folder), temporary]
        self._temporary = temporary
        self._name = f"tune-tasks-{os.getpid()}"
        self._link = f"tf{os.getpid() % 10**8}"
        net = f"10.213.{os.getpid() % 250}"
        self.host = f"{net}.1"
        self._own = f"{net}.2"
        self._log = folder / "ray_output"
        with listen() as free:
            self._port = port_of(free)

    @property
    def address(self) -> str:
        """The cluster's."""
        return f"{self.host}:{self._port}"

    def __enter__(self) -> Self:
        """Make the machine, and start the cluster."""
        try:
            self._make()
            here = [*_RAY, "--head", f"--node-ip-address={self.host}", f"--port={self._port}"]
            self._start([*here, "--include-dashboard=false", f"--temp-dir={self._temporary}"])
            there = [*_RAY, f"--address={self.address}", f"--node-ip-address={self._own}"]
            hides = [f"mount -t tmpfs none {folder}" for folder in self._hidden]
            script = " && ".join([*hides, 'exec "$@"'])
            self._start(["ip", "netns", "exec", self._name, "sh", "-c", script, "sh", *there])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End everything on it, and the cluster."""
        end_all(self._name)
        subprocess.run(["ip", "netns", "delete", self._name], check=False)

    def cut_off(self) -> None:
        """Have none of its packets arrive."""
        _ip("link", "set", self._link, "down")

    def connect(self) -> None:
        """Have them arrive again."""
        _ip("link", "set", self._link, "up")

    def kill(self) -> None:
        """End each of its processes at once."""
        found = subprocess.run(
            ["ip", "netns", "pids", self._name], capture_output=True, text=True, check=False
        )
        for pid in found.stdout.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)

    def _make(self) -> None:
        _ip("netns", "add", self._name)
        _ip("link", "add", self._link, "type", "veth", "peer", "name", "eth0", "netns", self._name)
        _ip("addr", "add", f"{self.host}/24", "dev", self._link)
        _ip("link", "set", self._link, "up")
        _ip("-n", self._name, "addr", "add", f"{self._own}/24", "dev", "eth0")
        _ip("-n", self._name, "link", "set", "lo", "up")
        _ip("-n", self._name, "link", "set", "eth0", "up")

    def _start(self, command: list[str]) -> None:
        with self._log.open("ab") as log:
            subprocess.run(
                [*command, "--num-cpus=1", "--disable-usage-stats"],
                env={**os.environ, **self.environment, MARK: self._name},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                timeout=_STARTS_S,
                check=True,
            )


class PrefectServer:
    """A Prefect server that another machine can reach.

    Args:
        home: `PREFECT_HOME`, with its database.
        host: The address that it listens on.
    """

    def __init__(self, home: Path, host: str) -> None:
        with listen() as free:
            port = port_of(free)
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "prefect",
                "server",
                "start",
                f"--host={host}",
                f"--port={port}",
            ],
            env={
                **os.environ,
                "PREFECT_HOME": str(home),
                "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.url = f"http://{host}:{port}/api"

    def __enter__(self) -> Self:
        """Wait until it answers."""
        until(lambda: answers(f"{self.url}/health"), _STARTS_S)
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def _ip(*args: str) -> None:
    subprocess.run(["ip", *args], check=True)
