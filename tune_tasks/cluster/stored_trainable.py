"""`StoredTrainable`: a trainable in Ray's object store, sent once a sweep, not once a trial."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import ray

from tune_tasks.model.snapshot import Snapshot
from tune_tasks.trial.module import staying_imported
from tune_tasks.trial.trainable import Trainable, TrainFunction

_TRANSFER_S = 300.0

# References to what this worker has loaded for its sweep. They are kept because Ray 2.60 may lose
# an object if a process borrows it again while another thread (that of Ray's garbage collector,
# for example) gives it back: `ray.get` then waits without end. A reference that is held is never
# given back. `forget_references` is called only when the worker goes over to another sweep.
_held_references: dict[str, Any] = {}


@dataclass(frozen=True)
class StoredTrainable(Trainable):
    """A trainable in Ray's object store.

    Attributes:
        reference: Ray's reference to the trainable.
        search_path: The driver's `sys.path`: a trial can import what the driver can.
        package: The trainable's `shown_package`, known before the trainable is fetched.
        code_reference: Ray's reference to the code that must be importable before the trainable is
            unpickled; None if the trainable carries its code.
    """

    reference: Any
    search_path: tuple[str, ...]
    package: str
    code_reference: Any = None

    @classmethod
    def put(cls, trainable: Trainable, code: Snapshot | None = None) -> StoredTrainable:
        """Store a trainable of this process."""
        code_reference = ray.put(code) if code else None
        return cls(ray.put(trainable), tuple(sys.path), trainable.shown_package(), code_reference)

    def shown_package(self) -> str:
        """See `Trainable`."""
        return self.package

    @contextlib.contextmanager
    def loaded(self) -> Iterator[TrainFunction]:
        """See `Trainable`."""
        before = list(sys.path)
        sys.path += [entry for entry in self.search_path if entry not in before]
        try:
            # The code first: unpickling the trainable imports from it
            with self._code_importable(), _fetched(self.reference).loaded() as function:
                yield function
        finally:
            sys.path[:] = before

    def _code_importable(self) -> AbstractContextManager[None]:
        if self.code_reference is None:
            return contextlib.nullcontext()
        return staying_imported(_fetched(self.code_reference))


def forget_references() -> None:
    """Let go of what the last sweep of this process has loaded."""
    _held_references.clear()


def held_references() -> int:
    """Return how many objects of its sweep this process holds."""
    return len(_held_references)


def _fetched(reference: Any) -> Any:
    _held_references[reference.hex()] = reference
    return ray.get(reference, timeout=_TRANSFER_S)
