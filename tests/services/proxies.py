"""A proxy in front of a server, as firms have them.

It takes no websockets, and some answers are its own.
"""

import contextlib
import http.client
import http.server
import threading
from urllib.parse import urlparse

_OWN = {"connection", "content-length", "transfer-encoding", "date", "server"}


@contextlib.contextmanager
def proxy(url, failing=frozenset()):
    """A proxy on loopback that hands requests to the server, without websockets.

    Args:
        url: The server's.
        failing: The numbers of the requests, from 0, that it answers itself: with 500.

    Yields:
        Its address, and the list of what was asked for.
    """
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def hand_on(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked.append(f"{self.command} {self.path}")
            if self.headers.get("Upgrade"):
                return self.reply(404, {}, b"no websockets")
            if len(asked) - 1 in failing:
                return self.reply(500, {}, b"<html>the proxy is not well</html>")
            connection = http.client.HTTPConnection(urlparse(url).netloc, timeout=60)
            with contextlib.closing(connection):
                headers = {
                    name: value for name, value in self.headers.items() if name.lower() not in _OWN
                }
                connection.request(self.command, self.path, body, headers)
                answer = connection.getresponse()
                return self.reply(answer.status, dict(answer.getheaders()), answer.read())

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
