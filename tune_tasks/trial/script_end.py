"""The end of a script in a process that goes on.

What would happen at the process's end happens at the trial's.

Files that are still open are closed, and so written; functions that the script has registered by
`atexit` run; workers of joblib end, with their shared memory.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import io
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def garbage_collected() -> Iterator[None]:
    """Have what was made in this block end with it, objects in circles included.

    A script's globals are such.

    What was there before is kept out of the search, which takes a tenth of a second for Ray's and
    Prefect's objects alone.
    """
    gc.freeze()
    try:
        yield
    finally:
        _flush_files()
        gc.collect()
        gc.unfreeze()


def _flush_files() -> None:
    """Write buffers: the collector may close the file below one first (CPython's issue 62052)."""
    for thing in gc.get_objects():  # without what is frozen
        if issubclass(type(thing), io.IOBase):
            with contextlib.suppress(Exception):
                thing.flush()


@contextlib.contextmanager
def exit_functions_run(folder: str) -> Iterator[None]:
    """Run what code below the folder registers by `atexit` when this block ends, last one first.

    Those of libraries, which stay imported, wait for the process's end as always.
    """
    registered: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = []
    register, unregister = atexit.register, atexit.unregister

    def register_here(
        function: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Callable[..., Any]:
        if not _is_below(folder, sys._getframe(1).f_code.co_filename):
            return register(function, *args, **kwargs)
        registered.append((function, args, kwargs))
        return function

    def unregister_here(function: Callable[..., Any]) -> None:
        registered[:] = [entry for entry in registered if entry[0] != function]
        unregister(function)

    atexit.register, atexit.unregister = register_here, unregister_here  # type: ignore[assignment]
    try:
        yield
    finally:
        atexit.register, atexit.unregister = register, unregister
        for function, args, kwargs in reversed(registered):
            try:
                function(*args, **kwargs)
            except BaseException:  # noqa: BLE001 - Python prints it, and goes on with the next one
                traceback.print_exc()


def _is_below(folder: str, file: str) -> bool:
    return file.startswith(folder + os.sep) and "site-packages" not in file


def end_joblib() -> None:
    """End the processes that joblib keeps for the next call.

    They have shared memory that nobody else removes.
    """
    loky = sys.modules.get("joblib.externals.loky.reusable_executor")
    if executor := getattr(loky, "_executor", None):
        getattr(executor, "terminate", executor.shutdown)(kill_workers=True)
