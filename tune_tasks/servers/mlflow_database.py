"""The SQLite file of a local MLflow store.

One process at a time makes it, and whether it can be used is seen beforehand.
"""

from __future__ import annotations

import contextlib
import enum
import fcntl
import importlib.util
import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

_SQLITE = "sqlite:///"
_REVISION = re.compile(r"^(down_)?revision\b[^=\n]*= *[\"'](\w+)[\"']", re.MULTILINE)
_ELSEWHERE = "or name another store with MLFLOW_TRACKING_URI"


def database_of(uri: str) -> Path | None:
    """The file that an absolute tracking URI names; None if it names something else."""
    path = uri.removeprefix(_SQLITE).partition("?")[0]
    return Path(path) if uri.startswith(_SQLITE) and path not in ("", ":memory:") else None


@contextlib.contextmanager
def alone_with(database: Path) -> Iterator[None]:
    """Have the file for oneself among our processes.

    MLflow's migrations, several at once, ruin it.
    """
    with contextlib.ExitStack() as stack:
        # A folder that cannot be written: nobody makes anything in it
        with contextlib.suppress(OSError):
            lock = stack.enter_context(database.with_name(f".{database.name}.lock").open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def make_aside(database: Path, make: Callable[[str], None]) -> None:
    """Make the file if there is none.

    Aside and then renamed, for the migrations of one that was left halfway never end.

    Args:
        database: The file.
        make: Makes a store by its URI.
    """
    if database.exists() and database.stat().st_size:
        return
    folder = database.with_name(f".{database.name}.new")
    shutil.rmtree(folder, ignore_errors=True)  # of a process that was killed while it made one
    folder.mkdir(parents=True)
    try:
        make(f"{_SQLITE}{folder / database.name}")
        (folder / database.name).replace(database)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Schema(enum.Enum):
    """What a file's schema is to the installed MLflow."""

    USABLE = "usable"  # or to be made
    OLDER = "older"  # MLflow may be able to bring it up to date


def schema_of(database: Path, *, writes: bool) -> Schema:
    """What the file is to the installed MLflow, which is not imported for that.

    Raises:
        OSError: If it cannot be read, or written.
        ValueError: If it cannot be used; says why, and what to do.
    """
    if not database.exists():
        _expect_folder(database.parent)
        return Schema.USABLE
    with database.open("r+b" if writes else "rb"):
        pass
    if writes and not os.access(database.parent, os.W_OK):
        raise PermissionError(f"its folder {database.parent} cannot be written")
    with alone_with(database):
        tables, revision = _content(database)
    known, newest = _revisions()
    if not tables & {"experiments", "runs"} or revision == newest or not known:
        return Schema.USABLE
    if not revision:
        raise ValueError(
            f"the making of it was broken off; move it away to have a new one made, {_ELSEWHERE}"
        )
    if revision not in known:
        raise ValueError(
            f"a newer MLflow has made it (schema {revision}); install that one, {_ELSEWHERE}"
        )
    return Schema.OLDER


def _expect_folder(folder: Path) -> None:
    """One in which the file can be made, with the folders in between."""
    place = next(place for place in (folder, *folder.parents) if place.exists())
    if not place.is_dir():
        raise NotADirectoryError(f"{place} is a file")
    if not os.access(place, os.W_OK):
        raise PermissionError(f"{place} cannot be written")


def _content(database: Path) -> tuple[set[str], str | None]:
    """The names of its tables, and the revision of MLflow's schema."""
    try:
        with contextlib.closing(
            sqlite3.connect(f"file:{quote(str(database))}?mode=ro", uri=True)
        ) as connection:
            tables = {
                str(name)
                for (name,) in connection.execute(
                    "SELECT name FROM sqlite_master WHERE type = 'table'"
                )
            }
            row = (
                connection.execute("SELECT version_num FROM alembic_version").fetchone()
                if "alembic_version" in tables
                else None
            )
    except sqlite3.OperationalError:
        # Somebody writes just now, or has left a journal: MLflow itself sees to that
        return set(), None
    except sqlite3.DatabaseError as exc:
        raise ValueError(f"{exc}; move it away, {_ELSEWHERE}") from exc
    return tables, row and str(row[0])


def _revisions() -> tuple[set[str], str | None]:
    """The revisions of MLflow's schema that the installed one knows, and the newest.

    None if they are not where they were.
    """
    spec = importlib.util.find_spec("mlflow")
    revisions, older = set[str](), set[str]()
    for folder in (spec.submodule_search_locations if spec else None) or ():
        for path in Path(folder, "store", "db_migrations", "versions").glob("*.py"):
            for is_older, revision in _REVISION.findall(path.read_text(encoding="utf-8")):
                (older if is_older else revisions).add(revision)
    newest = revisions - older
    return (revisions, newest.pop()) if len(newest) == 1 else (set(), None)
