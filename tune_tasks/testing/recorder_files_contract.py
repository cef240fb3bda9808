"""`RecorderFilesContract`: the part of `RecorderContract` that is about files of other machines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.checkpoint_folder import copy_aside
from tune_tasks.model.checkpoint_manifest import Manifest, seal
from tune_tasks.recording.client import RecorderClient
from tune_tasks.recording.protocol import FilePiece
from tune_tasks.testing.samples import RETURNED

_TEXT = b"what a trial has left"


class RecorderFilesContract:
    """`RecorderContract` derives from it, and has the fixture `recorder`."""

    @pytest.fixture
    def remote(self, recorder: RecorderClient, info: AttemptInfo, tmp_path: Path) -> AttemptInfo:
        """An attempt on another machine, which has announced itself."""
        remote = replace(info, node="another machine", folder=tmp_path / "copy")
        recorder.open(remote)
        return remote

    def test_a_file_comes_in_pieces(self, recorder: RecorderClient, remote: AttemptInfo) -> None:
        """A piece that comes twice, or from elsewhere, is not taken; it is there once it is all."""
        path = remote.folder / "plots" / "loss.txt"
        sizes = []
        for start, end in ((0, 4), (0, 4), (9, 12)):
            piece = FilePiece(path, start, _TEXT[start:end], len(_TEXT))
            sizes.append(recorder.put(remote.key, piece))
        assert sizes == [4, 4, 4]
        assert recorder.get(path, 0) == FilePiece(path, 0, b"", 0)
        rest = FilePiece(path, 4, _TEXT[4:], len(_TEXT))
        assert [recorder.put(remote.key, rest) for _ in range(2)] == [len(_TEXT)] * 2
        assert recorder.get(path, 5) == FilePiece(path, 5, _TEXT[5:], len(_TEXT))
        assert recorder.names(path.parent) == ["loss.txt"]
        assert recorder.names(path.parent / "absent") == []

    def test_an_empty_file_comes(self, recorder: RecorderClient, remote: AttemptInfo) -> None:
        """In one piece that holds nothing."""
        path = remote.folder / "done"
        assert recorder.put(remote.key, FilePiece(path, 0, b"", 0)) == 0
        assert "done" in (recorder.names(remote.folder) or [])

    def test_a_checkpoint_has_its_name_once_it_is_whole(
        self, recorder: RecorderClient, remote: AttemptInfo, tmp_path: Path
    ) -> None:
        """One that was altered on its way is to be sent again."""
        made = _checkpoint(tmp_path / "trial's")
        folder = remote.folder / "checkpoints" / "000010"
        _send(recorder, remote, made, folder, altered=b"WEIGHTS")
        assert recorder.settle(remote.key, copy_aside(folder), folder.name) is False
        assert folder.name not in (recorder.names(folder.parent) or [])
        _send(recorder, remote, made, folder)
        for _ in range(2):  # the answer may be lost
            assert recorder.settle(remote.key, copy_aside(folder), folder.name) is True
        assert recorder.names(folder.parent) == [folder.name]
        piece = recorder.get(folder / "weights", 0)
        assert piece is not None
        assert piece.data == b"weights"

    def test_an_attempt_that_has_ended_changes_no_file(
        self, recorder: RecorderClient, remote: AttemptInfo, info: AttemptInfo
    ) -> None:
        """The next may have begun, while a process that is taken for dead still sends."""
        piece = FilePiece(remote.folder / "late", 0, _TEXT, len(_TEXT))
        assert recorder.put("unknown/0/1", piece) is None
        recorder.close(remote.key, RETURNED)
        assert recorder.put(remote.key, piece) is None
        assert recorder.settle(remote.key, remote.folder / "aside", "000010") is None


def _checkpoint(folder: Path) -> Path:
    folder.mkdir()
    (folder / "weights").write_bytes(b"weights")
    seal(folder, Manifest(10, 100, 1.0, 10, 0))
    return folder


def _send(
    recorder: RecorderClient, info: AttemptInfo, made: Path, to: Path, altered: bytes | None = None
) -> None:
    for path in made.iterdir():
        data = path.read_bytes()
        if altered and path.name == "weights":
            data = altered
        recorder.put(info.key, FilePiece(copy_aside(to) / path.name, 0, data, len(data)))
