"""The Prefect server that sweeps share: `python -m tune_tasks.prefect_server FOLDER`. See `services`.

Ends itself once no sweep holds a lease. Listens on loopback only.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

from tune_tasks.services import ServerFiles, same_port, try_lock
from tune_tasks.trial import write_aside

_POLL_S = 0.25
_LOCK_TIMEOUT_S = 2.0


def main(folder: str) -> None:
    """Serve until no lease is held any more."""
    files = ServerFiles(Path(folder))
    with files.alive.open("a") as alive:
        deadline = time.monotonic() + _LOCK_TIMEOUT_S  # a sweep that looks whether we live holds the lock for a moment
        while not try_lock(alive) and time.monotonic() < deadline:
            time.sleep(0.01)
        if not try_lock(alive):
            sys.exit("another server serves this folder")
        port = same_port(files.port)
        _configure(files, port)
        write_aside(files.state, json.dumps({"api_url": f"http://127.0.0.1:{port}/api"}))
        threading.Thread(target=_end_when_unused, args=(files,), daemon=True).start()
        _serve(port)


def _configure(files: ServerFiles, port: int) -> None:
    """Settings that the server needs before Prefect is imported."""
    url = f"http://127.0.0.1:{port}"
    os.environ["PREFECT_SERVER_API_HOST"] = "127.0.0.1"
    os.environ["PREFECT_SERVER_API_PORT"] = str(port)
    os.environ["PREFECT_SERVER_UI_API_URL"] = f"{url}/api"  # else its pages call port 4200
    # Else the pages are copied into site-packages, which may belong to someone else.
    os.environ["PREFECT_SERVER_UI_STATIC_DIRECTORY"] = str(files.folder / "ui")
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    # One statement for each state of a task run took two thirds of the server's time.
    os.environ.setdefault("PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE", "50")
    os.environ.setdefault("PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE", "50")
    os.environ.setdefault("PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL", "1")  # whole seconds


def _end_when_unused(files: ServerFiles) -> None:
    with files.lease.open("a") as lease:
        while not try_lock(lease):
            time.sleep(_POLL_S)
        files.state.unlink(missing_ok=True)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)  # holds the lease: a sweep that comes now waits, and then starts a server of its own
        os._exit(0)


def _serve(port: int) -> None:
    import uvicorn
    from prefect.server.api.server import create_app

    uvicorn.run(create_app(final=True), host="127.0.0.1", port=port, timeout_keep_alive=30, log_level="warning")


if __name__ == "__main__":
    main(sys.argv[1])
