"""`Snapshot`: the code of a script's folder as it was when the sweep began.

Every trial runs that code, whatever happens to the files meanwhile.

Only code is kept. It is kept in memory, and imported from there under its own paths, so `__file__`
is where it always was. What a script reads beside itself, its data and its own settings, it reads
from the disk, as they are then. A process that a trial starts anew (`subprocess`, `spawn`) knows
nothing of the snapshot, and imports what is on the disk.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import os
import sys
import sysconfig
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.machinery import SOURCE_SUFFIXES, PathFinder
from itertools import chain, islice
from pathlib import Path, PurePosixPath
from types import ModuleType

from tune_tasks.model.kept_modules import KeptFinder, spec_of

_MOST_BYTES = 20 * 2**20
_MOST_LOOKED_AT = 50_000
_STAY_BEHIND = (
    "__pycache__",
    "site-packages",
    "node_modules",
    "tune_results",
    "mlruns",
    "mlartifacts",
)
_PACKAGE_FOLDERS = {"site-packages", "dist-packages"}
_ENVIRONMENT_MARKS = ("pyvenv.cfg", "conda-meta")


@dataclass(frozen=True)
class Snapshot:
    """The Python files of a folder and the folders below it.

    Attributes:
        folder: Absolute.
        sources: Content by path in the folder, with slashes.
        is_whole: False if the folder has more than is kept. The files nearest to the script are
            kept first.
    """

    folder: Path
    sources: Mapping[str, bytes] = field(repr=False)
    is_whole: bool = True

    @classmethod
    def take(cls, script: Path) -> Snapshot:
        """Read a script and the Python files of its folder.

        Raises:
            OSError: If the script cannot be read.
        """
        sources = {script.name: script.read_bytes()}
        return cls._collect(sources, script.parent, files_below(script.parent))

    @classmethod
    def of_module(cls, module: str) -> Snapshot | None:
        """Read a module's package and what is beside it, without executing anything of it.

        Returns:
            None if the module is built in, or installed, because nobody edits it then. None also
            if it is not found: importing it says so better.
        """
        spec = PathFinder.find_spec(module.partition(".")[0])
        if spec is None or spec.origin is None or not spec.has_location:
            return None
        file = Path(spec.origin).absolute()
        if file.suffix not in SOURCE_SUFFIXES or _is_installed(file):
            return None
        if spec.submodule_search_locations is None:
            return cls.take(file)
        folder = file.parent.parent
        return cls._collect({}, folder, chain(files_below(file.parent), files_below(folder)))

    @classmethod
    def of_program(cls) -> Snapshot | None:
        """Read the file that this process runs, and those beside it.

        Returns:
            None if it is installed, or if this process runs no file.
        """
        name = getattr(sys.modules["__main__"], "__file__", None)
        if not name:
            return None
        file = Path(name).absolute()
        # The name may be `<stdin>`. Not `is_file`, which raises if the folder may not be searched.
        if not os.path.isfile(file) or _is_installed(file):  # noqa: PTH113
            return None
        return cls.take(file)

    @classmethod
    def _collect(cls, sources: dict[str, bytes], folder: Path, files: Iterator[Path]) -> Snapshot:
        """Return a snapshot with the sources, and what is to be kept of the files."""
        size = 0
        is_whole = True
        for path in islice(files, _MOST_LOOKED_AT):
            name = path.relative_to(folder).as_posix()
            if path.suffix not in SOURCE_SUFFIXES or name in sources:
                continue
            # A file that cannot be read cannot be imported either
            with contextlib.suppress(OSError):
                if size + path.stat().st_size > _MOST_BYTES:
                    is_whole = False
                    continue
                sources[name] = path.read_bytes()
                size += len(sources[name])
        has_more = next(files, None) is not None
        return cls(folder, sources, is_whole and not has_more)

    def modules(self) -> set[str]:
        """Return the names of the imported modules that were kept here, ours left out.

        This package may be in the folder, too, but the process runs by what it has imported of it.
        """
        files = {str(self.folder / name) for name in self.sources}
        return {
            name
            for name, module in list(sys.modules.items())
            if getattr(module, "__file__", None) in files and not is_ours(name)
        }

    @functools.cached_property
    def digest(self) -> str:
        """The SHA-256 of the paths and contents."""
        total = hashlib.sha256()
        for name in sorted(self.sources):
            total.update(f"{name}\0{len(self.sources[name])}\0".encode(errors="surrogateescape"))
            total.update(self.sources[name])
        return total.hexdigest()

    @contextlib.contextmanager
    def importable(self) -> Iterator[None]:
        """Have imports from the folder find kept code before what is on the disk.

        Lasts until the context ends. The folder may stand in `sys.path` under its real path, too,
        if links lead to it.
        """
        folders = {str(parent) for name in self.sources for parent in PurePosixPath(name).parents}
        names = (self.folder, os.path.realpath(self.folder))
        roots = {os.path.join(name, "") for name in names}  # noqa: PTH118 - with a slash at the end

        def hook(entry: str) -> KeptFinder:
            for root in roots:
                inner = entry[len(root) :].replace(os.sep, "/") or "."
                if f"{entry}{os.sep}".startswith(root) and inner in folders:
                    return KeptFinder(self.sources, folders, entry, inner)
            raise ImportError

        sys.path_hooks.insert(0, hook)
        _forget_finders(roots)
        try:
            yield
        finally:
            sys.path_hooks.remove(hook)
            _forget_finders(roots)

    def execute(self, script: str, name: str) -> ModuleType:
        """Execute a kept file as the module `name`."""
        spec = spec_of(name, self.folder / script, self.sources[script])
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        assert spec.loader is not None
        spec.loader.exec_module(module)
        return module


def is_ours(module: str) -> bool:
    """Return whether a module is of this package, which a process must not import anew."""
    return module.partition(".")[0] == "tune_tasks"


def files_below(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder and of those below it, the nearest first.

    Hidden folders, virtual environments and caches are left out.
    """
    pending = deque([folder])
    seen = set()
    while pending:
        folder = pending.popleft()
        real = os.path.realpath(folder)
        if real in seen:  # links lead in a circle
            continue
        seen.add(real)
        for entry in _entries(folder):
            if entry.is_file():
                yield folder / entry.name
            elif entry.is_dir() and not _stays_behind(folder / entry.name):
                pending.append(folder / entry.name)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """Return what is in a folder, Python files first."""

    def place(entry: os.DirEntry[str]) -> tuple[bool, str]:
        is_python = entry.name.endswith(tuple(SOURCE_SUFFIXES))
        return not is_python, entry.name

    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=place)
    except OSError:
        return []


def _stays_behind(folder: Path) -> bool:
    is_environment = any((folder / mark).exists() for mark in _ENVIRONMENT_MARKS)
    return folder.name.startswith(".") or folder.name in _STAY_BEHIND or is_environment


def _is_installed(file: Path) -> bool:
    """Return whether a file is a part of Python or of an installed package."""
    if not _PACKAGE_FOLDERS.isdisjoint(file.parts):
        return True
    libraries = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib")]
    return any(file.is_relative_to(library) for library in libraries)


def _forget_finders(roots: set[str]) -> None:
    """Have `sys.path_hooks` asked again for the folders."""
    for entry in list(sys.path_importer_cache):
        if any(f"{entry}{os.sep}".startswith(root) for root in roots):
            sys.path_importer_cache.pop(entry, None)
