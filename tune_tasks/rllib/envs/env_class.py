"""An environment that is a user's own class, `module:Class`.

It is found without executing anything, and imported in the process that makes it.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Mapping
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

import gymnasium

from tune_tasks.errors import UsageError, did_you_mean
from tune_tasks.model.python_source import bound_names, parsed

_REFERENCE = re.compile(r"(?P<module>[A-Za-z_][\w.]*):(?P<name>[A-Za-z_]\w*)")


def is_class(env: str) -> bool:
    """Return whether `env` is written as `module:Class`."""
    return _REFERENCE.fullmatch(env) is not None


def check_class(env: str) -> None:
    """Look for the module, and in its source for the class. Nothing of either is executed.

    Raises:
        UsageError: If one of them is not there.
    """
    module, _, name = env.partition(":")
    names = _names(check_module(module))
    # A star import or a module's `__getattr__` may give any name.
    is_open = bool(names & {"*", "__getattr__"})
    if names and name not in names and not is_open:
        raise UsageError(f"env: {module} has no {name!r}{did_you_mean(name, sorted(names))}")


def check_module(name: str) -> ModuleSpec:
    """Find a module without executing the packages around it, as `find_spec` would.

    Raises:
        UsageError: If there is no such module.
    """
    path: list[str] | None = None
    found: ModuleSpec | None = None
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        parent = ".".join(parts[:depth])
        found = _find(parent, path)
        if found is None:
            raise UsageError(
                f"env: no module {parent!r}; looked in {Path.cwd()} and on Python's path"
            )
        path = list(found.submodule_search_locations or [])
    assert found is not None
    return found


def _find(name: str, path: list[str] | None) -> ModuleSpec | None:
    for finder in sys.meta_path:
        found = finder.find_spec(name, path)
        if found is not None:
            return found
    if path is None:
        return PathFinder.find_spec(name, [str(Path.cwd())])
    return None


def _names(module: ModuleSpec) -> set[str]:
    """The names that the module's source binds; none if there is no source to read."""
    if not module.has_location or not module.origin or not module.origin.endswith(".py"):
        return set()
    try:
        return set(bound_names(parsed(Path(module.origin))))
    except ValueError as error:
        raise UsageError(f"env: {error}") from error


def make_class(env: str, arguments: Mapping[str, Any]) -> gymnasium.Env[Any, Any]:
    """Import the module and make the environment.

    A class whose first parameter is called `config` or `env_config` is of RLlib's kind and gets the
    arguments as one mapping. Any other class gets them as keyword arguments, as Gymnasium gives
    them.

    Raises:
        UsageError: If the module has no such class.
    """
    module, _, name = env.partition(":")
    found = importlib.import_module(module)
    make = getattr(found, name, None)
    if not callable(make):
        raise UsageError(f"env: {module} has no class {name!r}{did_you_mean(name, vars(found))}")
    first = next(iter(inspect.signature(make).parameters), "")
    made: gymnasium.Env[Any, Any]
    if first in ("config", "env_config"):
        made = make(dict(arguments))
    else:
        made = make(**arguments)
    return made
