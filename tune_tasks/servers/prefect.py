"""Which Prefect server a sweep uses.

The configured one, one that answers on the default address, or our own.

Our own is a real `prefect server` on a free loopback port and on Prefect's own database. All sweeps
of a user share it: each holds a lease (a shared lock on a file under `PREFECT_HOME`), and the
server ends itself once nobody does. A lease ends with its process, however that ends, so that no
sweep takes the server from another and none leaves it behind.

It has its port before it says so in the file that sweeps read, and it answers with an identity that
is in that file: what else answers on a port is never taken for it. Who has no auth string, which
only the user can read, is turned away.
"""

from __future__ import annotations

import contextlib
import fcntl
import http
import http.client
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlparse

from tune_tasks.errors import ServiceError, UsageError
from tune_tasks.model.files import try_lock
from tune_tasks.model.timeouts import CONFIGURED_SERVER_S, PREFECT_REQUEST_S, SERVER_GONE_S

if TYPE_CHECKING:
    import httpx

_PAUSE_S = 1.0
_PASSING = (http.HTTPStatus.REQUEST_TIMEOUT, http.HTTPStatus.TOO_MANY_REQUESTS)
_START_TIMEOUT_S = 120.0
_ANSWER_S = 2.0
_MOST_BYTES = 10_000
_BACKLOG = 128
DEFAULT_URL_VARIABLE = "TUNE_TASKS_PREFECT_DEFAULT_URL"
"""Environment variable: where to look for a server that was started and not configured.

Empty: look nowhere.
"""
_DEFAULT_API_URL = "http://127.0.0.1:4200/api"  # where `prefect server start` listens
IDENTITY_PATH = "/tune-tasks/identity"
SIGN_IN_PATH = "/tune-tasks/sign-in"


@dataclass(frozen=True)
class PrefectAddress:
    """A Prefect server that answers.

    Attributes:
        api_url: Of its API.
        ui_url: Of its pages.
        sign_in_url: Of the page that signs a browser in, with the auth string in it; None if the
            server is not our own.
    """

    api_url: str
    ui_url: str
    sign_in_url: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class OwnServer:
    """Our own server, as its files tell of it.

    Attributes:
        url: Of its pages.
        identity: What it answers when it is asked who it is; drawn at its start.
        auth_string: What it expects of everybody, as `user:password`.
    """

    url: str
    identity: str
    auth_string: str = field(repr=False)

    @property
    def api_url(self) -> str:
        """Of its API."""
        return f"{self.url}/api"


class ServerFiles:
    """The files by which sweeps and their common server find one another.

    Their folder is the user's alone.

    Attributes:
        lease: Locked shared by each sweep; exclusively by the server once it ends.
        start: Locked by the sweep that looks for the server, or starts it.
        alive: Locked by the server for its life.
        state: JSON, `{"url": …, "identity": …}`, written by the server; absent while there is none
            to use.
        auth: The auth string, which stays the same: browsers keep it.
        port: The port that the last server had.
        log: What the server prints.
        sign_in: A page that sends a browser to the server's page for signing in.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lease, self.start, self.alive = (
            folder / f"server.{name}" for name in ("lease", "start", "alive")
        )
        self.state, self.port, self.log = (
            folder / "server.json",
            folder / "server.port",
            folder / "server.log",
        )
        self.auth, self.sign_in = folder / "server.auth", folder / "sign-in.html"


def _to_stderr(text: str) -> None:
    print(f"Warning: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def prefect_server(
    warn: Callable[[str], None] = _to_stderr,
) -> Iterator[Callable[[], PrefectAddress]]:
    """A Prefect server for the time of the context.

    This process's settings, and so its children's, point to it.

    Args:
        warn: Told of a configured server that does not answer at once.

    Yields:
        A function that waits until the server answers, so that other things can start meanwhile. It
        raises ServiceError if the configured server does not answer, or ours does not start.
    """
    from prefect.settings import get_current_settings

    default = _default_api_url()
    if get_current_settings().api.url:
        yield lambda: _configured_server(warn)
    elif answers(default):
        with _pointing_to(default):
            yield _address
    else:
        files = own_server_files()
        with _shared_server(files) as server, _pointing_to(server.api_url, server.auth_string):
            yield lambda: _wait_for_start(files, server)


@contextlib.contextmanager
def standing_server() -> Iterator[PrefectAddress]:
    """The Prefect server that is there also when no sweep runs.

    The configured one, else one on the default address.

    Raises:
        UsageError: If there is none.
        ServiceError: If the configured one does not answer.
    """
    from prefect.settings import get_current_settings

    default = _default_api_url()
    if get_current_settings().api.url:
        yield _configured_server(_to_stderr)
    elif answers(default):
        with _pointing_to(default):
            yield _address()
    else:
        raise UsageError(
            "a deployment needs a Prefect server that stays, and the one of a sweep ends with it:"
            " start one (prefect server start), or set PREFECT_API_URL to yours; `tune-tasks serve`"
            " needs none"
        )


def own_server_files() -> ServerFiles:
    """The files of our own server. A home that machines share has one for each.

    They listen on loopback.
    """
    from prefect.settings import get_current_settings

    return ServerFiles(get_current_settings().home / "tune-tasks" / socket.gethostname())


def _default_api_url() -> str:
    return os.environ.get(DEFAULT_URL_VARIABLE, _DEFAULT_API_URL)


def answers(api_url: str) -> bool:
    """Whether a Prefect 3 server answers at the address; an empty address has none."""
    if not api_url:
        return False
    return str(_answer(f"{api_url}/admin/version")).startswith("3.")


def is_answering(server: OwnServer) -> bool:
    """Whether our own server answers.

    And not something else that has come to listen on its port.
    """
    return _answer(f"{server.url}{IDENTITY_PATH}") == server.identity


def _answer(url: str) -> object:
    """What is answered there, if it is JSON; else None."""
    try:
        with urllib.request.urlopen(url, timeout=_ANSWER_S) as answer:  # noqa: S310 - http only
            return json.loads(answer.read(_MOST_BYTES))
    except (OSError, ValueError, http.client.HTTPException):
        return None


def latest_flow_run_url(*flows: str) -> str | None:
    """The page of the flows' latest run at the server that this process's settings point to.

    If it has run there.
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
    # A schedule's runs are there beforehand
    begun = FlowRunFilter(start_time=FlowRunFilterStartTime(is_null_=False))
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(
            flow_filter=by_name, flow_run_filter=begun, sort=FlowRunSort.START_TIME_DESC, limit=1
        )
    return f"{_address().ui_url}/runs/flow-run/{runs[0].id}" if runs else None


def is_loopback(url: str) -> bool:
    """Whether only this machine reaches the address."""
    host = urlparse(url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def _configured_server(warn: Callable[[str], None]) -> PrefectAddress:
    """The configured server, once it answers.

    One that is being started again, or a proxy's bad moment, fails no sweep.
    """
    from prefect.settings import (
        PREFECT_API_REQUEST_TIMEOUT,
        PREFECT_CLIENT_MAX_RETRIES,
        temporary_settings,
    )

    address = _address()
    deadline = time.monotonic() + CONFIGURED_SERVER_S
    with temporary_settings(
        {PREFECT_API_REQUEST_TIMEOUT: PREFECT_REQUEST_S, PREFECT_CLIENT_MAX_RETRIES: 0}
    ):
        problem = _problem_with_the_configured()
        if problem:
            warn(
                f"the Prefect server {address.api_url} does not answer ({problem}); trying for"
                f" {CONFIGURED_SERVER_S:g} s"
            )
        while problem and time.monotonic() < deadline:
            time.sleep(_PAUSE_S)
            problem = _problem_with_the_configured()
    if problem:
        raise ServiceError(
            f"the configured Prefect server {address.api_url} did not answer within"
            f" {CONFIGURED_SERVER_S:g} s ({problem}); start it, or unset PREFECT_API_URL to have"
            " one started for the sweep"
        )
    return address


def _problem_with_the_configured() -> str | None:
    """Why the configured server cannot be used now, or None.

    Raises:
        ServiceError: If it never will be.
    """
    from prefect.client.orchestration import get_client

    problem: BaseException | None
    try:
        with get_client(sync_client=True) as client:
            problem = client.api_healthcheck()
    except Exception as exc:  # noqa: BLE001 - the client asks for the version first, and wraps what goes wrong
        problem = exc
    if problem is None:
        return None
    answered = http_error(problem)
    if answered is None:
        cause = problem.__cause__ or problem
        return f"{type(cause).__name__}: {cause}"
    status = answered.response.status_code
    if status >= http.HTTPStatus.INTERNAL_SERVER_ERROR or status in _PASSING:
        return f"it answered {status}"
    raise ServiceError(
        f"the configured Prefect server {_address().api_url}"
        f" {refusal(status) or f'answered {status}'}"
    )


def http_error(error: BaseException | None) -> httpx.HTTPStatusError | None:
    """The answer behind an error of Prefect's, which often wraps it."""
    import httpx

    while error is not None and not isinstance(error, httpx.HTTPStatusError):
        error = error.__cause__ or error.__context__
    return error


def refusal(status: int) -> str | None:
    """What to look at if a server refuses; None if that is not what the status says."""
    if status not in (http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN):
        return None
    return f"refused: check PREFECT_API_AUTH_STRING or PREFECT_API_KEY (it answered {status})"


def _address() -> PrefectAddress:
    from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL

    return PrefectAddress(PREFECT_API_URL.value() or "", PREFECT_UI_URL.value() or "")


@contextlib.contextmanager
def _pointing_to(api_url: str, auth_string: str | None = None) -> Iterator[None]:
    from prefect.context import refresh_global_settings_context

    added = {"PREFECT_API_URL": api_url} | (
        {"PREFECT_API_AUTH_STRING": auth_string} if auth_string else {}
    )
    before = {name: os.environ.get(name) for name in added}
    os.environ.update(added)
    refresh_global_settings_context()
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        refresh_global_settings_context()


@contextlib.contextmanager
def _shared_server(files: ServerFiles) -> Iterator[OwnServer]:
    files.folder.mkdir(parents=True, exist_ok=True)
    files.folder.chmod(0o700)  # the files in it are nobody else's to read, nor to lock
    with files.lease.open("a") as lease:
        fcntl.flock(lease, fcntl.LOCK_SH)  # waits only while a server that nobody used is ending
        yield _find_or_start(files)
    # Its files were removed meanwhile: there is nothing to wait for
    with contextlib.suppress(OSError):
        _wait_for_end(files)


def _find_or_start(files: ServerFiles) -> OwnServer:
    with files.start.open("a") as start:
        fcntl.flock(start, fcntl.LOCK_EX)
        server = read_state(files)
        if server and not _can_lock(files.alive):
            return server
        files.state.unlink(missing_ok=True)
        return _start(files)


def _start(files: ServerFiles) -> OwnServer:
    """Start the server's process; returns once it has its port, before it answers there."""
    env = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    command = [sys.executable, "-m", "tune_tasks.servers.prefect_main", str(files.folder)]
    with files.log.open("w") as log:
        process = subprocess.Popen(  # noqa: S603 - our own module
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + _START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        if server := read_state(files):
            return server
        time.sleep(0.02)
    raise ServiceError(f"the Prefect server cannot be started; see {files.log}")


def _wait_for_start(files: ServerFiles, server: OwnServer) -> PrefectAddress:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while not is_answering(server):
        if _can_lock(files.alive):
            raise ServiceError(f"the Prefect server ended at its start; see {files.log}")
        if time.monotonic() > deadline:
            raise ServiceError(
                f"the Prefect server did not answer within {_START_TIMEOUT_S:g} s; see {files.log}"
            )
        time.sleep(0.05)
    # Behind the number sign: what a browser keeps to itself.
    return PrefectAddress(
        server.api_url, server.url, f"{server.url}{SIGN_IN_PATH}#{server.auth_string}"
    )


def _wait_for_end(files: ServerFiles) -> None:
    """Wait until the server has ended, if it is about to.

    Where another sweep holds a lease, it is not.
    """
    deadline = time.monotonic() + SERVER_GONE_S
    while time.monotonic() < deadline and not _can_lock(files.alive):
        if files.state.exists() and not _can_lock(files.lease):
            return
        time.sleep(0.05)


def read_state(files: ServerFiles) -> OwnServer | None:
    """The server that the files tell of, or None."""
    try:
        state = json.loads(files.state.read_text())
        return OwnServer(str(state["url"]), str(state["identity"]), files.auth.read_text())
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _can_lock(path: Path) -> bool:
    with path.open("a") as file:
        return try_lock(file)


def listen(port_file: Path | None = None) -> socket.socket:
    """Listen on the loopback address, so that nothing else can have the port from now on.

    Args:
        port_file: Holds the port to have if it is free; else another is noted there: what links to
            it stays right.
    """
    port = _noted_port(port_file)
    listener = _listen_on(port) if port else None
    if listener is None:
        listener = _listen_on(0)
        assert listener is not None
        if port_file:
            port_file.write_text(str(port_of(listener)))
    return listener


def port_of(listener: socket.socket) -> int:
    """The port that it listens on."""
    return int(listener.getsockname()[1])


def _noted_port(file: Path | None) -> int:
    with contextlib.suppress(OSError, ValueError):
        return int(file.read_text()) if file else 0
    return 0


def _listen_on(port: int) -> socket.socket | None:
    """A socket that listens on the port (0: on any that is free), or None if that is not free."""
    listener = socket.socket()
    try:
        # Connections that have just ended do no harm
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        # A port that is only bound can be taken by whoever listens on it first
        listener.listen(_BACKLOG)
    except (OSError, OverflowError):
        listener.close()
        if port == 0:
            raise
        return None
    return listener
