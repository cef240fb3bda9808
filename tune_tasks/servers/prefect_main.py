"""The Prefect server that sweeps share: `python -m tune_tasks.servers.prefect_main FOLDER`.

See `services`.

Ends itself once no sweep holds a lease. It listens on loopback only, where every user of the
machine and every page in a browser there could still reach it: it answers to its own names and
pages, and to nobody without the auth string.
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

from tune_tasks.model.files import try_lock, write_aside
from tune_tasks.model.timeouts import SERVER_EXIT_S, TASK_RUNS_WRITTEN_S
from tune_tasks.servers.prefect import IDENTITY_PATH, SIGN_IN_PATH, ServerFiles, listen, port_of

_POLL_S = 0.25
_LOCK_TIMEOUT_S = 2.0
_NAMES = ("127.0.0.1", "localhost")
# Prefect's pages keep the auth string here, once a user has typed it in. What is behind the number
# sign of an address stays in the browser.
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
        # A sweep that looks whether we live holds the lock for a moment
        deadline = time.monotonic() + _LOCK_TIMEOUT_S
        while not try_lock(alive) and time.monotonic() < deadline:
            time.sleep(0.01)
        if not try_lock(alive):
            sys.exit("another server serves this folder")
        listener, identity = listen(files.port), secrets.token_urlsafe()
        url = f"http://{_NAMES[0]}:{port_of(listener)}"
        _configure(files, port_of(listener), _auth_string(files.auth))
        write_aside(files.state, json.dumps({"url": url, "identity": identity}))
        threading.Thread(target=_end_when_unused, args=(files,), daemon=True).start()
        _serve(listener, identity)


def _auth_string(file: Path) -> str:
    """The auth string in the file, or one that is drawn and kept there.

    If there is none that only its owner could read.
    """
    try:
        if not file.stat().st_mode & 0o077 and (kept := file.read_text()):
            return kept
    except (OSError, ValueError):
        pass
    file.unlink(missing_ok=True)
    drawn = f"tune-tasks:{secrets.token_urlsafe(32)}"
    file.touch(mode=0o600, exist_ok=False)
    file.write_text(drawn)
    return drawn


def _configure(files: ServerFiles, port: int, auth_string: str) -> None:
    """Settings that the server needs before Prefect is imported."""
    os.environ["PREFECT_SERVER_API_HOST"] = _NAMES[0]
    os.environ["PREFECT_SERVER_API_PORT"] = str(port)
    os.environ["PREFECT_SERVER_API_AUTH_STRING"] = auth_string
    os.environ["PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS"] = ",".join(
        f"http://{name}:{port}" for name in _NAMES
    )
    os.environ["PREFECT_SERVER_UI_API_URL"] = "/api"  # else its pages call port 4200
    # Else the pages are copied into site-packages, which may belong to someone else.
    os.environ["PREFECT_SERVER_UI_STATIC_DIRECTORY"] = str(files.folder / "ui")
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    # One statement for each state of a task run took two thirds of the server's time.
    os.environ.setdefault("PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE", "50")
    os.environ.setdefault("PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE", "50")
    flush_s = f"{TASK_RUNS_WRITTEN_S:g}"
    os.environ.setdefault("PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL", flush_s)


def _end_when_unused(files: ServerFiles) -> None:
    with files.lease.open("a") as lease:
        while not try_lock(lease):
            time.sleep(_POLL_S)
        files.state.unlink(missing_ok=True)
        os.kill(os.getpid(), signal.SIGTERM)
        # Holds the lease: a sweep that comes now waits, and then starts a server of its own
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
    # A page of the web can have its name point here (DNS rebinding), and then counts as a page of
    # ours.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(_NAMES))
    config = uvicorn.Config(app, timeout_keep_alive=30, log_level="warning")
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(sys.argv[1])
