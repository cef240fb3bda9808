"""Tune any Python script from one YAML file: swept by a Prefect flow on Ray, compared in MLflow.

The names of `__all__` are the whole of the library, with `tune_tasks.testing` for the tests of who
writes a scheduler or a searcher. Everything else in this package is private and may change with any
release. docs/stability.md says what else is stable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tune_tasks.errors import (
    BadInputError,
    ReportError,
    ServiceError,
    SpecError,
    TrialStopped,
    TuneError,
)
from tune_tasks.model.milestones import Milestones, Reached
from tune_tasks.model.objective import Objective
from tune_tasks.model.trial import Outcome, Trial, TrialState
from tune_tasks.result import TrainingResult
from tune_tasks.trial.reporter import StatusReporter

if TYPE_CHECKING:
    from tune_tasks.api import (
        Categories,
        Experiment,
        ExperimentSummary,
        Fate,
        Observation,
        Scheduler,
        Searcher,
        Steps,
        Summary,
        TrialSummary,
        Unit,
        run_experiments,
    )

__version__ = "0.1.0"
__all__ = [
    "BadInputError",
    "Categories",
    "Experiment",
    "ExperimentSummary",
    "Fate",
    "Milestones",
    "Objective",
    "Observation",
    "Outcome",
    "Reached",
    "ReportError",
    "Scheduler",
    "Searcher",
    "ServiceError",
    "SpecError",
    "StatusReporter",
    "Steps",
    "Summary",
    "TrainingResult",
    "Trial",
    "TrialState",
    "TrialStopped",
    "TrialSummary",
    "TuneError",
    "Unit",
    "run_experiments",
]


def __getattr__(name: str) -> object:
    """Import what only the driver of a sweep needs when it is asked for.

    A training script imports this package in every worker, and the driver's half takes ten times as
    long as the rest.
    """
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module("tune_tasks.api"), name)
