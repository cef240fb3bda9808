"""Finds and checks the script or module that an experiment names; executes nothing of it."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tune_tasks.errors import TrainableError, did_you_mean
from tune_tasks.model.python_source import bound_names, function_names, parsed
from tune_tasks.model.text import not_replaced
from tune_tasks.trial.module import ModuleTrainable
from tune_tasks.trial.script import ScriptTrainable

_MODULE_REFERENCE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def locate(config: Mapping[str, Any], folder: Path | None) -> ScriptTrainable | ModuleTrainable:
    """The trainable that a script experiment's config names.

    Args:
        config: With `script_file_path`, and with `script_entrypoint` if that is not `train`.
        folder: The spec's folder. A relative path is looked for in the working directory, then
            here.

    Raises:
        TrainableError: If there is no such file, or no such function in it. The message names the
            places that were looked at.
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
    if not is_script_path(written):
        module, _, function = written.partition(":")
        return ModuleTrainable(module, function)
    path = _find(written, folder)
    _check_script(path, entrypoint)
    return ScriptTrainable(path, entrypoint)


def is_script_path(written: str) -> bool:
    """True if `script_file_path` names a file; False for `package.module:function`."""
    return not _MODULE_REFERENCE.fullmatch(written)


# `os.path` in place of Path, whose methods raise for a text that no path can be: one with a NUL
# byte, or with the home of a user who does not exist.


def _find(written: str, folder: Path | None) -> Path:
    folders = [Path.cwd(), folder] if folder else [Path.cwd()]
    relative = os.path.expanduser(written)  # noqa: PTH111
    places = [os.path.normpath(folder / relative) for folder in folders]
    for place in places:
        if os.path.isfile(place):  # noqa: PTH113
            return Path(place)
    raise TrainableError(
        f"config.script_file_path: no file {written!r};"
        f" looked at {' and '.join(dict.fromkeys(places))}"
        f"{did_you_mean(written, _siblings(written, folders))}{not_replaced(written)}"
    )


def _siblings(written: str, folders: Sequence[Path]) -> Iterator[str]:
    """The Python files beside the missing one, each written as the missing one is."""
    parent = os.path.dirname(written)  # noqa: PTH120
    relative = os.path.expanduser(parent)  # noqa: PTH111
    for folder in folders:
        with contextlib.suppress(OSError, ValueError):
            for name in os.listdir(folder / relative):  # noqa: PTH208
                if name.endswith(".py"):
                    yield os.path.join(parent, name)  # noqa: PTH118


def _check_script(path: Path, entrypoint: str) -> None:
    """Look for the function among the names of the script."""
    try:
        tree = parsed(path)
    except ValueError as exc:
        raise TrainableError(f"config.script_file_path: {exc}") from exc
    names = set(bound_names(tree))
    # After a star import any name may be there; loading the script shows it.
    if entrypoint in names or "*" in names:
        return
    functions = ", ".join(function_names(tree)) or "none"
    raise TrainableError(
        f"config.script_entrypoint: {path} has no {entrypoint!r}{did_you_mean(entrypoint, names)}"
        f" (its functions: {functions})"
    )
