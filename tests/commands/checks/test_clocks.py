"""Whether the clocks agree."""

import http.server
import threading

import pytest

from tune_tasks.commands.checks.clocks import clock_finding, clock_of_disk, clock_of_server


@pytest.mark.parametrize(
    ("theirs", "said"),
    [
        (100.0, "ok      clock of x: agrees with ours"),
        (98.5, "ok      clock of x: agrees with ours"),
        (130.0, "warning clock of x: 20 s ahead of ours; have both"),
        (80.0, "warning clock of x: 20 s behind ours; have both"),
        (100.0 + 3600 * 2, "problem clock of x: 2.0 h ahead of ours; have both"),
        (100.0 - 90, "problem clock of x: 1.5 min behind ours; have both"),
    ],
)
def test_a_clock(theirs, said):
    assert clock_finding("clock of x", theirs, 100.0, 110.0).line().startswith(said)


@pytest.fixture
def server():
    """Refuses everybody, and says that it is 1994."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(401)

        def date_time_string(self, timestamp=None):
            return "Sun, 06 Nov 1994 08:49:37 GMT"

        def log_message(self, *args):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_a_server_that_refuses_us_tells_the_time(server):
    assert "h behind ours" in clock_of_server("x", server).found


def test_nobody_tells_no_time():
    assert clock_of_server("x", "http://127.0.0.1:1/") is None
    assert clock_of_server("x", "nonsense") is None


def test_the_disks_clock_is_ours(tmp_path):
    assert clock_of_disk(tmp_path / "not/there/yet").found == "agrees with ours"
