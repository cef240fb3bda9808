"""What a trial calls: `train(config, status_reporter)` of a script, of an importable module, or a Python callable.

Located and checked in the driver without executing anything; loaded in the trial's process.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from tune_tasks.errors import TrainableError, did_you_mean

TrainFunction = Callable[[dict[str, Any], Any], object]

_MODULE_REFERENCE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True)
class ScriptTrainable:
    """A function of a script file.

    Attributes:
        path: Absolute, on the driver's machine. Where it does not exist in the trial's process, the file of the same name
            in the working directory is taken: a remote cluster gets the script's folder as such.
        entrypoint: The function's name.
    """

    path: Path
    entrypoint: str

    @contextlib.contextmanager
    def loaded(self) -> Iterator[TrainFunction]:
        """The function, with the script's folder first on `sys.path`.

        The script is executed anew for every trial; it and the modules of its folder are forgotten afterwards, so that a
        warm process shows each trial fresh globals, and two scripts with a `model.py` each do not mix.
        """
        path = self.path if self.path.exists() else Path.cwd() / self.path.name
        folder = str(path.parent)
        before = set(sys.modules)
        sys.path.insert(0, folder)
        try:
            yield _function_of(_execute(path), self.entrypoint, str(path))
        finally:
            with contextlib.suppress(ValueError):
                sys.path.remove(folder)
            _forget_modules(before, folder)


@dataclass(frozen=True)
class ModuleTrainable:
    """A function of an importable module: `package.module:function`."""

    module: str
    function: str

    @contextlib.contextmanager
    def loaded(self) -> Iterator[TrainFunction]:
        """The function; its module stays imported."""
        yield _function_of(importlib.import_module(self.module), self.function, self.module)


@dataclass(frozen=True)
class CallableTrainable:
    """A Python callable given to the library; travels pickled by value or by reference, as cloudpickle decides."""

    function: TrainFunction

    @contextlib.contextmanager
    def loaded(self) -> Iterator[TrainFunction]:
        """The function itself."""
        yield self.function


Trainable = ScriptTrainable | ModuleTrainable | CallableTrainable


def locate(config: Mapping[str, Any], folder: Path | None) -> ScriptTrainable | ModuleTrainable:
    """The trainable that a script experiment's config names.

    Args:
        config: With `script_file_path`, and `script_entrypoint` where it is not `train`.
        folder: The spec's folder; a relative path is looked for in the working directory, then here.

    Raises:
        TrainableError: If there is no such file, or no such function in it; names the places looked at.
    """
    written = config.get("script_file_path")
    entrypoint = config.get("script_entrypoint", "train")
    if not isinstance(written, str) or not written:
        raise TrainableError(f"config.script_file_path: expected the path of the training script, got {written!r}")
    if not isinstance(entrypoint, str) or not entrypoint.isidentifier():
        raise TrainableError(f"config.script_entrypoint: expected a function's name, got {entrypoint!r}")
    if _MODULE_REFERENCE.fullmatch(written):
        module, _, function = written.partition(":")
        return ModuleTrainable(module, function)
    path = _find(written, folder)
    _check_script(path, entrypoint)
    return ScriptTrainable(path, entrypoint)


def _find(written: str, folder: Path | None) -> Path:
    path = Path(written).expanduser()
    places = [Path.cwd() / path] + ([folder / path] if folder else [])
    for place in dict.fromkeys(Path(os.path.normpath(p)) for p in places):
        if place.is_file():
            return place
    looked = " and ".join(str(place) for place in dict.fromkeys(Path(os.path.normpath(p)) for p in places))
    raise TrainableError(f"config.script_file_path: no file {written!r}; looked at {looked}")


def _check_script(path: Path, entrypoint: str) -> None:
    """Parse the script, execute nothing of it, and look for the function among its names."""
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except SyntaxError as exc:
        raise TrainableError(f"{path}:{exc.lineno}:{exc.offset}: the script is not valid Python: {exc.msg}") from exc
    except (OSError, ValueError) as exc:
        raise TrainableError(f"cannot read the script {path}: {exc}") from exc
    names = set(_bound_names(tree))
    if entrypoint not in names and "*" not in names:
        functions = ", ".join(sorted(n.name for n in tree.body if isinstance(n, ast.FunctionDef))) or "none"
        hint = did_you_mean(entrypoint, names)
        raise TrainableError(f"config.script_entrypoint: {path} has no {entrypoint!r}{hint} (its functions: {functions})")


def _bound_names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def _execute(path: Path) -> ModuleType:
    # Under its own name other modules of the folder, and pickles, find it; never in the place of a module already there.
    name = path.stem if path.stem not in sys.modules else f"tune_script_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise TrainableError(f"cannot import {path}: the script's name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _function_of(module: ModuleType, name: str, where: str) -> TrainFunction:
    function = getattr(module, name, None)
    if not callable(function):
        raise TrainableError(f"{where} has no function {name!r}{did_you_mean(name, vars(module))}")
    return function  # type: ignore[no-any-return]


def _forget_modules(before: set[str], folder: str) -> None:
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None)
        # Extension modules cannot be imported twice; installed packages below the folder (a .venv) stay warm.
        if file and file.endswith(".py") and file.startswith(folder + os.sep) and "site-packages" not in file:
            del sys.modules[name]
