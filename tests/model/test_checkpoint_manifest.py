"""A checkpoint says of itself what its files are, and whoever alters one is found out."""

import json
import math
import os

import pytest

from tune_tasks.model.checkpoint_manifest import (
    MANIFEST,
    CheckpointUnusableError,
    Manifest,
    StoredFile,
    check_sizes,
    read_manifest,
    seal,
    verified,
)

ROW = {"timesteps_total": 40, "mean_loss": math.inf, "info": {"deep": {"a": [1, None, "é"]}}}
WHAT = Manifest(4, 40, 2.5, reports=3, size=1234, report=ROW, non_finite=1, time=1e9)


@pytest.fixture
def folder(tmp_path):
    """A sealed checkpoint."""
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    (tmp_path / "model.bin").write_bytes(os.urandom(3_000_000))
    (tmp_path / "deep" / "deeper" / "empty").touch()
    (tmp_path / "deep" / os.fsdecode(b"n\xff")).write_text("a name that is no text")
    (tmp_path / "latest").symlink_to("model.bin")
    seal(tmp_path, WHAT)
    return tmp_path


def test_it_reads_back(folder):
    read = read_manifest(folder)
    assert read == verified(folder)
    assert (read.training_iteration, read.timesteps_total, read.time_total_s) == (4, 40, 2.5)
    assert (read.reports, read.size, read.non_finite, read.time) == (3, 1234, 1, 1e9)
    assert read.report == ROW
    assert sorted(read.files) == sorted(
        ["model.bin", "deep/deeper/empty", f"deep/{os.fsdecode(b'n' + bytes([255]))}"]
    )
    assert read.files["deep/deeper/empty"] == StoredFile(0, "00000000")


def test_a_script_without_files_has_a_checkpoint_too(tmp_path):
    seal(tmp_path, Manifest(0, 0, 0.0, 0, 0))
    assert verified(tmp_path).files == {}


def shorten(folder):
    os.truncate(folder / "model.bin", 2_999_999)


def flip(folder):
    with (folder / "model.bin").open("r+b") as file:
        file.seek(1_500_000)
        byte = file.read(1)
        file.seek(1_500_000)
        file.write(bytes([byte[0] ^ 1]))


def remove(folder):
    (folder / "model.bin").unlink()


def another_report(folder):
    data = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**data, "reports": 4}))


def tear(folder):
    os.truncate(folder / MANIFEST, 100)


def no_mapping(folder):
    (folder / MANIFEST).write_text("[1]")


def no_manifest(folder):
    (folder / MANIFEST).unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (shorten, "model.bin has 2,999,999 bytes, of 3,000,000 that were written"),
        (flip, "model.bin was altered"),
        (remove, "model.bin: No such file or directory"),
        (another_report, "tune_tasks.json was altered"),
        (tear, "tune_tasks.json was altered"),
        (no_mapping, "tune_tasks.json was altered"),
        (no_manifest, "tune_tasks.json: No such file or directory"),
    ],
)
def test_damage_is_found(folder, damage, message):
    damage(folder)
    with pytest.raises(CheckpointUnusableError) as caught:
        verified(folder)
    assert str(caught.value) == message


def test_what_was_added_later_is_no_damage(folder):
    (folder / ".DS_Store").write_text("x")
    verified(folder)


def test_the_sizes_alone_are_looked_at_quickly(folder):
    flip(folder)
    check_sizes(folder, read_manifest(folder))
    shorten(folder)
    with pytest.raises(CheckpointUnusableError):
        check_sizes(folder, read_manifest(folder))
