"""The Prefect server that sweeps share, as a process: `python -m ….prefect_main FOLDER`.

`prefect_own` starts it, and says how sweeps and the server find one another. The server ends itself
once no sweep holds a lease. It listens on loopback only, where every user of the machine and every
page in a browser there could still reach it. So it answers to its own names and pages, and to
nobody without the auth string.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import IO

from tune_tasks.model.files import try_lock, write_aside
from tune_tasks.model.timeouts import SERVER_EXIT_S, TASK_RUNS_WRITTEN_S
from tune_tasks.servers.ports import LOOPBACK, listen, port_of
from tune_tasks.servers.prefect_own import IDENTITY_PATH, SIGN_IN_PATH, ServerFiles

_POLL_S = 0.25
_LOCK_TIMEOUT_S = 2.0
_NAMES = (LOOPBACK, "localhost")
# Prefect's pages keep the auth string in the browser's storage once a user has typed it in. This
# page puts it there. A browser sends nobody what is behind the number sign of an address.
_SIGN_IN_PAGE = """<!doctype html>
<meta charset="utf-8"><meta name="referrer" content="no-referrer">
<title>Signing in to Prefect</title>
<script>
const password = decodeURIComponent(location.hash.slice(1));
if (password) localStorage.setItem("prefect-password", btoa(password));
location.replace("/");
</script>
"""


def main(folder: str) -> None:
    """Serve until no lease is held any more."""
    files = ServerFiles(Path(folder))
    with files.alive.open("a") as alive:
        _expect_to_be_alone(alive)
        listener = listen(files.port)
        port = port_of(listener)
        identity = secrets.token_urlsafe()
        _configure(files, port, _auth_string(files.auth))
        state = {"url": f"http://{LOOPBACK}:{port}", "identity": identity}
        write_aside(files.state, json.dumps(state))
        threading.Thread(target=_end_when_unused, args=(files,), daemon=True).start()
        _serve(listener, identity)


def _expect_to_be_alone(alive: IO[str]) -> None:
    # A sweep that looks whether there is a server holds the lock for a moment.
    deadline = time.monotonic() + _LOCK_TIMEOUT_S
    while not try_lock(alive):
        if time.monotonic() > deadline:
            sys.exit("another server serves this folder")
        time.sleep(0.01)


def _auth_string(file: Path) -> str:
    """Return the auth string in the file.

    If there is none, or if others could read it, one is drawn and kept there.
    """
    kept = _kept_auth_string(file)
    if kept:
        return kept
    file.unlink(missing_ok=True)
    drawn = f"tune-tasks:{secrets.token_urlsafe(32)}"
    file.touch(mode=0o600, exist_ok=False)
    file.write_text(drawn)
    return drawn


def _kept_auth_string(file: Path) -> str | None:
    try:
        others_can_read = file.stat().st_mode & 0o077
        return None if others_can_read else file.read_text()
    except (OSError, ValueError):
        return None


def _configure(files: ServerFiles, port: int, auth_string: str) -> None:
    """Set what the server needs; Prefect reads it as it is imported."""
    own_pages = ",".join(f"http://{name}:{port}" for name in _NAMES)
    needed = {
        "PREFECT_SERVER_API_HOST": LOOPBACK,
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_SERVER_API_AUTH_STRING": auth_string,
        "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": own_pages,
        # Else its pages call port 4200.
        "PREFECT_SERVER_UI_API_URL": "/api",
        # Else the pages are copied into site-packages, which may belong to someone else.
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(files.folder / "ui"),
    }
    os.environ.update(needed)
    preferred = {
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        # One statement for each state of a task run took two thirds of the server's time.
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "50",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "50",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": f"{TASK_RUNS_WRITTEN_S:g}",
    }
    for name, value in preferred.items():
        os.environ.setdefault(name, value)


def _end_when_unused(files: ServerFiles) -> None:
    with files.lease.open("a") as lease:
        while not try_lock(lease):
            time.sleep(_POLL_S)
        files.state.unlink(missing_ok=True)
        os.kill(os.getpid(), signal.SIGTERM)
        # Meanwhile this thread keeps the lease: a sweep that comes now waits for the end, and then
        # starts a server of its own.
        time.sleep(SERVER_EXIT_S)
        os._exit(0)


def _serve(listener: socket.socket, identity: str) -> None:
    import uvicorn
    from prefect.server.api.server import create_app
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.responses import HTMLResponse, JSONResponse
    from starlette.routing import Route

    app = create_app(final=True)
    own = [
        Route(IDENTITY_PATH, lambda request: JSONResponse(identity)),
        Route(SIGN_IN_PATH, lambda request: HTMLResponse(_SIGN_IN_PAGE)),
    ]
    app.router.routes[:0] = own  # before Prefect's pages, which take every path
    # A page of the web can have its own name point to this machine (DNS rebinding). A browser then
    # takes it for a page of ours, but still sends that name as the host.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(_NAMES))
    config = uvicorn.Config(app, timeout_keep_alive=30, log_level="warning")
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(sys.argv[1])
