"""The trainable of a script file: finds, keeps, packs and loads a function of the script.

A script is executed anew for each trial, so that a warm process shows each trial fresh globals, and
two scripts that have a `model.py` each do not mix.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from tune_tasks.errors import TrainableError, UsageError
from tune_tasks.model.snapshot import Snapshot, files_below, is_ours
from tune_tasks.trial.script_end import exit_functions_run
from tune_tasks.trial.trainable import Trainable, TrainFunction, function_of

_EXTENSIONS = tuple(EXTENSION_SUFFIXES)
_TRAVELLING_BYTES = 500 * 2**20


@dataclass(frozen=True)
class ScriptTrainable(Trainable):
    """A function of a script file.

    Attributes:
        path: Absolute.
        entrypoint: The function's name.
    """

    path: Path
    entrypoint: str

    def kept(self) -> KeptScript:
        """The script with the modules beside it as they are now.

        Raises:
            TrainableError: If the script cannot be read any more.
        """
        try:
            return KeptScript(Snapshot.take(self.path), self.path.name, self.entrypoint)
        except OSError as exc:
            raise TrainableError(f"cannot read the script {self.path}: {exc}") from exc

    def loaded(self) -> AbstractContextManager[TrainFunction]:
        """The function as it is now."""
        return self.kept().loaded()


@dataclass(frozen=True)
class KeptScript(Trainable):
    """A function of a script as it was when the sweep began, for machines that have its folder.

    Attributes:
        snapshot: Of the script's folder.
        name: The script's, in the folder.
        entrypoint: The function's name.
    """

    snapshot: Snapshot
    name: str
    entrypoint: str

    def code(self) -> Snapshot:
        """The snapshot of the script's folder."""
        return self.snapshot

    def packed(self) -> PackedScript:
        """The script with its whole folder."""
        return PackedScript.pack(self)

    def kept_script(self) -> KeptScript:
        """Itself."""
        return self

    @contextlib.contextmanager
    def loaded(self) -> Iterator[TrainFunction]:
        """The function, with the script's folder first on `sys.path`."""
        folder = self.snapshot.folder
        path = str(folder / self.name)
        with (
            _script_is_the_program(str(folder), path),
            self.snapshot.importable(),
            exit_functions_run(str(folder)),
        ):
            module = self.snapshot.execute(self.name, self._module_name())
            yield function_of(module, self.entrypoint, path)

    def _module_name(self) -> str:
        """The script's own name, by which modules of its folder, and pickles, find it.

        A module that is there already keeps its name: a script `json.py` is not Python's `json`.
        """
        stem = Path(self.name).stem
        return f"tune_script_{stem}" if stem in sys.modules else stem


@dataclass(frozen=True)
class PackedScript(Trainable):
    """A script with its whole folder, for machines that do not have it.

    Attributes:
        archive: The bytes of a zip file with the whole folder: the code, and data for example.
        script: The code.
    """

    archive: bytes = field(repr=False)
    script: KeptScript

    @classmethod
    def pack(cls, script: KeptScript) -> PackedScript:
        """Pack a script's folder; hidden folders, virtual environments and caches stay behind.

        Raises:
            UsageError: If the folder is too large to travel.
        """
        buffer = io.BytesIO()
        # Not strict, because some file systems give dates before 1980, which zip does not have.
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
            for name, source in script.snapshot.sources.items():
                archive.writestr(name, source)
            _add_other_files(archive, script.snapshot)
        return cls(buffer.getvalue(), script)

    @contextlib.contextmanager
    def loaded(self) -> Iterator[TrainFunction]:
        """The function, from a folder that is there as long as the context."""
        with tempfile.TemporaryDirectory(prefix="tune-tasks-script-") as folder:
            zipfile.ZipFile(io.BytesIO(self.archive)).extractall(folder)
            snapshot = replace(self.script.snapshot, folder=Path(folder))
            with replace(self.script, snapshot=snapshot).loaded() as function:
                yield function


def _add_other_files(archive: zipfile.ZipFile, snapshot: Snapshot) -> None:
    """Add what the folder has beside the code that was kept: the code may have changed since."""
    folder = snapshot.folder
    size = 0
    for path in files_below(folder):
        name = path.relative_to(folder)
        if name.as_posix() in snapshot.sources:
            continue
        size += path.stat().st_size
        if size > _TRAVELLING_BYTES:
            raise UsageError(
                f"the script's folder {folder} is larger than {_TRAVELLING_BYTES >> 20} MiB"
                " and cannot travel to the cluster: move the script to a folder of its"
                " own, and data to where every machine reaches it"
            )
        archive.write(path, name)


@contextlib.contextmanager
def _script_is_the_program(folder: str, path: str) -> Iterator[None]:
    """Have `sys` be as for `python script.py`; afterwards the modules of the folder are forgotten.

    Args:
        folder: The script's.
        path: The script's.
    """
    modules = set(sys.modules)
    old_path = list(sys.path)
    old_argv = sys.argv
    sys.path.insert(0, folder)
    sys.argv = [path]
    try:
        yield
    finally:
        sys.path[:] = old_path
        sys.argv = old_argv
        for name in set(sys.modules) - modules:
            if _is_the_scripts(name, folder):
                del sys.modules[name]


def _is_the_scripts(name: str, folder: str) -> bool:
    """True for a module of the script's folder that the next trial may import afresh.

    What is installed below the folder stays: a virtual environment, ourselves. So do extension
    modules, because a process cannot import one twice.
    """
    file = getattr(sys.modules[name], "__file__", None)
    if not file or not file.startswith(folder + os.sep):
        return False
    is_installed = "site-packages" in file
    return not is_installed and not is_ours(name) and not file.endswith(_EXTENSIONS)
