"""Shows people how a sweep does: a live table on a terminal, else the status block now and then."""

from __future__ import annotations

import contextlib
import sys
import time
from abc import ABC, abstractmethod
from typing import TextIO

from tune_tasks.model.text import cut_lines, printed, showable
from tune_tasks.sweep.live_table import live_table
from tune_tasks.sweep.status import StatusView, status_lines

_EVERY_S = 3.0
_LIVE_EVERY_S = 0.5


def put(text: str, out: TextIO) -> None:
    """Print a text, if that is possible. If it is not, the sweep goes on.

    The reader of a pipe may have gone, or the disk behind a file may be full.
    """
    with contextlib.suppress(OSError, ValueError):
        print(printed(text, out.encoding), file=out, flush=True)


class Display(ABC):
    """Shows how a sweep stands.

    The driver calls `show` twice a second; a display decides itself how often it shows anything.
    """

    @abstractmethod
    def show(self, view: StatusView) -> None:
        """Show how the sweep stands, if that is due."""

    @abstractmethod
    def note(self, text: str) -> None:
        """Show a text at once."""

    def warn(self, text: str) -> None:
        """Show something that went wrong and was survived, or that was probably not meant."""
        self.note(f"Warning: {cut_lines(text)}")

    def close(self) -> None:
        """Show how the sweep stood last: nothing more comes."""


class ClassicDisplay(Display):
    """Prints the status block when something changed, at most every three seconds."""

    def __init__(self, out: TextIO, *, every_s: float = _EVERY_S) -> None:
        self._out = out
        self._every_s = every_s
        self._shown: list[str] = []
        self._shown_at = float("-inf")
        self._last: StatusView | None = None

    def show(self, view: StatusView) -> None:
        """See `Display`."""
        self._last = view
        if time.monotonic() - self._shown_at >= self._every_s:
            self._print(view)

    def note(self, text: str) -> None:
        """See `Display`."""
        put(text, self._out)

    def close(self) -> None:
        """Print the latest block, if it is not printed yet."""
        if self._last:
            self._print(self._last)
            self._last = None

    def _print(self, view: StatusView) -> None:
        lines = list(status_lines(view))
        self._shown_at = time.monotonic()
        if lines != self._shown:
            self._shown = lines
            put("\n".join(lines), self._out)


class LiveDisplay(Display):
    """A table on a terminal, kept up to date in place."""

    def __init__(self, out: TextIO) -> None:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(
            console=Console(file=out),
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._shown_at = float("-inf")
        self._last: StatusView | None = None

    def show(self, view: StatusView) -> None:
        """See `Display`."""
        self._last = view
        if time.monotonic() - self._shown_at >= _LIVE_EVERY_S:
            self._shown_at = time.monotonic()
            self._live.start()
            self._live.update(live_table(view), refresh=True)

    def note(self, text: str) -> None:
        """See `Display`."""
        with contextlib.suppress(OSError, ValueError):
            self._live.console.print(showable(text), markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Leave the last table standing."""
        if self._last:
            with contextlib.suppress(OSError, ValueError):
                self._live.update(live_table(self._last), refresh=True)
                self._live.stop()
            self._last = None


class NoDisplay(Display):
    """Shows nothing but warnings, on standard error."""

    def show(self, view: StatusView) -> None:
        """See `Display`."""

    def note(self, text: str) -> None:
        """See `Display`."""

    def warn(self, text: str) -> None:
        """See `Display`."""
        put(f"Warning: {cut_lines(text)}", sys.stderr)


def make_display(kind: str, out: TextIO) -> Display:
    """Return the display of a kind.

    Args:
        kind: `live`, `classic`, `none`, or `auto`, which is live on a terminal and else classic.
        out: Where it shows.
    """
    if kind == "none":
        return NoDisplay()
    if kind == "live" or (kind == "auto" and out.isatty()):
        return LiveDisplay(out)
    return ClassicDisplay(out)
