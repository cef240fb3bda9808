"""Acts as soon as user code has imported a library, without importing it ourselves.

Importing torch or MLflow takes seconds. A trial whose script does not use them does not pay that.
"""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType


@contextlib.contextmanager
def after_import(name: str, action: Callable[[], None]) -> Iterator[None]:
    """Do something as soon as a module is imported within this block; now if it already is.

    Args:
        name: The module's full name.
        action: Called once at most, in the thread that imports the module.
    """
    if name in sys.modules:
        action()
        yield
        return
    finder = _Watcher(name, action)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        finder.withdraw()


class _Watcher(importlib.abc.MetaPathFinder):
    """Finds one module as the other finders do, and acts once the module has been executed.

    Acting when the module is found would be too early: libraries call `importlib.util.find_spec` to
    ask whether another library is installed, and import nothing.
    """

    def __init__(self, name: str, action: Callable[[], None]) -> None:
        self._name = name
        self._action = action

    def withdraw(self) -> None:
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        spec = self._found_by_others(fullname, path, target)
        if spec and spec.loader:
            self._act_after(spec.loader)
        return spec

    def _found_by_others(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None
    ) -> importlib.machinery.ModuleSpec | None:
        for finder in sys.meta_path:
            if finder is self:
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec:
                return spec
        return None

    def _act_after(self, loader: importlib.abc.Loader) -> None:
        execute = loader.exec_module

        def execute_and_act(module: ModuleType) -> None:
            execute(module)
            # Not if the block has ended since the module was found, or if the loader of another
            # search has acted already.
            if self in sys.meta_path:
                self.withdraw()
                self._action()

        # A loader is made for each search, so nobody else meets this one.
        loader.exec_module = execute_and_act  # type: ignore[method-assign]
