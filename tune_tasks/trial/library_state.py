"""Notes the settings of libraries when they are imported; puts them back at the trial's end."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tune_tasks.trial.import_hook import after_import
from tune_tasks.trial.script_end import end_joblib

Undo = Callable[[], None]
"""Puts back what was noted when it was made."""


@contextlib.contextmanager
def libraries_kept() -> Iterator[None]:
    """Put back the settings of every library that we know when this block ends."""
    with contextlib.ExitStack() as stack:
        for name, snapshot in _LIBRARIES.items():
            stack.enter_context(_library(name, snapshot))
        yield


@contextlib.contextmanager
def _library(name: str, snapshot: Callable[[], Undo]) -> Iterator[None]:
    """Put back the settings that a library has now, or has when the script has just imported it."""
    undo: list[Undo] = []

    def take() -> None:
        undo.append(snapshot())

    # Quietly, because another version of the library may lack what we ask for, and no trial is to
    # fail for that.
    try:
        with after_import(name, lambda: quietly(take)):
            yield
    finally:
        for step in undo:
            quietly(step)


def quietly(step: Callable[[], object]) -> None:
    """Do a step; if it fails, nothing else does."""
    with contextlib.suppress(Exception):
        step()


def _numpy() -> Undo:
    import numpy as np

    errors = np.geterr()
    printing = np.get_printoptions()

    def undo() -> None:
        np.seterr(**errors)
        np.set_printoptions(**printing)

    return undo


def _torch() -> Undo:
    torch: Any = sys.modules["torch"]
    dtype = torch.get_default_dtype()
    threads = torch.get_num_threads()
    precision = torch.get_float32_matmul_precision()
    grad = torch.is_grad_enabled()
    deterministic = torch.are_deterministic_algorithms_enabled()
    anomaly = torch.is_anomaly_enabled()
    device = torch.get_default_device()
    cudnn = torch.backends.cudnn
    cudnn_flags = {name: getattr(cudnn, name) for name in ("enabled", "benchmark", "deterministic")}

    def undo() -> None:
        torch.set_default_dtype(dtype)
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(precision)
        torch.set_grad_enabled(grad)
        torch.use_deterministic_algorithms(deterministic)
        torch.autograd.set_detect_anomaly(anomaly)
        for name, value in cudnn_flags.items():
            setattr(cudnn, name, value)
        # Only if it differs, because torch intercepts each call of its functions from then on.
        if torch.get_default_device() != device:
            torch.set_default_device(device)

    return undo


def _matplotlib() -> Undo:
    matplotlib: Any = sys.modules["matplotlib"]
    before = matplotlib.rcParams.copy()

    def undo() -> None:
        # Past the checks of rcParams, which warn of old keys and may load a backend.
        dict.update(matplotlib.rcParams, before)
        pyplot: Any = sys.modules.get("matplotlib.pyplot")
        if pyplot:
            # pyplot keeps all figures until they are closed.
            pyplot.close("all")
            # The next figure chooses its backend by rcParams again.
            pyplot._backend_mod = None

    return undo


def _pandas() -> Undo:
    pandas: Any = sys.modules["pandas"]

    def undo() -> None:
        with warnings.catch_warnings():
            # pandas warns of options that it is about to drop.
            warnings.simplefilter("ignore")
            pandas.reset_option("all")

    return undo


_LIBRARIES: Mapping[str, Callable[[], Undo]] = {
    "joblib": lambda: end_joblib,
    "numpy": _numpy,
    "torch": _torch,
    "matplotlib": _matplotlib,
    "pandas": _pandas,
}
