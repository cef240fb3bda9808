"""The trainable of an importable module: `package.module:function`.

The module stays imported from one trial to the next, as Python's users expect of a package. So its
top, which may take long, runs once in a process.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tune_tasks.errors import TrainableError
from tune_tasks.model.snapshot import Snapshot
from tune_tasks.trial.trainable import Trainable, TrainFunction, function_of

_imported: dict[Path, Snapshot] = {}
"""By folder: the snapshot that the modules of this process are from."""


@dataclass(frozen=True)
class ModuleTrainable(Trainable):
    """A function of an importable module: `package.module:function`."""

    module: str
    function: str

    def kept(self) -> KeptModule | ModuleTrainable:
        """The function with its package as it is now; itself if the package is installed.

        Nobody edits an installed package.

        Raises:
            TrainableError: If the package cannot be read.
        """
        try:
            snapshot = Snapshot.of_module(self.module)
        except OSError as exc:
            raise TrainableError(f"cannot read the module {self.module}: {exc}") from exc
        return KeptModule(snapshot, self) if snapshot else self

    @contextlib.contextmanager
    def loaded(self) -> Iterator[TrainFunction]:
        """The function; its module stays imported."""
        yield function_of(importlib.import_module(self.module), self.function, self.module)


@dataclass(frozen=True)
class KeptModule(Trainable):
    """A function of a module whose package is as it was when the sweep began.

    Attributes:
        snapshot: Of the package, in the folder that has it.
        trainable: The function.
    """

    snapshot: Snapshot
    trainable: ModuleTrainable

    def code(self) -> Snapshot:
        """The snapshot of the package."""
        return self.snapshot

    @contextlib.contextmanager
    def loaded(self) -> Iterator[TrainFunction]:
        """The function; its module stays imported."""
        with staying_imported(self.snapshot), self.trainable.loaded() as function:
            yield function


@contextlib.contextmanager
def staying_imported(snapshot: Snapshot) -> Iterator[None]:
    """Have imports find what was kept.

    What is imported stays, until another sweep comes to this process with another snapshot of the
    same folder: its trials have to see their own code.
    """
    folder = snapshot.folder
    earlier = _imported.get(folder)
    if earlier and earlier.digest != snapshot.digest:
        for name in earlier.modules():
            del sys.modules[name]
    _imported[folder] = snapshot
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    with snapshot.importable():
        yield
