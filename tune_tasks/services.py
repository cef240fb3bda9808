"""Which Prefect server a sweep uses: the configured one, one that answers on the default address, or our own.

Our own is a real `prefect server` on a free loopback port and on Prefect's own database. All sweeps of a user share it:
each holds a lease (a shared lock on a file under `PREFECT_HOME`), and the server ends itself once nobody does. A lease ends
with its process, however that ends, so that no sweep takes the server from another and none leaves it behind.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlparse

from tune_tasks.errors import ServiceError, UsageError

_START_TIMEOUT_S = 120.0
_END_TIMEOUT_S = 15.0
_DEFAULT_API_URL = "http://127.0.0.1:4200/api"


@dataclass(frozen=True)
class PrefectAddress:
    """A Prefect server that answers.

    Attributes:
        api_url: Of its API.
        ui_url: Of its pages.
    """

    api_url: str
    ui_url: str


class ServerFiles:
    """The files by which sweeps and their common server find one another.

    Attributes:
        lease: Locked shared by each sweep; exclusively by the server once it ends.
        start: Locked by the sweep that looks for the server, or starts it.
        alive: Locked by the server for its life.
        state: JSON, `{"api_url": …}`, written by the server; absent while there is none to use.
        port: The port that the last server had.
        log: What the server prints.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lease, self.start, self.alive = (folder / f"server.{name}" for name in ("lease", "start", "alive"))
        self.state, self.port, self.log = folder / "server.json", folder / "server.port", folder / "server.log"


@contextlib.contextmanager
def prefect_server() -> Iterator[Callable[[], PrefectAddress]]:
    """A Prefect server for the time of the context; this process's settings, and so its children's, point to it.

    Yields:
        A function that waits until the server answers, so that other things can start meanwhile. It raises ServiceError
        if the configured server does not answer, or ours does not start.
    """
    from prefect.settings import get_current_settings

    settings = get_current_settings()
    if settings.api.url:
        yield _configured_server
    elif answers(_DEFAULT_API_URL):
        with _pointing_to(_DEFAULT_API_URL):
            yield _address
    else:
        # A home that machines share has a server for each: they listen on loopback.
        files = ServerFiles(settings.home / "tune-tasks" / socket.gethostname())
        with _shared_server(files) as api_url, _pointing_to(api_url):
            yield lambda: _wait_for_start(files, api_url)


@contextlib.contextmanager
def standing_server() -> Iterator[PrefectAddress]:
    """The Prefect server that is there also when no sweep runs: the configured one, else one on the default address.

    Raises:
        UsageError: If there is none.
        ServiceError: If the configured one does not answer.
    """
    from prefect.settings import get_current_settings

    if get_current_settings().api.url:
        yield _configured_server()
    elif answers(_DEFAULT_API_URL):
        with _pointing_to(_DEFAULT_API_URL):
            yield _address()
    else:
        raise UsageError(
            "a deployment needs a Prefect server that stays, and the one of a sweep ends with it: start one "
            "(prefect server start), or set PREFECT_API_URL to yours; `tune-tasks serve` needs none"
        )


def answers(api_url: str, timeout_s: float = 2.0) -> bool:
    """Whether a Prefect 3 server answers at the address."""
    try:
        with urllib.request.urlopen(f"{api_url}/admin/version", timeout=timeout_s) as answer:  # noqa: S310 - http only
            return str(json.loads(answer.read())).startswith("3.")
    except (OSError, ValueError):
        return False


def latest_flow_run_url(*flows: str) -> str | None:
    """The page of the flows' latest run at the server that this process's settings point to, if it has run there."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowFilter, FlowFilterName, FlowRunFilter, FlowRunFilterStartTime
    from prefect.client.schemas.sorting import FlowRunSort

    by_name = FlowFilter(name=FlowFilterName(any_=list(flows)))
    begun = FlowRunFilter(start_time=FlowRunFilterStartTime(is_null_=False))  # a schedule's runs are there beforehand
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(flow_filter=by_name, flow_run_filter=begun, sort=FlowRunSort.START_TIME_DESC, limit=1)
    return f"{_address().ui_url}/runs/flow-run/{runs[0].id}" if runs else None


def is_loopback(url: str) -> bool:
    """Whether only this machine reaches the address."""
    host = urlparse(url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def _configured_server() -> PrefectAddress:
    from prefect.client.orchestration import get_client

    address = _address()
    with get_client(sync_client=True) as client:
        problem = client.api_healthcheck()
    if problem is not None:
        raise ServiceError(
            f"the configured Prefect server {address.api_url} does not answer ({type(problem).__name__}: {problem}); "
            "start it, or unset PREFECT_API_URL to have one started for the sweep"
        )
    return address


def _address() -> PrefectAddress:
    from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL

    return PrefectAddress(PREFECT_API_URL.value() or "", PREFECT_UI_URL.value() or "")


@contextlib.contextmanager
def _pointing_to(api_url: str) -> Iterator[None]:
    from prefect.context import refresh_global_settings_context

    os.environ["PREFECT_API_URL"] = api_url
    refresh_global_settings_context()
    try:
        yield
    finally:
        del os.environ["PREFECT_API_URL"]
        refresh_global_settings_context()


@contextlib.contextmanager
def _shared_server(files: ServerFiles) -> Iterator[str]:
    files.folder.mkdir(parents=True, exist_ok=True)
    with files.lease.open("a") as lease:
        fcntl.flock(lease, fcntl.LOCK_SH)  # waits only while a server that nobody used is ending
        yield _find_or_start(files)
    with contextlib.suppress(OSError):  # its files were removed meanwhile: there is nothing to wait for
        _wait_for_end(files)


def _find_or_start(files: ServerFiles) -> str:
    with files.start.open("a") as start:
        fcntl.flock(start, fcntl.LOCK_EX)
        api_url = _read_state(files)
        if api_url and not _can_lock(files.alive):
            return api_url
        files.state.unlink(missing_ok=True)
        return _start(files)


def _start(files: ServerFiles) -> str:
    """Start the server's process; returns the address that it is going to serve."""
    env = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    command = [sys.executable, "-m", "tune_tasks.prefect_server", str(files.folder)]
    with files.log.open("w") as log:
        server = subprocess.Popen(  # noqa: S603 - our own module
            command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    deadline = time.monotonic() + _START_TIMEOUT_S
    while server.poll() is None and time.monotonic() < deadline:
        if api_url := _read_state(files):
            return api_url
        time.sleep(0.02)
    raise ServiceError(f"the Prefect server cannot be started; see {files.log}")


def _wait_for_start(files: ServerFiles, api_url: str) -> PrefectAddress:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while not answers(api_url):
        if _can_lock(files.alive):
            raise ServiceError(f"the Prefect server ended at its start; see {files.log}")
        if time.monotonic() > deadline:
            raise ServiceError(f"the Prefect server did not answer within {_START_TIMEOUT_S:g} s; see {files.log}")
        time.sleep(0.05)
    return _address()


def _wait_for_end(files: ServerFiles) -> None:
    """Wait until the server has ended, if it is about to: where another sweep holds a lease, it is not."""
    deadline = time.monotonic() + _END_TIMEOUT_S
    while time.monotonic() < deadline and not _can_lock(files.alive):
        if files.state.exists() and not _can_lock(files.lease):
            return
        time.sleep(0.05)


def _read_state(files: ServerFiles) -> str | None:
    try:
        return str(json.loads(files.state.read_text())["api_url"])
    except (OSError, ValueError, KeyError):
        return None


def _can_lock(path: Path) -> bool:
    with path.open("a") as file:
        return try_lock(file)


def try_lock(file: IO[str]) -> bool:
    """Lock a file exclusively if nobody holds a lock on it; until it is closed."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def same_port(file: Path) -> int:
    """The port that the file has where it is free, else another, which is noted there: what links to it stays right."""
    with contextlib.suppress(OSError, ValueError, OverflowError), socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that have just ended do no harm
        probe.bind(("127.0.0.1", int(file.read_text())))
        return int(probe.getsockname()[1])
    port = free_port()
    file.write_text(str(port))
    return port


def free_port() -> int:
    """A TCP port that is free on the loopback address now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
