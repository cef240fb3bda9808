"""Imports modules from kept sources in memory, under the paths that their files had."""

from __future__ import annotations

import functools
import importlib.util
import linecache
from collections.abc import Mapping, Set
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    SourceFileLoader,
    SourcelessFileLoader,
)
from pathlib import Path
from types import CodeType, ModuleType

_LOADERS = (
    (ExtensionFileLoader, EXTENSION_SUFFIXES),
    (SourceFileLoader, SOURCE_SUFFIXES),
    (SourcelessFileLoader, BYTECODE_SUFFIXES),
)
"""Python's own loaders of files, in Python's own order."""


def spec_of(name: str, path: Path, source: bytes, package: str | None = None) -> ModuleSpec:
    """Return the import system's description of a kept module.

    Args:
        name: The module's full name.
        path: Where its file was.
        source: The file's content.
        package: The folder of its submodules, if it is a package.
    """
    loader = _KeptLoader(name, str(path), source)
    locations = None if package is None else [package]
    spec = importlib.util.spec_from_file_location(
        name, path, loader=loader, submodule_search_locations=locations
    )
    assert spec is not None
    return spec


class KeptFinder(FileFinder):
    """Finds the modules of one folder: kept ones first, then what else is on the disk.

    Args:
        sources: What was kept.
        folders: The folders with anything kept.
        folder: As it stands in `sys.path` or in a package's `__path__`.
        inner: Its path within the snapshot's folder; `.` for the snapshot's folder itself.
    """

    def __init__(
        self, sources: Mapping[str, bytes], folders: Set[str], folder: str, inner: str
    ) -> None:
        super().__init__(folder, *_LOADERS)
        self._sources = sources
        self._folders = folders
        self._folder = Path(folder)
        self._prefix = "" if inner == "." else f"{inner}/"

    def find_spec(self, fullname: str, target: ModuleType | None = None) -> ModuleSpec | None:
        """See `importlib.abc.PathEntryFinder`."""
        on_disk = super().find_spec(fullname, target)
        # Python takes a compiled extension before a source of the same name, so this does, too
        if on_disk and isinstance(on_disk.loader, ExtensionFileLoader):
            return on_disk
        return self._kept(fullname) or on_disk

    def _kept(self, fullname: str) -> ModuleSpec | None:
        name = fullname.rpartition(".")[2]
        inside = f"{self._prefix}{name}"
        package = str(self._folder / name)
        source = self._sources.get(f"{inside}/__init__.py")
        if source is not None:
            return spec_of(fullname, self._folder / name / "__init__.py", source, package)
        source = self._sources.get(f"{inside}.py")
        if source is not None:
            return spec_of(fullname, self._folder / f"{name}.py", source)
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

        The base would look for bytecode in `__pycache__`, and write it there: it belongs to the
        file on the disk, which may be another one by now.
        """
        return _compiled(self.path, self._source)

    def exec_module(self, module: ModuleType) -> None:
        """See `importlib.abc.Loader`.

        Tracebacks and `inspect` show the lines that run, not those on the disk: they read them from
        `linecache`, which never looks up again what has no time of change.
        """
        lines = _lines(self._source)
        linecache.cache[self.path] = (len(self._source), None, lines, self.path)
        super().exec_module(module)


# Cached, because a warm process runs many trials of the same code


@functools.lru_cache(maxsize=1_000)
def _compiled(path: str, source: bytes) -> CodeType:
    code: CodeType = compile(source, path, "exec", dont_inherit=True)
    return code


@functools.lru_cache(maxsize=1_000)
def _lines(source: bytes) -> list[str]:
    try:
        return importlib.util.decode_source(source).splitlines(keepends=True)
    except (SyntaxError, UnicodeDecodeError):  # compiling it says so better
        return []
