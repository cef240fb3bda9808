"""Whether the results can be written, and waiting for room on their disk."""

import errno
from collections import namedtuple
from pathlib import Path

import pytest

from tune_tasks.errors import UsageError
from tune_tasks.model import disk
from tune_tasks.model.disk import expect_writable
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


class Disk:
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
    full = Disk(monkeypatch)
    assert full.watch.has_room()
    full.free = 7 * MIB
    assert [full.watch.has_room(), full.watch.has_room(), full.watch.is_waiting] == [
        False,
        False,
        True,
    ]
    full.free = 8 * MIB
    assert [full.watch.has_room(), full.watch.has_room(), full.watch.is_waiting] == [
        True,
        True,
        False,
    ]
    assert full.said == [
        (
            "no room for results in / (7.0 MiB and 1,000 files are free): "
            "no trial is started until there is, for 10 minutes at most"
        ),
        "there is room again in /: the sweep goes on",
    ]


def test_the_waiting_ends(monkeypatch):
    full = Disk(monkeypatch, files=0)
    assert not full.watch.has_room()
    full.now = 599.0
    assert (full.watch.has_room(), full.watch.given_up) == (False, None)
    full.now = 600.0
    assert not full.watch.has_room()
    assert (full.watch.given_up, full.watch.is_waiting) == (
        "no room for results in / for 10 minutes",
        False,
    )
    full.files = 5
    assert not full.watch.has_room()


def test_a_small_disk_may_have_little_free(monkeypatch):
    small = Disk(monkeypatch, free=MIB // 10, size=MIB)
    assert small.watch.has_room()


def test_a_quota_that_the_disk_does_not_tell_of(monkeypatch):
    """Attempts find no room though the disk has some.

    One is tried now and then, and the waiting ends all the same.
    """
    full = Disk(monkeypatch)
    for second in range(0, 600, 10):
        full.now = float(second)
        assert full.watch.has_room()
        full.watch.found_full("Disk quota exceeded")
        assert not full.watch.has_room()
    assert len(full.said) == 1
    full.now = 601.0
    full.watch.found_full("Disk quota exceeded")
    assert full.watch.given_up


def test_an_attempt_that_can_write_ends_the_doubt(monkeypatch):
    full = Disk(monkeypatch)
    full.watch.found_full("Disk quota exceeded")
    full.watch.found_room(1.0)  # it had begun before
    full.now = 6.0
    assert full.watch.has_room()
    assert full.watch.is_waiting
    full.watch.found_room(0.5)
    assert full.watch.has_room()
    assert (full.watch.is_waiting, len(full.said)) == (False, 2)


def test_the_numbers_of_a_full_disk():
    assert {errno.ENOSPC, errno.EDQUOT} == set(disk.NO_SPACE)
