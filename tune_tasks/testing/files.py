"""`FakeFiles`: the files of another machine, in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from tune_tasks.model.checkpoint_manifest import CheckpointUnusableError, verified
from tune_tasks.recording.protocol import PIECE_BYTES, FilePiece


class FakeFiles(dict[Path, bytes]):
    """Files by path, as a recorder on another machine has them; see `RecorderClient`."""

    def __init__(self) -> None:
        super().__init__()
        self._arriving: dict[Path, bytes] = {}

    def put(self, piece: FilePiece) -> int:
        """Take a piece of a file."""
        if piece.path in self and len(self[piece.path]) == piece.size:
            return piece.size
        there = self._arriving.get(piece.path, b"")
        if piece.offset == len(there):
            there += piece.data
        self._arriving[piece.path] = there
        if len(there) >= piece.size:
            self[piece.path] = self._arriving.pop(piece.path)
        return len(there)

    def settle(self, aside: Path, final: Path) -> bool:
        """Give a checkpoint its name, if it is whole."""
        if any(self._below(final)):
            return True
        files = {path: self.pop(path) for path in list(self._below(aside))}
        if not _is_whole({str(path.relative_to(aside)): data for path, data in files.items()}):
            return False
        self.update({final / path.relative_to(aside): data for path, data in files.items()})
        return True

    def names(self, folder: Path) -> list[str]:
        """Return the names in a folder."""
        return sorted({path.relative_to(folder).parts[0] for path in self._below(folder)})

    def piece(self, path: Path, offset: int) -> FilePiece:
        """Return a piece of a file."""
        data = self.get(path, b"")
        return FilePiece(path, offset, data[offset : offset + PIECE_BYTES], len(data))

    def _below(self, folder: Path) -> Iterator[Path]:
        return (path for path in self if path.is_relative_to(folder))


def _is_whole(files: dict[str, bytes]) -> bool:
    """Return whether the files of a checkpoint are as they were written."""
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        try:
            verified(Path(folder))
        except CheckpointUnusableError:
            return False
    return True
