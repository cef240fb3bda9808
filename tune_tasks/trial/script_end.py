"""Ends a script in a process that goes on: the trial's end does what a process's end would do.

- Files that are still open are closed, and so written to the disk.
- Functions that the script has registered by `atexit` run.
- The workers that joblib keeps end, with their shared memory.
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
    """Collect what was made in this block when it ends, objects in circles included.

    A script's globals are in a circle: its functions hold them.
    """
    # The collector passes over what is frozen. Going through Ray's and Prefect's objects would take
    # a tenth of a second for each trial.
    gc.freeze()
    try:
        yield
    finally:
        _flush_files()
        gc.collect()
        gc.unfreeze()


def _flush_files() -> None:
    """Write the buffers of all files that were opened since `gc.freeze()`.

    The collector is not enough. If a text file is in a circle, the collector may close the file
    below it before the buffer is written (CPython's issue 62052).
    """
    for thing in gc.get_objects():
        # Not isinstance, which asks the object for its __class__: proxies run user code then.
        if issubclass(type(thing), io.IOBase):
            with contextlib.suppress(Exception):
                thing.flush()


@contextlib.contextmanager
def exit_functions_run(folder: str) -> Iterator[None]:
    """Run what code of a folder has registered by `atexit` when this block ends, last one first.

    What libraries register waits for the process's end, because they stay imported.

    Args:
        folder: The script's.
    """
    registered: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = []
    register = atexit.register
    unregister = atexit.unregister

    def register_here(
        function: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Callable[..., Any]:
        caller = sys._getframe(1).f_code.co_filename
        if not _is_below(folder, caller):
            return register(function, *args, **kwargs)
        registered.append((function, args, kwargs))
        return function

    def unregister_here(function: Callable[..., Any]) -> None:
        registered[:] = [entry for entry in registered if entry[0] != function]
        unregister(function)

    atexit.register = register_here  # type: ignore[assignment]
    atexit.unregister = unregister_here
    try:
        yield
    finally:
        atexit.register = register
        atexit.unregister = unregister
        for function, args, kwargs in reversed(registered):
            try:
                function(*args, **kwargs)
            except BaseException:  # noqa: BLE001 - Python prints it and goes on, too
                traceback.print_exc()


def _is_below(folder: str, file: str) -> bool:
    return file.startswith(folder + os.sep) and "site-packages" not in file


def end_joblib() -> None:
    """End the processes that joblib keeps for the next call, with their shared memory."""
    loky = sys.modules.get("joblib.externals.loky.reusable_executor")
    executor = getattr(loky, "_executor", None)
    if executor:
        end = getattr(executor, "terminate", executor.shutdown)
        end(kill_workers=True)
