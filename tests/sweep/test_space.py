"""Whether the results can be written, and waiting for room on their disk."""

import errno
from collections import namedtuple
from pathlib import Path

import pytest

from tune_tasks.errors import UsageError
from tune_tasks.model import disk
from tune_tasks.model.disk import expect_writable
from tune_tasks.sweep.events import Disk
from tune_tasks.sweep.space import SpaceWatch

MIB = 2**20
Statvfs = namedtuple("Statvfs", "f_bavail f_frsize f_blocks f_files f_favail")


def refusal(folder):
    with pytest.raises(UsageError) as caught:
        expect_writable(folder)
    return str(caught.value)


def test_a_folder_that_can_be_made_is_not_made(tmp_path):
    expect_writable(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


def test_where_no_folder_can_be_made(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    for place in ("file", "file/below/it"):
        message = (
            f"--local-dir: the results cannot be written to '{tmp_path}/{place}': {tmp_path}/file"
            " is a file"
        )
        assert refusal(tmp_path / place) == message
    assert refusal(tmp_path / "link" / "x").endswith(f": {tmp_path}/link is a link to nothing")
    assert refusal(tmp_path / ("x" * 300)).endswith(": File name too long")
    assert "embedded null" in refusal(Path("a\0b"))
    assert refusal(Path("/proc/results")).startswith(
        "--local-dir: the results cannot be written to '/proc/results': "
    )


class Full:
    """A disk with so much free, and a clock."""

    def __init__(self, monkeypatch, free=100 * MIB, size=1000 * MIB, files=1000):
        self.free, self.size, self.files, self.now, self.said = free, size, files, 0.0, []
        monkeypatch.setattr(
            disk.os, "statvfs", lambda _: Statvfs(self.free, 1, self.size, 1000, self.files)
        )
        self.watch = SpaceWatch(
            Path("/"), self.said.append, self.said.append, clock=lambda: self.now
        )


def test_a_full_disk_is_said_once_and_so_is_that_there_is_room_again(monkeypatch):
    full = Full(monkeypatch)
    assert full.watch.look() is Disk.ROOMY
    full.free = 7 * MIB
    assert [full.watch.look(), full.watch.look()] == [Disk.FULL, Disk.FULL]
    full.free = 8 * MIB
    assert [full.watch.look(), full.watch.look()] == [Disk.ROOMY, Disk.ROOMY]
    assert full.said == [
        (
            "no results can be written to / (7.0 MiB and 1,000 files are free): "
            "no trial is started until they can, for 10 minutes at most"
        ),
        "results can be written to / again: the sweep goes on",
    ]


def test_the_waiting_ends(monkeypatch):
    full = Full(monkeypatch, files=0)
    assert full.watch.look() is Disk.FULL
    full.now = 599.0
    assert (full.watch.look(), full.watch.given_up) == (Disk.FULL, None)
    full.now = 600.0
    assert full.watch.look() is Disk.GIVEN_UP
    assert full.watch.given_up == "no results could be written to / for 10 minutes"
    full.files = 5
    assert full.watch.look() is Disk.GIVEN_UP


def test_a_small_disk_may_have_little_free(monkeypatch):
    small = Full(monkeypatch, free=MIB // 10, size=MIB)
    assert small.watch.look() is Disk.ROOMY


def test_a_quota_that_the_disk_does_not_tell_of(monkeypatch):
    """Attempts find no room though the disk has some.

    One is tried now and then, and the waiting ends all the same.
    """
    full = Full(monkeypatch)
    for second in range(0, 600, 10):
        full.now = float(second)
        assert full.watch.look() is Disk.ROOMY
        full.watch.found_full("Disk quota exceeded")
        assert full.watch.look() is Disk.FULL
    assert len(full.said) == 1
    full.now = 601.0
    full.watch.found_full("Disk quota exceeded")
    assert full.watch.given_up


def test_an_attempt_that_can_write_ends_the_doubt(monkeypatch):
    full = Full(monkeypatch)
    full.watch.found_full("Disk quota exceeded")
    full.watch.found_room(1.0)  # it had begun before
    full.now = 6.0
    assert (full.watch.look(), len(full.said)) == (Disk.ROOMY, 1)
    full.watch.found_room(0.5)
    assert (full.watch.look(), len(full.said)) == (Disk.ROOMY, 2)


def test_the_numbers_of_a_disk_that_takes_nothing():
    assert {errno.ENOSPC, errno.EDQUOT, errno.EROFS} == set(disk.NO_SPACE)
    assert {*disk.NO_SPACE, errno.EIO} < set(disk.TAKES_NOTHING)
    assert errno.EEXIST not in disk.TAKES_NOTHING
