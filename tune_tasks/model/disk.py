"""Whether the disk of the results can be written."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from tune_tasks.errors import UsageError

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
"""The numbers of the errors that say that a disk, or what a user may have of it, is full."""


def expect_writable(folder: Path) -> None:
    """Look whether the folder can be made and written, without making it.

    Raises:
        UsageError: If it cannot; says why.
    """
    try:
        place = nearest_existing(folder)
        if not place.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"{place} is a file")
        with tempfile.TemporaryFile(dir=place):
            pass
    except (OSError, ValueError) as exc:  # a NUL in the path is a ValueError
        reason = (exc.strerror or str(exc)) if isinstance(exc, OSError) else str(exc)
        raise UsageError(
            f"--local-dir: the results cannot be written to {str(folder)!r}: {reason}"
        ) from exc


def nearest_existing(folder: Path) -> Path:
    """The folder, or the nearest of those above it that exists."""
    for place in (folder, *folder.parents):
        try:
            os.stat(place)  # noqa: PTH116 - Path.exists() hides what is wrong
        except FileNotFoundError:
            if place.is_symlink():
                raise FileNotFoundError(errno.ENOENT, f"{place} is a link to nothing") from None
        except NotADirectoryError:
            continue  # its parent is the file to be named
        else:
            return place
    return folder
