"""An environment that is a user's own class, `module:Class`.

Found without executing it, imported where it is made.
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
    """Whether `env` is written as `module:Class`."""
    return _REFERENCE.fullmatch(env) is not None


def check_class(env: str) -> None:
    """Look for the module, and in its source for the class. Nothing of either is executed.

    Raises:
        UsageError: If one of them is not there.
    """
    module, _, name = env.partition(":")
    names = _names(check_module(module))
    if names and name not in names and not names & {"*", "__getattr__"}:
        raise UsageError(f"env: {module} has no {name!r}{did_you_mean(name, sorted(names))}")


def check_module(name: str) -> ModuleSpec:
    """Where a module is; `importlib.util.find_spec` would execute the packages around it.

    Raises:
        UsageError: If it is nowhere.
    """
    path: list[str] | None = None
    found: ModuleSpec | None = None
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        found = _find(".".join(parts[:depth]), path)
        if found is None:
            raise UsageError(
                f"env: no module {'.'.join(parts[:depth])!r}; looked in {Path.cwd()} and on"
                " Python's path"
            )
        path = list(found.submodule_search_locations or [])
    assert found is not None
    return found


def _find(name: str, path: list[str] | None) -> ModuleSpec | None:
    for finder in sys.meta_path:
        found = finder.find_spec(name, path)
        if found is not None:
            return found
    return PathFinder.find_spec(name, [str(Path.cwd())]) if path is None else None


def _names(module: ModuleSpec) -> set[str]:
    """What the module's source binds; nothing where there is no source to read."""
    if not module.has_location or not module.origin or not module.origin.endswith(".py"):
        return set()
    try:
        return set(bound_names(parsed(Path(module.origin))))
    except ValueError as error:
        raise UsageError(f"env: {error}") from error


def make_class(env: str, arguments: Mapping[str, Any]) -> gymnasium.Env[Any, Any]:
    """Import the module and make the environment.

    A class whose first parameter is called `config` or `env_config` is RLlib's kind and gets the
    arguments as one mapping; any other gets them as keyword arguments, as Gymnasium gives them.

    Raises:
        UsageError: If the module has no such class.
    """
    module, _, name = env.partition(":")
    found = importlib.import_module(module)
    made = getattr(found, name, None)
    if not callable(made):
        raise UsageError(f"env: {module} has no class {name!r}{did_you_mean(name, vars(found))}")
    takes_mapping = list(inspect.signature(made).parameters)[:1] in (["config"], ["env_config"])
    environment: gymnasium.Env[Any, Any] = (
        made(dict(arguments)) if takes_mapping else made(**arguments)
    )
    return environment
