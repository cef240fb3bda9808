"""`Depot`: where the files of a trial are kept so that every machine gets at them.

A file has the same path in a depot as on the trial's own machine. It is sent in steps, because the
monitor, which sends it, has other things to do between two of them.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from tune_tasks.model.timeouts import DEPOT_AWAY_S

_PAUSE_S = 1.0
_Answer = TypeVar("_Answer")


class DepotAwayError(Exception):
    """A depot does not answer just now; internal, it is tried again. The message says why."""

    def __init__(self, why: str = "nobody answers there") -> None:
        super().__init__(why)


class NotWholeError(Exception):
    """What has arrived is not what was sent; internal, it is sent again."""


class Depot(ABC):
    """See the module's docstring. Not for several threads at once.

    Sending raises OSError if a file on this machine cannot be read: it may have been removed.

    Attributes:
        limit: Bytes of a checkpoint, or of what a trial leaves in its folder, that can be sent;
            None if there is no limit.
    """

    limit: int | None = None

    @abstractmethod
    def put(self, path: Path) -> Iterator[None]:
        """Send a file, a piece at each step. What has arrived before is not sent again.

        Raises:
            DepotAwayError: In a step; the file is to be sent once more later.
        """

    @abstractmethod
    def put_checkpoint(self, folder: Path) -> Iterator[None]:
        """Send a checkpoint, a piece at each step. It is there whole, or not at all.

        Those that need not be kept there any more are removed.

        Raises:
            DepotAwayError: See `put`.
            NotWholeError: It was altered on its way.
            CheckpointUnusableError: It is damaged on this machine.
        """

    @abstractmethod
    def names(self, folder: Path) -> list[str]:
        """Return the names in a folder; none if there is no such folder.

        Raises:
            DepotAwayError: If the depot does not answer.
        """

    @abstractmethod
    def get(self, path: Path, to: Path, most: int | None = None) -> None:
        """Copy a file to this machine; an empty one if the depot has none.

        Args:
            path: The file's.
            to: Where it is written.
            most: How many bytes, at most; None for all of them.

        Raises:
            DepotAwayError: If the depot does not answer.
            OSError: If it cannot be written.
        """


def patiently(
    ask: Callable[[], _Answer],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> _Answer:
    """Ask until there is an answer: who has died may be just being started again.

    Args:
        ask: The question, which raises DepotAwayError.
        clock: Seconds on a clock that never jumps.
        sleep: Waits for so many seconds.

    Raises:
        DepotAwayError: If there is none in time.
    """
    deadline = clock() + DEPOT_AWAY_S
    while True:
        try:
            return ask()
        except DepotAwayError:
            if clock() > deadline:
                raise
        sleep(_PAUSE_S)


def too_large(what: str, size: int, limit: int) -> str:
    """The message for what does not go to the driver's machine."""
    return (
        f"{what} has {size / 2**30:.3g} GiB, and no more than {limit / 2**30:.3g} GiB go from"
        " another machine to the driver's; set a storage that all machines reach: `--storage URL`,"
        " or `storage` in the spec"
    )
