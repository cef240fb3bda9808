"""The interface of what a trial calls, `train(config, status_reporter)`, and of how it travels.

The trainables of files are in `script` and `module`; RLlib's is in its own room.
"""

from __future__ import annotations

import contextlib
import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from tune_tasks.errors import TrainableError, did_you_mean
from tune_tasks.model.snapshot import Snapshot
from tune_tasks.trial.reporter import StatusReporter

if TYPE_CHECKING:
    from types import ModuleType

    from tune_tasks.trial.script import KeptScript

TrainFunction = Callable[[dict[str, Any], StatusReporter], object]


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
class CallableTrainable(Trainable):
    """A Python callable given to the library.

    It travels pickled by value or by reference, as cloudpickle decides.
    """

    function: TrainFunction
    carries_code: ClassVar[bool] = False

    def code(self) -> Snapshot | None:
        """The folder of the program or module that defines the callable; None without a file."""
        function: Any = self.function
        while isinstance(function, functools.partial):
            function = function.func
        # A callable object has no `__module__` of its own; its class has one.
        module = getattr(function, "__module__", None) or type(function).__module__
        # The program's file may be gone by now.
        with contextlib.suppress(OSError):
            if module == "__main__":
                return Snapshot.of_program()
            return Snapshot.of_module(module)
        return None

    @contextlib.contextmanager
    def loaded(self) -> Iterator[TrainFunction]:
        """The function itself."""
        yield self.function


def function_of(module: ModuleType, name: str, shown: str) -> TrainFunction:
    """The function of a module that was loaded.

    Args:
        module: The module.
        name: The function's name.
        shown: The module's file or name, for the message.

    Raises:
        TrainableError: If the module has no such function.
    """
    function = getattr(module, name, None)
    if not callable(function):
        raise TrainableError(f"{shown} has no function {name!r}{did_you_mean(name, vars(module))}")
    return function  # type: ignore[no-any-return]
