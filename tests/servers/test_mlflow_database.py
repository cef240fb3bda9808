"""The SQLite file of a local MLflow store, looked at without MLflow."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tune_tasks.errors import ServiceError
from tune_tasks.servers.mlflow_client import expect_usable
from tune_tasks.servers.mlflow_database import (
    Schema,
    _revisions,
    database_of,
    make_aside,
    schema_of,
)


@pytest.fixture
def database(tmp_path):
    return tmp_path / "mlflow.db"


def store(database, revision):
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE experiments (experiment_id INTEGER)")
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        if revision:
            connection.execute("INSERT INTO alembic_version VALUES (?)", (revision,))
        connection.commit()


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("sqlite:////data/mlflow.db", Path("/data/mlflow.db")),
        ("sqlite:////data/mlflow.db?timeout=5", Path("/data/mlflow.db")),
        ("sqlite:///:memory:", None),
        ("http://host:5000", None),
        ("/data/mlruns", None),
    ],
)
def test_the_file_of_a_tracking_uri(uri, path):
    assert database_of(uri) == path


@pytest.mark.processes
def test_the_revisions_of_the_installed_mlflow():
    known, newest = _revisions()
    assert newest in known
    assert len(known) > 50


@pytest.mark.processes
def test_a_store_that_is_there_or_is_yet_to_be_made_can_be_used(database):
    assert schema_of(database, writes=True) is Schema.USABLE
    assert list(database.parent.iterdir()) == []
    database.touch()
    assert schema_of(database, writes=True) is Schema.USABLE
    database.unlink()
    store(database, _revisions()[1])
    assert schema_of(database, writes=True) is Schema.USABLE


@pytest.mark.processes
def test_an_older_one_may_be_brought_up_to_date(database):
    known, newest = _revisions()
    store(database, (known - {newest}).pop())
    assert schema_of(database, writes=True) is Schema.OLDER


def broken_off(database):
    store(database, None)


def newer(database):
    store(database, "0123456789ab")


def no_database(database):
    database.write_text("something else, and longer than SQLite's header " * 10)


def is_a_folder(database):
    database.mkdir()


def in_a_file(database):
    database.parent.rmdir()
    database.parent.touch()


@pytest.mark.processes
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (
            broken_off,
            (
                "the making of it was broken off; move it away to have a new one made, or name"
                " another store"
            ),
        ),
        (
            newer,
            (
                r"a newer MLflow has made it \(schema 0123456789ab\); install that one, or name"
                r" another store"
            ),
        ),
        (
            no_database,
            "file is not a database; move it away, or name another store with MLFLOW_TRACKING_URI",
        ),
        (is_a_folder, "Is a directory"),
        (in_a_file, "Not a directory|is a file"),
    ],
)
def test_one_that_cannot_be_used_is_said_in_a_sentence(database, make, reason):
    make(database)
    with pytest.raises(
        ServiceError, match=f"the MLflow store {database} cannot be used: .*({reason})"
    ):
        expect_usable(f"sqlite:///{database}")


def test_a_store_appears_when_it_is_ready(database):
    def make(uri):
        assert not database.exists()
        store(database_of(uri), "x")

    left_behind = database.with_name(".mlflow.db.new")
    left_behind.mkdir()
    (left_behind / "mlflow.db").write_text("of a process that was killed")
    make_aside(database, make)
    assert [path.name for path in database.parent.iterdir()] == ["mlflow.db"]
    make_aside(database, lambda _: pytest.fail("made again"))


def test_nothing_is_left_of_one_that_could_not_be_made(database):
    def make(_):
        raise RuntimeError

    with pytest.raises(RuntimeError):
        make_aside(database, make)
    assert list(database.parent.iterdir()) == []
