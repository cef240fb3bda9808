"""Our own Prefect server, which all sweeps of a user share: found, or started by the first of them.

It is a real `prefect server`, on a free loopback port and on Prefect's own database; `prefect_main`
is its process.

**Its life.** Each sweep holds a lease: a shared lock on a file under `PREFECT_HOME`. The server
ends itself once nobody holds one. A lock goes with its process, however that ends, so that no sweep
takes the server from another, and none leaves the server behind. If it dies, a sweep starts it
again: its port, its database and the auth string stay the same, so that whoever spoke with it goes
on.

**Its identity.** The server listens on its port before it writes its address to the file that
sweeps read, and it answers with an identity that stands in that file. So nothing else that answers
on a port is taken for it. It turns away whoever lacks the auth string, which only the user can
read.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tune_tasks.errors import ServiceError
from tune_tasks.model.files import try_lock
from tune_tasks.model.timeouts import SERVER_GONE_S, SERVER_LOOK_S
from tune_tasks.servers.prefect_address import PrefectAddress, answer_at

IDENTITY_PATH = "/tune-tasks/identity"
SIGN_IN_PATH = "/tune-tasks/sign-in"

_START_TIMEOUT_S = 120.0
_LOOK_S = 0.05
_MOST_RESTARTS = 5
_LAST_MOMENT_S = 1.0
"""From when a server lets go of its lock to the end of its process."""


@dataclass(frozen=True)
class OwnServer:
    """Our own server, as its files tell of it.

    Attributes:
        url: The address of its pages.
        identity: The server's answer to who it is; drawn at its start.
        auth_string: What the server expects of everybody, as `user:password`.
    """

    url: str
    identity: str
    auth_string: str = field(repr=False)

    @property
    def address(self) -> PrefectAddress:
        """The server's addresses."""
        # A browser keeps what is behind the number sign to itself.
        sign_in_url = f"{self.url}{SIGN_IN_PATH}#{self.auth_string}"
        return PrefectAddress(f"{self.url}/api", self.url, sign_in_url)

    def is_answering(self) -> bool:
        """Whether the server answers, and not something else that listens on its port now."""
        return answer_at(f"{self.url}{IDENTITY_PATH}") == self.identity


class ServerFiles:
    """The files by which sweeps and their common server find one another.

    Their folder is the user's alone.

    Attributes:
        lease: Locked shared by each sweep; locked exclusively by a server that is ending.
        start: Locked by the sweep that looks for the server, or starts it.
        alive: Locked by the server for its life.
        state: JSON, `{"url": …, "identity": …}`, written by the server; absent while there is no
            server to use.
        auth: The auth string, which stays the same: browsers keep it.
        port: The port that the last server had.
        log: What the server prints.
        sign_in: A page that sends a browser to the server's page for signing in.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lease = folder / "server.lease"
        self.start = folder / "server.start"
        self.alive = folder / "server.alive"
        self.state = folder / "server.json"
        self.auth = folder / "server.auth"
        self.port = folder / "server.port"
        self.log = folder / "server.log"
        self.sign_in = folder / "sign-in.html"


@contextlib.contextmanager
def shared_server(files: ServerFiles, warn: Callable[[str], None]) -> Iterator[OwnServer]:
    """Hold a lease for the time of the context, and start the server again if it dies.

    Args:
        files: The server's.
        warn: Told, in another thread, that the server has died.

    Yields:
        The server, which has its port, and may not answer yet: see `wait_for_start`.

    Raises:
        ServiceError: If the server cannot be started.
    """
    files.folder.mkdir(parents=True, exist_ok=True)
    files.folder.chmod(0o700)  # nobody else may read the files in it, or lock them
    with files.lease.open("a") as lease:
        fcntl.flock(lease, fcntl.LOCK_SH)  # waits only while an unused server is ending
        server = _find_or_start(files)
        watch = _Watch(files, server.url, warn)
        watch.start()
        try:
            yield server
        finally:
            watch.end()
    # If the files were removed meanwhile, there is nothing to wait for.
    with contextlib.suppress(OSError):
        _wait_for_end(files)


def wait_for_start(files: ServerFiles, server: OwnServer) -> PrefectAddress:
    """Wait until the server answers.

    Raises:
        ServiceError: If the server has ended, or does not answer in time.
    """
    deadline = time.monotonic() + _START_TIMEOUT_S
    while not server.is_answering():
        if _can_lock(files.alive):
            raise ServiceError(f"the Prefect server ended at its start; see {files.log}")
        if time.monotonic() > deadline:
            raise ServiceError(
                f"the Prefect server did not answer within {_START_TIMEOUT_S:g} s; see {files.log}"
            )
        time.sleep(_LOOK_S)
    return server.address


def read_state(files: ServerFiles) -> OwnServer | None:
    """Return the server of which the files tell, or None."""
    try:
        state = json.loads(files.state.read_text())
        return OwnServer(str(state["url"]), str(state["identity"]), files.auth.read_text())
    except (OSError, ValueError, KeyError, TypeError):
        return None


class _Watch(threading.Thread):
    """Starts the server again if it dies, as long as the sweep holds its lease.

    Args:
        files: The server's.
        url: Its address, which the sweep's processes know.
        warn: Told that it has died, and whether it could be started again.
    """

    def __init__(self, files: ServerFiles, url: str, warn: Callable[[str], None]) -> None:
        super().__init__(name="prefect server watch", daemon=True)
        self._files = files
        self._url = url
        self._warn = warn
        self._is_ended = threading.Event()

    def end(self) -> None:
        """Watch no more."""
        self._is_ended.set()
        self.join()

    def run(self) -> None:
        """Look now and then, and start the server again as long as that seems to help."""
        try:
            for _ in range(_MOST_RESTARTS):
                if not self._has_died():
                    return
                self._tell(_find_or_start(self._files, again=True))
            if self._has_died():
                self._warn(
                    f"the Prefect server has died {_MOST_RESTARTS + 1} times, and is not started"
                    f" again; see {self._files.log}"
                )
        except (OSError, ServiceError) as exc:
            self._warn(f"the Prefect server has died, and cannot be started again: {exc}")

    def _has_died(self) -> bool:
        """Wait until the server has died; returns False if the sweep needs it no more."""
        while not _can_lock(self._files.alive):  # the server holds that lock as long as it lives
            if self._is_ended.wait(SERVER_LOOK_S):
                return False
        return True

    def _tell(self, server: OwnServer) -> None:
        where = ""
        if server.url != self._url:  # something else has taken its port meanwhile
            where = f" at {server.url}, where this sweep does not look for it"
        self._warn(f"the Prefect server has died, and was started again{where}")


def _find_or_start(files: ServerFiles, *, again: bool = False) -> OwnServer:
    """Find the server, or start it; `again` if it has died, and its log is to be kept."""
    with files.start.open("a") as start:
        # Of sweeps that begin together the first one starts the server, and the others find it.
        fcntl.flock(start, fcntl.LOCK_EX)
        server = read_state(files)
        if server and not _can_lock(files.alive):
            return server
        files.state.unlink(missing_ok=True)  # of a server that was killed
        if not again:
            files.log.unlink(missing_ok=True)
        return _start(files)


def _start(files: ServerFiles) -> OwnServer:
    """Start the server's process; returns once it has its port, before it answers there."""
    process = _start_process(files)
    deadline = time.monotonic() + _START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        server = read_state(files)
        if server:
            return server
        time.sleep(_LOOK_S)
    raise ServiceError(f"the Prefect server cannot be started; see {files.log}")


_started: list[subprocess.Popen[bytes]] = []
"""Kept while they run: Python warns of a process that nobody holds."""


def _reap(patience_s: float = 0.0) -> None:
    """Let go of those that have ended, or end within so many seconds each."""
    for process in list(_started):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
            _started.remove(process)


def _start_process(files: ServerFiles) -> subprocess.Popen[bytes]:
    _reap()
    env = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    command = [sys.executable, "-m", "tune_tasks.servers.prefect_main", str(files.folder)]
    with files.log.open("a") as log:
        process = subprocess.Popen(  # noqa: S603 - our own module
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C in a terminal must not end the server of other sweeps
        )
    _started.append(process)
    return process


def _wait_for_end(files: ServerFiles) -> None:
    """Wait until the server has ended, unless another sweep holds a lease."""
    deadline = time.monotonic() + SERVER_GONE_S
    while time.monotonic() < deadline and not _can_lock(files.alive):
        # A server that is ending holds the lease too, but has removed its state.
        if files.state.exists() and not _can_lock(files.lease):
            return
        time.sleep(_LOOK_S)
    _reap(_LAST_MOMENT_S)


def _can_lock(path: Path) -> bool:
    with path.open("a") as file:
        return try_lock(file)
