"""Event files, read back by TensorBoard's own reader."""

import errno
import io

import pytest
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary

from tune_tasks.tracking import event_file
from tune_tasks.tracking.event_file import PATTERN, EventFile


def read(folder):
    (path,) = folder.glob(PATTERN)
    first, *events = EventFileLoader(str(path)).Load()
    assert first.file_version == "brain.Event:2"
    return [
        (event.step, event.wall_time, {v.tag: v.tensor.float_val[0] for v in event.summary.value})
        for event in events
    ]


def point(values, step, wall_time):
    points = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
    return Event(step=step, wall_time=wall_time, summary=Summary(value=points))


def test_what_is_written_is_read(tmp_path):
    file = EventFile(tmp_path)
    file.append([point({"a": 0.0, "b/Größe": -1.5}, 0, 12.25), point({}, 300, 13.0)])
    file.append([point({"a": 2.0}, 301, 14.0)])
    assert read(tmp_path) == [
        (0, 12.25, {"a": 0.0, "b/Größe": -1.5}),
        (300, 13.0, {}),
        (301, 14.0, {"a": 2.0}),
    ]


def test_a_long_event(tmp_path):
    values = {f"metric {number}": float(number) for number in range(1000)}
    EventFile(tmp_path).append([point(values, 1, 2.0)])
    assert read(tmp_path) == [(1, 2.0, values)]


def test_a_folder_that_was_removed_is_made_again(tmp_path):
    file = EventFile(tmp_path / "trial")
    file.append([point({"a": 1.0}, 1, 1.0)])
    (path,) = (tmp_path / "trial").iterdir()
    path.unlink()
    (tmp_path / "trial").rmdir()
    file.append([point({"a": 2.0}, 2, 2.0)])
    assert read(tmp_path / "trial") == [(2, 2.0, {"a": 2.0})]


def test_points_that_did_not_fit_on_the_disk_are_written_once_later(tmp_path, monkeypatch):
    file = EventFile(tmp_path)
    file.append([point({"a": 1.0}, 1, 1.0)])

    def write_a_part(write, data):
        write(data[:20])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(event_file, "_write_all", write_a_part)
        with pytest.raises(OSError, match="No space"):
            file.append([point({"a": 2.0}, 2, 2.0)])
    file.append([point({"a": 2.0}, 2, 2.0)])
    assert read(tmp_path) == [(1, 1.0, {"a": 1.0}), (2, 2.0, {"a": 2.0})]


def test_a_write_that_takes_less_than_it_is_given_is_continued():
    taken = io.BytesIO()
    event_file._write_all(lambda data: taken.write(data[:3]), b"0123456789")
    assert taken.getvalue() == b"0123456789"
