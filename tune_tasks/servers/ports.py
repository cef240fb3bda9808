"""Listens on a port of this machine that stays the same from one server to the next."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"

_BACKLOG = 128


def listen(port_file: Path | None = None) -> socket.socket:
    """Listen on the loopback address, so that nothing else can have the port from now on.

    Args:
        port_file: Holds the port of the last server, which is taken again if it is free, because
            others have links to it. Another port is noted there.
    """
    listener = _listen_again(port_file) if port_file else None
    if listener is None:
        listener = _listen_on(0)
        if port_file:
            port_file.write_text(str(port_of(listener)))
    return listener


def port_of(listener: socket.socket) -> int:
    """Return the port on which a socket listens."""
    return int(listener.getsockname()[1])


def _listen_again(port_file: Path) -> socket.socket | None:
    """Listen on the port in the file; returns None if there is none, or if it is not free."""
    with contextlib.suppress(OSError, ValueError, OverflowError):
        port = int(port_file.read_text())
        return _listen_on(port) if port else None
    return None


def _listen_on(port: int) -> socket.socket:
    """Listen on a port; 0 means any that is free."""
    listener = socket.socket()
    try:
        # Else the port would be taken as long as connections that have ended are remembered.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, port))
        # At once, because a port that is only bound goes to whoever listens on it first.
        listener.listen(_BACKLOG)
    except (OSError, OverflowError):
        listener.close()
        raise
    return listener
