"""The disk of the results: whether it can be written, and what its errors mean."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from tune_tasks.errors import UsageError

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""The numbers of errors of a disk that is full, as a user's share may be, or can only be read."""
TAKES_NOTHING = (*NO_SPACE, errno.EIO, errno.ESTALE)
"""The same, or the disk fails, or has gone."""


def expect_writable(folder: Path) -> None:
    """Check that the folder can be made and written, without making it.

    Raises:
        UsageError: If it cannot; the message says why.
    """
    try:
        place = nearest_existing(folder)
        if not place.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"{place} is a file")
        with tempfile.TemporaryFile(dir=place):
            pass
    except (OSError, ValueError) as exc:  # a NUL in the path is a ValueError
        raise UsageError(
            f"--local-dir: the results cannot be written to {str(folder)!r}: {_reason(exc)}"
        ) from exc


def nearest_existing(folder: Path) -> Path:
    """Return the folder, or the nearest folder above it that exists.

    Raises:
        OSError: If a part of the path cannot be looked at, or is a link to nothing.
    """
    for place in (folder, *folder.parents):
        try:
            os.stat(place)  # noqa: PTH116 - Path.exists() hides what is wrong
        except FileNotFoundError:
            if place.is_symlink():
                raise FileNotFoundError(errno.ENOENT, f"{place} is a link to nothing") from None
        except NotADirectoryError:
            continue  # a file stands in the way: the message names it
        else:
            return place
    return folder


def _reason(exc: OSError | ValueError) -> str:
    if isinstance(exc, OSError) and exc.strerror:
        return exc.strerror
    return str(exc)
