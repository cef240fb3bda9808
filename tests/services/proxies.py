"""A proxy in front of a server, as firms have them.

It takes no websockets, and some answers are its own, late, or lost.
"""

import contextlib
import http.client
import http.server
import random
import threading
import time
from urllib.parse import urlparse

_OWN = {"connection", "content-length", "transfer-encoding", "date", "server"}

ERROR = "error"
LOST = "lost"
LATE = "late"
_LATE_S = 0.5


def failing(numbers):
    """The requests with these numbers, from 0, are answered with 500, and never reach the server."""
    return lambda number: ERROR if number in numbers else None


def unwell(seed, share):
    """A share of the requests is answered with 500, as many late; of as many the answer is lost."""
    draws = random.Random(seed)

    def trouble(_number):
        if draws.random() > 3 * share:
            return None
        return draws.choice([ERROR, LATE, LOST])

    return trouble


@contextlib.contextmanager
def proxy(url, trouble=lambda number: None):
    """A proxy on loopback that hands requests to the server, without websockets.

    Args:
        url: The server's.
        trouble: Asked for each request, by its number from 0: None, ERROR, LATE, or LOST, which is
            when the server has done what was asked, and the connection is closed without an answer.

    Yields:
        Its address, and the list of what was asked for.
    """
    asked = []
    counting = threading.Lock()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def hand_on(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with counting:
                asked.append(f"{self.command} {self.path}")
                what = trouble(len(asked) - 1)
            if self.headers.get("Upgrade"):
                return self.reply(404, {}, b"no websockets")
            if what == ERROR:
                return self.reply(500, {}, b"<html>the proxy is not well</html>")
            if what == LATE:
                time.sleep(_LATE_S)
            connection = http.client.HTTPConnection(urlparse(url).netloc, timeout=60)
            with contextlib.closing(connection):
                headers = {
                    name: value for name, value in self.headers.items() if name.lower() not in _OWN
                }
                connection.request(self.command, self.path, body, headers)
                answer = connection.getresponse()
                content = answer.read()
            if what == LOST:
                self.close_connection = True
                return None
            return self.reply(answer.status, dict(answer.getheaders()), content)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = hand_on

        def reply(self, status, headers, body):
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in _OWN:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
