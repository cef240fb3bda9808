"""What a trial calls.

`train(config, status_reporter)` of a script, of an importable module, or a Python callable.

Located and checked in the driver without executing anything; loaded in the trial's process.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib
import io
import os
import re
import sys
import tempfile
import warnings
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

from tune_tasks.errors import TrainableError, UsageError, did_you_mean
from tune_tasks.model.snapshot import Snapshot, files_below
from tune_tasks.model.text import not_replaced
from tune_tasks.trial.script_end import exit_functions_run

TrainFunction = Callable[[dict[str, Any], Any], object]

MAX_SCRIPT_BYTES = 2_000_000
"""Of a script that is looked into: Python's parser takes hundreds of times the memory."""

_EXTENSIONS = tuple(EXTENSION_SUFFIXES)
_TRAVELLING_BYTES = 500 * 2**20
_MODULE_REFERENCE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


class Trainable(ABC):
    """Gives the function that a trial calls.

    The driver makes a trainable ready to travel: `kept()`, then `for_run()`, and `packed()` if the
    cluster has other machines. `loaded()` is called in the trial's process. Each method but
    `loaded` has a default, which suits a trainable that has nothing to prepare.
    """

    carries_code: ClassVar[bool] = True
    """False if pickle finds the code by its name: the code must be importable before."""

    @abstractmethod
    def loaded(self) -> AbstractContextManager[TrainFunction]:
        """The function, for the time of the context."""

    def kept(self) -> Trainable:
        """This trainable with its code as it is now; itself if nobody edits the code.

        Raises:
            TrainableError: If a file cannot be read any more.
        """
        return self

    def code(self) -> Snapshot | None:
        """The files of the code, as they are kept; None if nobody edits them, or there are none."""
        return None

    def for_run(self, *, verbose: bool) -> Trainable:
        """This trainable with the settings of one run.

        Args:
            verbose: Whether the libraries' warnings go to the trials' logs.
        """
        return self

    def packed(self) -> Trainable:
        """This trainable with every file that it needs, for machines that do not have its folder.

        Raises:
            UsageError: If the files are too large to travel.
        """
        return self

    def kept_script(self) -> KeptScript | None:
        """The script that has the code; None if the code is in no script."""
        return None

    def shown_package(self) -> str:
        """The package of ours that stands in the place of a user's `train()`; empty if none does.

        Tracebacks show its frames.
        """
        return ""


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
        """The function, with the script's folder first on `sys.path`.

        The script is executed anew for every trial; it and the modules of its folder are forgotten
        afterwards, so that a warm process shows each trial fresh globals, and two scripts with a
        `model.py` each do not mix.
        """
        folder = str(self.snapshot.folder)
        before, old_path, old_argv = set(sys.modules), list(sys.path), sys.argv
        sys.path.insert(0, folder)
        sys.argv = [str(self.snapshot.folder / self.name)]  # as for `python script.py`
        # Under its own name other modules of the folder, and pickles, find it; never in the place
        # of a module already there.
        stem = Path(self.name).stem
        name = stem if stem not in sys.modules else f"tune_script_{stem}"
        try:
            with self.snapshot.importable(), exit_functions_run(folder):
                module = self.snapshot.execute(self.name, name)
                yield _function_of(module, self.entrypoint, str(self.snapshot.folder / self.name))
        finally:
            sys.path[:], sys.argv = old_path, old_argv
            _forget_modules(before, folder)


@dataclass(frozen=True)
class PackedScript(Trainable):
    """A script with its whole folder, for machines that do not have it.

    Attributes:
        archive: What else the folder has, data for example, as a zip file's bytes.
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
        folder, buffer, size = script.snapshot.folder, io.BytesIO(), 0
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
            for name, source in script.snapshot.sources.items():
                archive.writestr(name, source)
            for path in files_below(folder):
                if path.relative_to(folder).as_posix() in script.snapshot.sources:
                    continue
                size += path.stat().st_size
                if size > _TRAVELLING_BYTES:
                    raise UsageError(
                        f"the script's folder {folder} is larger than {_TRAVELLING_BYTES >> 20} MiB"
                        " and cannot travel to the cluster: move the script to a folder of its"
                        " own, and data to where every machine reaches it"
                    )
                archive.write(path, path.relative_to(folder))
        return cls(buffer.getvalue(), script)

    @contextlib.contextmanager
    def loaded(self) -> Iterator[TrainFunction]:
        """The function, from a folder that is there as long as the context."""
        with tempfile.TemporaryDirectory(prefix="tune-tasks-script-") as folder:
            zipfile.ZipFile(io.BytesIO(self.archive)).extractall(folder)
            snapshot = replace(self.script.snapshot, folder=Path(folder))
            with replace(self.script, snapshot=snapshot).loaded() as function:
                yield function


@dataclass(frozen=True)
class ModuleTrainable(Trainable):
    """A function of an importable module: `package.module:function`."""

    module: str
    function: str

    def kept(self) -> KeptModule | ModuleTrainable:
        """The function with its package as it is now.

        Itself if the package is installed, which nobody edits.

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
        yield _function_of(importlib.import_module(self.module), self.function, self.module)


_imported: dict[Path, Snapshot] = {}
"""The snapshot that modules which stay imported in this process came from, by its folder."""


@contextlib.contextmanager
def staying_imported(snapshot: Snapshot) -> Iterator[None]:
    """Have imports find what was kept.

    It stays imported until another sweep of the process has another snapshot of it.
    """
    folder = snapshot.folder
    if (earlier := _imported.get(folder)) and earlier.digest != snapshot.digest:
        for name in earlier.modules():
            del sys.modules[name]
    _imported[folder] = snapshot
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    with snapshot.importable():
        yield


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


@dataclass(frozen=True)
class CallableTrainable(Trainable):
    """A Python callable given to the library.

    Travels pickled by value or by reference, as cloudpickle decides.
    """

    function: TrainFunction
    carries_code: ClassVar[bool] = False

    def code(self) -> Snapshot | None:
        """The folder of the program, or of the module, that the callable was defined in.

        None if it is in no file.
        """
        function: Any = self.function
        while isinstance(function, functools.partial):
            function = function.func
        module = getattr(function, "__module__", None) or type(function).__module__
        with contextlib.suppress(OSError):  # a program may be none any more
            return Snapshot.of_program() if module == "__main__" else Snapshot.of_module(module)
        return None

    @contextlib.contextmanager
    def loaded(self) -> Iterator[TrainFunction]:
        """The function itself."""
        yield self.function


def locate(config: Mapping[str, Any], folder: Path | None) -> ScriptTrainable | ModuleTrainable:
    """The trainable that a script experiment's config names.

    Args:
        config: With `script_file_path`, and `script_entrypoint` where it is not `train`.
        folder: The spec's folder; a relative path is looked for in the working directory, then
            here.

    Raises:
        TrainableError: If there is no such file, or no such function in it; names the places looked
            at.
    """
    written = config.get("script_file_path")
    entrypoint = config.get("script_entrypoint", "train")
    if not isinstance(written, str) or not written:
        raise TrainableError(
            f"config.script_file_path: expected the path of the training script, got {written!r}"
        )
    if not isinstance(entrypoint, str) or not entrypoint.isidentifier():
        raise TrainableError(
            f"config.script_entrypoint: expected a function's name, got {entrypoint!r}"
        )
    if _MODULE_REFERENCE.fullmatch(written):
        module, _, function = written.partition(":")
        return ModuleTrainable(module, function)
    path = _find(written, folder)
    _check_script(path, entrypoint)
    return ScriptTrainable(path, entrypoint)


def is_script_path(written: str) -> bool:
    """Whether `script_file_path` names a file, and not `package.module:function`."""
    return not _MODULE_REFERENCE.fullmatch(written)


def _find(written: str, folder: Path | None) -> Path:
    # `os.path`, whose functions, unlike Path's, take any text for a path that may not exist.
    folders = [Path.cwd(), folder] if folder else [Path.cwd()]
    places = list(dict.fromkeys(os.path.normpath(f / os.path.expanduser(written)) for f in folders))  # noqa: PTH111
    for place in places:
        if os.path.isfile(place):  # noqa: PTH113
            return Path(place)
    looked = " and ".join(places)
    hint = did_you_mean(
        written, (candidate for f in folders for candidate in _siblings(written, f))
    )
    raise TrainableError(
        f"config.script_file_path: no file {written!r}; looked at"
        f" {looked}{hint}{not_replaced(written)}"
    )


def _siblings(written: str, folder: Path) -> Iterator[str]:
    """The Python files beside the one that is missing, each written as that one is."""
    parent = os.path.dirname(written)  # noqa: PTH120
    with contextlib.suppress(OSError, ValueError):
        for name in os.listdir(folder / os.path.expanduser(parent)):  # noqa: PTH111, PTH208
            if name.endswith(".py"):
                yield os.path.join(parent, name)  # noqa: PTH118


def _check_script(path: Path, entrypoint: str) -> None:
    """Parse the script, execute nothing of it, and look for the function among its names."""
    try:
        tree = parsed(path)
    except ValueError as exc:
        raise TrainableError(f"config.script_file_path: {exc}") from exc
    names = set(bound_names(tree))
    if entrypoint not in names and "*" not in names:
        functions = (
            ", ".join(sorted(n.name for n in tree.body if isinstance(n, ast.FunctionDef))) or "none"
        )
        hint = did_you_mean(entrypoint, names)
        raise TrainableError(
            f"config.script_entrypoint: {path} has no {entrypoint!r}{hint} (its functions:"
            f" {functions})"
        )


def parsed(path: Path) -> ast.Module:
    """A script's syntax tree; nothing of it is executed.

    Raises:
        ValueError: If it is not Python, is too large or cannot be read; the message names the file
            and the line.
    """
    try:
        with path.open("rb") as file:
            source = file.read(MAX_SCRIPT_BYTES + 1)
        if len(source) > MAX_SCRIPT_BYTES:
            raise ValueError(
                f"{path}: the script has more than {MAX_SCRIPT_BYTES:,} bytes; move data into files"
                " of its own"
            )
        if (nul := source.find(0)) >= 0:
            line = source.count(b"\n", 0, nul) + 1
            raise ValueError(f"{path}:{line}: the script is not valid Python: it holds a NUL byte")
        with warnings.catch_warnings():
            # What Python has to say about the code, it says when it runs
            warnings.simplefilter("ignore")
            return ast.parse(source, str(path))
    except SyntaxError as exc:
        place = "".join(
            f":{number}" for number in (exc.lineno, exc.offset) if number and number > 0
        )
        raise ValueError(f"{path}{place}: the script is not valid Python: {exc.msg}") from exc
    except (OSError, RecursionError, MemoryError) as exc:
        raise ValueError(f"cannot read the script {path}: {exc}") from exc


def bound_names(tree: ast.Module) -> Iterator[str]:
    """The names that the module's own statements bind, those in `if` and `try` included.

    "*" for a star import.
    """
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
            continue
        pending.extend(ast.iter_child_nodes(node))
        if isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def _function_of(module: ModuleType, name: str, where: str) -> TrainFunction:
    function = getattr(module, name, None)
    if not callable(function):
        raise TrainableError(f"{where} has no function {name!r}{did_you_mean(name, vars(module))}")
    return function  # type: ignore[no-any-return]


def _forget_modules(before: set[str], folder: str) -> None:
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None)
        # Extension modules cannot be imported twice; what is installed below the folder (a .venv,
        # ourselves) stays warm.
        installed = name.partition(".")[0] == "tune_tasks" or "site-packages" in (file or "")
        if (
            file
            and file.startswith(folder + os.sep)
            and not file.endswith(_EXTENSIONS)
            and not installed
        ):
            del sys.modules[name]
