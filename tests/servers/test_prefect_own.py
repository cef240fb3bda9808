"""How our own Prefect server is found, and known."""

import contextlib
import fcntl
import http.server
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tune_tasks.servers import prefect_own
from tune_tasks.servers.ports import listen, port_of
from tune_tasks.servers.prefect_address import answers
from tune_tasks.servers.prefect_own import OwnServer, ServerFiles, read_state, shared_server

pytestmark = pytest.mark.processes


@contextlib.contextmanager
def own_server(folder):
    """A server's process, without waiting until it answers: as long as the context lasts."""
    files = ServerFiles(folder)
    with files.lease.open("a") as lease:
        fcntl.flock(lease, fcntl.LOCK_SH)
        process = subprocess.Popen(
            [sys.executable, "-m", "tune_tasks.servers.prefect_main", str(folder)]
        )
        try:
            deadline = time.monotonic() + 30
            while not (server := read_state(files)) and time.monotonic() < deadline:
                time.sleep(0.02)
            yield server
        finally:
            process.kill()
            process.wait()


def test_two_servers_with_the_same_noted_port_are_two(tmp_path):
    with listen() as free:
        port = port_of(free)
    homes = [tmp_path / "a", tmp_path / "b"]
    for home in homes:
        home.mkdir()
        ServerFiles(home).port.write_text(str(port))
    with own_server(homes[0]) as first, own_server(homes[1]) as second:
        assert first.url == f"http://127.0.0.1:{port}"
        assert second.url != first.url
        assert second.identity != first.identity
    for home in homes:
        assert ServerFiles(home).auth.stat().st_mode & 0o777 == 0o600


def server_process(folder):
    """The id of the server's process, a child of any thread of this one."""
    lists = Path("/proc/self/task").glob("*/children")
    children = [pid for file in lists for pid in file.read_text().split()]
    commands = {int(pid): Path(f"/proc/{pid}/cmdline").read_text() for pid in children}
    return next(pid for pid, command in commands.items() if str(folder) in command)


@pytest.mark.filterwarnings(
    "ignore:Exception ignored in.*Popen:pytest.PytestUnraisableExceptionWarning"
)
def test_a_server_that_dies_is_started_again_at_its_address_a_few_times(tmp_path, monkeypatch):
    monkeypatch.setattr(prefect_own, "_MOST_RESTARTS", 1)
    files = ServerFiles(tmp_path)
    said = queue.Queue()
    with shared_server(files, said.put) as server:
        files.log.write_text("why the first one died\n")
        os.kill(server_process(tmp_path), signal.SIGKILL)
        assert said.get(timeout=30) == "the Prefect server has died, and was started again"
        again = read_state(files)
        os.kill(server_process(tmp_path), signal.SIGKILL)
        gave_up = "the Prefect server has died 2 times, and is not started again; see "
        assert said.get(timeout=30) == f"{gave_up}{files.log}"
    assert files.log.read_text().startswith("why the first one died\n")
    assert again.url == server.url
    assert again.auth_string == server.auth_string
    assert again.identity != server.identity


class SomebodyElse(http.server.BaseHTTPRequestHandler):
    """A Prefect server, as far as its version goes."""

    def do_GET(self):
        body = json.dumps("3.8.8").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_what_else_answers_on_the_port_is_not_our_server():
    with http.server.HTTPServer(("127.0.0.1", 0), SomebodyElse) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        assert answers(f"{url}/api")
        assert not OwnServer(url, "drawn at its start", "user:password").is_answering()
        server.shutdown()


def test_secrets_are_not_shown():
    server = OwnServer("http://127.0.0.1:1", "id", "user:password")
    assert "word" not in repr(server)
    assert "word" not in repr(server.address)
