"""`Depot`: where the files of a trial are kept so that every machine gets at them.

A file has the same path in a depot as on the trial's own machine. It is sent in steps, because the
monitor, which sends it, has other things to do between two of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path


class DepotAwayError(Exception):
    """A depot does not answer just now; internal, it is tried again."""


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


def too_large(what: str, size: int, limit: int) -> str:
    """The message for what does not go to the driver's machine."""
    return (
        f"{what} has {size / 2**30:.3g} GiB, and no more than {limit / 2**30:.3g} GiB go from"
        " another machine to the driver's; give both a folder in common, with --local-dir"
    )
