"""The trial's run in MLflow, as the wrappers of MLflow's functions know it."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

RUN_ID = "MLFLOW_RUN_ID"


@dataclass
class TrialRun:
    """The trial's run in MLflow.

    Attributes:
        uri: MLflow's tracking URI.
        experiment_id: Of the run's experiment.
        run_id: The run's id.
        other_names: The names of experiments that the script wanted to log to.
        notes: The notes that the log has, so that each is there once.
    """

    uri: str
    experiment_id: str
    run_id: str
    other_names: set[str] = field(default_factory=set)
    notes: set[str] = field(default_factory=set)

    @classmethod
    def named_in(cls, environment: Mapping[str, str]) -> TrialRun | None:
        """Return the run that MLflow's variables name; None if they name no run."""
        try:
            return cls(
                environment["MLFLOW_TRACKING_URI"],
                environment["MLFLOW_EXPERIMENT_ID"],
                environment[RUN_ID],
            )
        except KeyError:
            return None

    def note(self, call: str, where: str) -> None:
        """Say in the trial's log that a call does not lead away from the trial's run."""
        text = (
            f"tune-tasks: {call} changes nothing in a trial: what the script logs is in the trial's"
            f" own run ({where})"
        )
        if text not in self.notes:
            self.notes.add(text)
            print(text, file=sys.stderr, flush=True)


class ThisProcess:
    """The state of this process, which the wrappers look at.

    Attributes:
        trial: The run of its trial; None between trials, and if the trial has no run.
    """

    trial: ClassVar[TrialRun | None] = None


@contextlib.contextmanager
def variables_kept(without: str | None = None, **changed: str) -> Iterator[None]:
    """Change environment variables, and put them back afterwards; the run's in any case.

    Args:
        without: The variable to remove.
        **changed: The variables to set.
    """
    names = {*changed, RUN_ID}
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(changed)
    if without:
        os.environ.pop(without, None)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
