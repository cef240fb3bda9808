"""Acting as soon as a library was imported, without importing it.

User code may, and what it costs nobody else should pay.
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
    """Do something as soon as a module was imported.

    Now if it is there, else when that happens within this block.
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
    """Finds one module as the other finders do, and acts once it has been executed.

    To be found is not to be imported: `importlib.util.find_spec` is how libraries ask whether there
    is another one.
    """

    def __init__(self, name: str, action: Callable[[], None]) -> None:
        self._name, self._action = name, action

    def withdraw(self) -> None:
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        others = [finder for finder in sys.meta_path if finder is not self]
        spec = next(
            (spec for finder in others if (spec := finder.find_spec(fullname, path, target))), None
        )
        if spec and spec.loader:
            execute = spec.loader.exec_module

            def execute_and_act(module: ModuleType) -> None:
                execute(module)
                if self in sys.meta_path:  # not yet done, and the block has not ended
                    self.withdraw()
                    self._action()

            spec.loader.exec_module = execute_and_act  # type: ignore[method-assign]
        return spec
