"""`Steps`: what is sent to a server, one request after the other, each of them once."""

from __future__ import annotations

from collections.abc import Callable, Iterable

Step = tuple[str, Callable[[], object]]
"""A name that is unique among the steps, and one request; doing it twice must do no harm."""

_MOST_FAILURES = 3


class Steps:
    """Notes which steps were done, because any request may fail.

    A list of steps that has failed is given again, whole. Those that were done are not done again,
    so that a server that fails at every third request gets everything in the end.

    Used by one thread at a time.

    Args:
        on_done: Called after each step that was done.
    """

    def __init__(self, on_done: Callable[[], object]) -> None:
        self._on_done = on_done
        self._done: set[str] = set()

    def in_order(self, steps: Iterable[Step]) -> None:
        """Do the steps, each after the one before.

        Raises:
            Exception: What the first step that failed has raised; those behind it are not tried.
        """
        for name, step in steps:
            if name not in self._done:
                step()
                self._note(name)

    def each(self, steps: Iterable[Step]) -> list[Exception]:
        """Do steps that stand alone; returns what has failed.

        A server that fails at several in a row is left alone, because each may cost a time limit.
        """
        problems: list[Exception] = []
        in_a_row = 0
        for name, step in steps:
            if name in self._done:
                continue
            try:
                step()
            except Exception as exc:  # noqa: BLE001 - the next step stands alone
                problems.append(exc)
                in_a_row += 1
                if in_a_row == _MOST_FAILURES:
                    return problems
            else:
                self._note(name)
                in_a_row = 0
        return problems

    def forget(self, beginning: str) -> None:
        """Forget the steps whose names begin so: others take their names."""
        self._done = {name for name in self._done if not name.startswith(beginning)}

    def _note(self, name: str) -> None:
        self._done.add(name)
        self._on_done()
