"""The code of a script's folder as it was when the sweep began.

What every trial runs, whatever happens to the files meanwhile.

Only code is kept, in memory, and imported from there under its own paths. So `__file__` is where it
always was, and what a script reads beside itself, its data and its own settings, it reads from the
disk, as it is then. A process that a trial starts anew (`subprocess`, `spawn`) knows nothing of the
snapshot and imports what is on the disk.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import linecache
import os
import sys
import sysconfig
from collections import deque
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    PathFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from itertools import chain, islice
from pathlib import Path, PurePosixPath
from types import CodeType, ModuleType

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
_ENVIRONMENT_MARKS = ("pyvenv.cfg", "conda-meta")
_LOADERS = (
    (ExtensionFileLoader, EXTENSION_SUFFIXES),
    (SourceFileLoader, SOURCE_SUFFIXES),
    (SourcelessFileLoader, BYTECODE_SUFFIXES),
)


@dataclass(frozen=True)
class Snapshot:
    """The Python files of a folder and the folders below it.

    Attributes:
        folder: Absolute.
        sources: Content by path in the folder, with slashes.
        is_whole: False if the folder has more than is kept; the files nearest to the script are.
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
        return cls._collect(
            {script.name: script.read_bytes()}, script.parent, files_below(script.parent)
        )

    @classmethod
    def of_module(cls, module: str) -> Snapshot | None:
        """Read a module's package and what is beside it, without executing anything of it.

        Returns:
            None if it is installed, which nobody edits, built in, or not found: importing it says
            so better.
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

        None if it is installed, or there is none.
        """
        file = getattr(sys.modules["__main__"], "__file__", None)
        if not file or not os.path.isfile(file) or _is_installed(Path(file).absolute()):  # noqa: PTH113 - `<stdin>` is none
            return None
        return cls.take(Path(file).absolute())

    @classmethod
    def _collect(cls, sources: dict[str, bytes], folder: Path, files: Iterator[Path]) -> Snapshot:
        """Add what is to be kept of the files, within the bounds."""
        size, is_whole = 0, True
        for path in islice(files, _MOST_LOOKED_AT):
            name = path.relative_to(folder).as_posix()
            if path.suffix not in SOURCE_SUFFIXES or name in sources:
                continue
            with contextlib.suppress(OSError):  # one that cannot be read cannot be imported either
                if size + path.stat().st_size > _MOST_BYTES:
                    is_whole = False
                    continue
                sources[name] = path.read_bytes()
                size += len(sources[name])
        return cls(folder, sources, is_whole and next(files, None) is None)

    def modules(self) -> set[str]:
        """The names of the imported modules that were kept here."""
        files = {str(self.folder / name) for name in self.sources}
        return {
            name
            for name, module in list(sys.modules.items())
            if getattr(module, "__file__", None) in files
        }

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of the paths and contents."""
        total = hashlib.sha256()
        for name in sorted(self.sources):
            total.update(f"{name}\0{len(self.sources[name])}\0".encode(errors="surrogateescape"))
            total.update(self.sources[name])
        return total.hexdigest()

    @contextlib.contextmanager
    def importable(self) -> Iterator[None]:
        """Have imports from the folder, for the time of the context.

        Find what was kept before what is on the disk.
        """
        roots = {os.path.join(root, "") for root in (self.folder, os.path.realpath(self.folder))}  # noqa: PTH118
        folders = {str(parent) for name in self.sources for parent in PurePosixPath(name).parents}

        def hook(entry: str) -> _Finder:
            for root in roots:
                inner = entry[len(root) :].replace(os.sep, "/") or "."
                if f"{entry}{os.sep}".startswith(root) and inner in folders:
                    return _Finder(self.sources, folders, entry, inner)
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
        spec = _spec(name, self.folder / script, self.sources[script])
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        assert spec.loader is not None
        spec.loader.exec_module(module)
        return module


def files_below(folder: Path) -> Iterator[Path]:
    """The files of a folder and of those below it, the nearest first.

    Hidden ones, virtual environments, caches left out.
    """
    pending, seen = deque([folder]), set()
    while pending:
        folder = pending.popleft()
        if (real := os.path.realpath(folder)) in seen:  # a link in a circle
            continue
        seen.add(real)
        for entry in _entries(folder):
            if entry.is_file():
                yield folder / entry.name
            elif entry.is_dir() and not _stays_behind(folder / entry.name):
                pending.append(folder / entry.name)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder, Python files first."""
    try:
        with os.scandir(folder) as entries:
            return sorted(
                entries,
                key=lambda entry: (not entry.name.endswith(tuple(SOURCE_SUFFIXES)), entry.name),
            )
    except OSError:
        return []


def _stays_behind(folder: Path) -> bool:
    is_environment = any((folder / mark).exists() for mark in _ENVIRONMENT_MARKS)
    return folder.name.startswith(".") or folder.name in _STAY_BEHIND or is_environment


def _is_installed(file: Path) -> bool:
    """Whether a file is a part of Python or of an installed package."""
    places = [Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")]
    return {"site-packages", "dist-packages"} & set(file.parts) != set() or any(
        file.is_relative_to(p) for p in places
    )


def _forget_finders(roots: set[str]) -> None:
    """Have `sys.path_hooks` asked again for the folders."""
    for entry in list(sys.path_importer_cache):
        if any(f"{entry}{os.sep}".startswith(root) for root in roots):
            sys.path_importer_cache.pop(entry, None)


def _spec(name: str, path: Path, source: bytes, package: str | None = None) -> ModuleSpec:
    loader = _KeptLoader(name, str(path), source)
    locations = None if package is None else [package]
    spec = importlib.util.spec_from_file_location(
        name, path, loader=loader, submodule_search_locations=locations
    )
    assert spec is not None
    return spec


class _Finder(FileFinder):
    """Finds the modules of one folder: kept ones first, then what else is on the disk.

    Args:
        sources: What was kept.
        folders: The folders with anything kept.
        folder: As it stands in `sys.path` or in a package's `__path__`.
        inner: Its path within the snapshot's folder; `.` for that one itself.
    """

    def __init__(
        self, sources: Mapping[str, bytes], folders: Set[str], folder: str, inner: str
    ) -> None:
        super().__init__(folder, *_LOADERS)
        self._sources, self._folders = sources, folders
        self._folder = Path(folder)
        self._prefix = "" if inner == "." else f"{inner}/"

    def find_spec(self, fullname: str, target: ModuleType | None = None) -> ModuleSpec | None:
        """See `importlib.abc.PathEntryFinder`."""
        on_disk = super().find_spec(fullname, target)
        # Which Python takes before a source of that name
        if on_disk and isinstance(on_disk.loader, ExtensionFileLoader):
            return on_disk
        return self._kept(fullname) or on_disk

    def _kept(self, fullname: str) -> ModuleSpec | None:
        name = fullname.rpartition(".")[2]
        inside = f"{self._prefix}{name}"
        package = str(self._folder / name)
        if (source := self._sources.get(f"{inside}/__init__.py")) is not None:
            return _spec(fullname, self._folder / name / "__init__.py", source, package)
        if (source := self._sources.get(f"{inside}.py")) is not None:
            return _spec(fullname, self._folder / f"{name}.py", source)
        if inside in self._folders:  # a package without an `__init__.py`
            spec = ModuleSpec(fullname, None)
            spec.submodule_search_locations = [package]
            return spec
        return None


class _KeptLoader(SourceFileLoader):
    """Loads a module from what was kept of its file."""

    def __init__(self, name: str, path: str, source: bytes) -> None:
        super().__init__(name, path)
        self._source = source

    def get_data(self, path: str) -> bytes:
        """See `importlib.abc.ResourceLoader`."""
        return self._source if path == self.path else super().get_data(path)

    def get_code(self, fullname: str) -> CodeType:
        """See `importlib.abc.InspectLoader`.

        Compiled once a process, and never written to `__pycache__`.
        """
        return _compiled(self.path, self._source)

    def exec_module(self, module: ModuleType) -> None:
        """See `importlib.abc.Loader`.

        Tracebacks and `inspect` show the lines that run, not those on the disk.
        """
        # Without a time of change the lines are never looked up again.
        linecache.cache[self.path] = (len(self._source), None, _lines(self._source), self.path)
        super().exec_module(module)


@functools.lru_cache(maxsize=1_000)
def _compiled(path: str, source: bytes) -> CodeType:
    code: CodeType = compile(source, path, "exec", dont_inherit=True)
    return code


@functools.lru_cache(maxsize=1_000)
def _lines(source: bytes) -> list[str]:
    try:
        return importlib.util.decode_source(source).splitlines(keepends=True)
    except (SyntaxError, UnicodeDecodeError):  # which compiling it says better
        return []
