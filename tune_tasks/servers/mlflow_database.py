"""Makes the SQLite file of a local MLflow store, and says beforehand whether it can be used."""

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
    """Return the file that an absolute tracking URI names; None if it names something else."""
    if not uri.startswith(_SQLITE):
        return None
    path = uri.removeprefix(_SQLITE).partition("?")[0]
    if path in ("", ":memory:"):
        return None
    return Path(path)


@contextlib.contextmanager
def alone_with(database: Path) -> Iterator[None]:
    """Keep our other processes from the file, because concurrent migrations of MLflow ruin it."""
    with contextlib.ExitStack() as stack:
        # If the folder cannot be written, nobody makes a store in it.
        with contextlib.suppress(OSError):
            lock = stack.enter_context(database.with_name(f".{database.name}.lock").open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def make_aside(database: Path, make: Callable[[str], None]) -> None:
    """Make the file, if there is none, under another name, and rename it.

    MLflow's migrations do not go on in a file in which they were broken off.

    Args:
        database: The file.
        make: Makes a store, given its URI.
    """
    if database.exists() and database.stat().st_size:
        return
    folder = database.with_name(f".{database.name}.new")
    shutil.rmtree(folder, ignore_errors=True)  # of a process that was killed in the middle
    folder.mkdir(parents=True)
    try:
        make(f"{_SQLITE}{folder / database.name}")
        (folder / database.name).replace(database)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Schema(enum.Enum):
    """What a file's schema is to the installed MLflow."""

    USABLE = "usable"
    """It can be used, or the file is yet to be made."""
    OLDER = "older"
    """MLflow may be able to bring it up to date."""


def schema_of(database: Path, *, writes: bool) -> Schema:
    """Return what the file is to the installed MLflow, without importing MLflow.

    Raises:
        OSError: If the file cannot be read, or written.
        ValueError: If the file cannot be used; says why, and what to do.
    """
    if not database.exists():
        _expect_to_be_makeable(database)
        return Schema.USABLE
    _expect_access(database, writes=writes)
    with alone_with(database):
        tables, revision = _content(database)
    known, newest = _revisions()
    is_of_mlflow = "experiments" in tables or "runs" in tables
    if not is_of_mlflow or revision == newest or not known:
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


def _expect_to_be_makeable(database: Path) -> None:
    """Expect that the file can be made, with the folders in between."""
    place = next(place for place in database.parents if place.exists())
    if not place.is_dir():
        raise NotADirectoryError(f"{place} is a file")
    if not os.access(place, os.W_OK):
        raise PermissionError(f"{place} cannot be written")


def _expect_access(database: Path, *, writes: bool) -> None:
    with database.open("r+b" if writes else "rb"):
        pass
    if writes and not os.access(database.parent, os.W_OK):
        raise PermissionError(f"its folder {database.parent} cannot be written")


def _content(database: Path) -> tuple[set[str], str | None]:
    """Return the names of the file's tables, and the revision of MLflow's schema in it."""
    uri = f"file:{quote(str(database))}?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
            tables = _tables(connection)
            return tables, _revision(connection, tables)
    except sqlite3.OperationalError:
        # Somebody writes just now, or has left a journal behind: MLflow itself copes with that.
        return set(), None
    except sqlite3.DatabaseError as exc:
        raise ValueError(f"{exc}; move it away, {_ELSEWHERE}") from exc


def _tables(connection: sqlite3.Connection) -> set[str]:
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    return {str(name) for (name,) in rows}


def _revision(connection: sqlite3.Connection, tables: set[str]) -> str | None:
    if "alembic_version" not in tables:
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else None


def _revisions() -> tuple[set[str], str | None]:
    """Return the revisions of the schema that the installed MLflow knows, and the newest of them.

    Nothing and None if MLflow's files do not say so.
    """
    revisions: set[str] = set()
    older: set[str] = set()
    for path in _migrations():
        for is_older, revision in _REVISION.findall(path.read_text(encoding="utf-8")):
            if is_older:
                older.add(revision)
            else:
                revisions.add(revision)
    newest = revisions - older
    if len(newest) != 1:
        return set(), None
    return revisions, newest.pop()


def _migrations() -> Iterator[Path]:
    """Yield MLflow's files with one step of its schema each."""
    spec = importlib.util.find_spec("mlflow")
    if spec is None:
        return
    for folder in spec.submodule_search_locations or ():
        yield from Path(folder, "store", "db_migrations", "versions").glob("*.py")
