"""Tune any Python script from one YAML file: swept by a Prefect flow on Ray, compared in MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tune_tasks.result import TrainingResult

if TYPE_CHECKING:
    from tune_tasks.api import Experiment, run_experiments
    from tune_tasks.results.summary import Summary
    from tune_tasks.search.scheduler import Scheduler

__version__ = "0.1.0"
__all__ = ["Experiment", "Scheduler", "Summary", "TrainingResult", "run_experiments"]

_HOMES = {
    "Experiment": "api",
    "run_experiments": "api",
    "Scheduler": "search.scheduler",
    "Summary": "results.summary",
}


def __getattr__(name: str) -> object:
    """Import what a training script does not need only where it is asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
