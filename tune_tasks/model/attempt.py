"""`AttemptInfo`: what is known of an attempt from its beginning."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tune_tasks.model.checkpoint import CheckpointRef
from tune_tasks.model.trial import Trial


@dataclass(frozen=True)
class AttemptInfo:
    """One attempt of a trial, as its process announces it.

    Attributes:
        folder: The attempt's folder, the same path on the driver's machine and in the trial's
            process.
        node: Ray's id of the machine that it runs on.
        started_at: Seconds since the epoch.
        restored_from: The checkpoint that it goes on from; None if it begins anew.
    """

    trial: Trial
    attempt: int
    folder: Path
    pid: int = 0
    hostname: str = ""
    node: str = ""
    task_run_id: str = ""
    task_run_url: str = ""
    started_at: float = 0.0
    restored_from: CheckpointRef | None = None

    @property
    def key(self) -> str:
        """The attempt's identity within its sweep."""
        return f"{self.trial.key}/{self.attempt}"
