"""Replaces values of other libraries, and of the environment, for the time of a context."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from types import ModuleType


@contextlib.contextmanager
def replaced(module: ModuleType, name: str, value: object) -> Iterator[None]:
    """Give a module's attribute another value until the context ends.

    Every use is a private hook: it has its row in `docs/architecture.md` and its check in
    `tests/test_upstream.py`.

    Raises:
        AttributeError: If the module has no such attribute: then it is not what we took it for.
    """
    kept = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, kept)


@contextlib.contextmanager
def environment(variables: Mapping[str, str], *, replace: bool = False) -> Iterator[None]:
    """Set environment variables until the context ends.

    Args:
        variables: The values by name.
        replace: Whether those that the user has set are replaced, too.
    """
    given = {name: os.environ[name] for name in variables if name in os.environ}
    added = {name: value for name, value in variables.items() if replace or name not in given}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
        os.environ.update({name: given[name] for name in added if name in given})
