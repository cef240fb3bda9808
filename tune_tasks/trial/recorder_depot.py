"""`RecorderDepot`: the driver's machine, reached through the recorder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from tune_tasks.model.checkpoint_folder import copy_aside
from tune_tasks.model.checkpoint_manifest import MANIFEST, read_manifest
from tune_tasks.recording.client import RecorderClient
from tune_tasks.recording.protocol import PIECE_BYTES, FilePiece
from tune_tasks.trial.depot import Depot, DepotAwayError, NotWholeError, patiently

LIMIT_BYTES = 2**30
"""The most that goes to the driver's machine: more would keep the network and its disk busy."""

_Answer = TypeVar("_Answer")


class RecorderDepot(Depot):
    """See `Depot`.

    Args:
        recorder: The recorder; used in the calling thread, which must not be the main thread.
        key: The attempt's.
        clock: Seconds on a clock that never jumps.
        sleep: Waits for so many seconds.
    """

    limit = LIMIT_BYTES

    def __init__(
        self,
        recorder: RecorderClient,
        key: str,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._recorder = recorder
        self._key = key
        self._clock = clock
        self._sleep = sleep
        self._received: dict[Path, int] = {}

    def put(self, path: Path) -> Iterator[None]:
        """See `Depot`."""
        return self._put(path, path)

    def put_checkpoint(self, folder: Path) -> Iterator[None]:
        """See `Depot`."""
        aside = copy_aside(folder)
        for name in (*read_manifest(folder).files, MANIFEST):
            yield from self._put(folder / name, aside / name)
        is_whole = self._recorder.settle(self._key, aside, folder.name)
        if is_whole is None:
            raise DepotAwayError
        self._received.clear()
        if not is_whole:
            raise NotWholeError

    def names(self, folder: Path) -> list[str]:
        """See `Depot`."""
        return self._answer_to(lambda: self._recorder.names(folder))

    def get(self, path: Path, to: Path, most: int | None = None) -> None:
        """See `Depot`."""
        offset = 0
        with to.open("wb") as file:
            while most is None or offset < most:
                piece = self._piece(path, offset)
                data = piece.data if most is None else piece.data[: most - offset]
                file.write(data)
                offset += len(data)
                if not data or offset >= piece.size:
                    return

    def _put(self, path: Path, to: Path) -> Iterator[None]:
        size = path.stat().st_size
        if self._received.get(to) == size:
            return
        with path.open("rb") as file:
            while True:
                offset = self._received.get(to, 0)
                file.seek(offset)
                data = file.read(min(PIECE_BYTES, size - offset))
                if offset < size and not data:
                    raise OSError(f"{path} has become shorter while it was sent")
                received = self._recorder.put(self._key, FilePiece(to, offset, data, size))
                if received is None:
                    raise DepotAwayError
                self._received[to] = received
                yield
                if received >= size:
                    return

    def _piece(self, path: Path, offset: int) -> FilePiece:
        return self._answer_to(lambda: self._recorder.get(path, offset))

    def _answer_to(self, question: Callable[[], _Answer | None]) -> _Answer:
        def ask() -> _Answer:
            answer = question()
            if answer is None:
                raise DepotAwayError
            return answer

        return patiently(ask, self._clock, self._sleep)
