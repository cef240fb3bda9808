"""Where our own servers listen, and how they are known."""

import contextlib
import fcntl
import http.server
import json
import socket
import subprocess
import sys
import threading
import time

import pytest

from tune_tasks.servers import prefect_main as prefect_server
from tune_tasks.servers.prefect import (
    OwnServer,
    ServerFiles,
    answers,
    is_answering,
    listen,
    port_of,
    read_state,
)


def test_a_server_has_the_port_that_the_last_one_had(tmp_path):
    with listen(tmp_path / "port") as first:
        port = port_of(first)
        with listen(tmp_path / "port") as second:  # while the first listens
            another = port_of(second)
    assert another != port
    with listen(tmp_path / "port") as third:
        assert port_of(third) == another


def test_nobody_else_gets_a_port_that_a_server_has(tmp_path):
    with listen(tmp_path / "port") as listener, socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port_of(listener)))


@pytest.mark.parametrize("text", ["", "x", "-1", "99999999"])
def test_what_is_no_port_is_replaced(tmp_path, text):
    (tmp_path / "port").write_text(text)
    with listen(tmp_path / "port") as listener:
        assert port_of(listener) == int((tmp_path / "port").read_text())


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
        assert not is_answering(OwnServer(url, "drawn at its start", "user:password"))
        server.shutdown()


def test_an_auth_string_is_kept_and_one_that_others_could_read_is_drawn_anew(tmp_path):
    file = tmp_path / "auth"
    first = prefect_server._auth_string(file)
    assert prefect_server._auth_string(file) == first
    file.chmod(0o644)
    second = prefect_server._auth_string(file)
    assert second != first
    assert file.read_text() == second
    assert file.stat().st_mode & 0o777 == 0o600


def test_secrets_are_not_shown():
    assert "word" not in repr(OwnServer("http://127.0.0.1:1", "id", "user:password"))
