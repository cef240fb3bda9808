"""What is said of checkpoints: which one an attempt goes on from, when one is due, which are kept.

Pure data. What a checkpoint's folder holds is in `checkpoint_manifest`.
"""

from __future__ import annotations

from dataclasses import dataclass

from tune_tasks.model.objective import Objective


@dataclass(frozen=True)
class CheckpointRef:
    """A trial's checkpoint, by the attempt that has written it.

    Attributes:
        attempt: The attempt.
        number: `training_iteration` of the report that the checkpoint belongs to; 0 if it was
            written before the first report.
        reports: How many reports the trial had then.
        again: Which one of that report: 1, or a later one that was copied from another trial.
    """

    attempt: int
    number: int
    reports: int
    again: int = 1


@dataclass(frozen=True)
class KeptCheckpoint:
    """The latest checkpoint of an attempt, as its process tells of it.

    Attributes:
        number: See `CheckpointRef`.
        reports: See `CheckpointRef`.
    """

    number: int
    reports: int


@dataclass(frozen=True)
class CheckpointRules:
    """When a trial's checkpoints are due, and which of them are kept.

    Attributes:
        every_s: Seconds from one checkpoint to the next; None if none is due by time.
        keep: How many of the latest are kept; None for all of them.
        keep_best: Whether the one with the best metric is kept as well.
        log: Whether MLflow gets the trial's checkpoint as an artifact.
        objective: The metric; None if the spec names none.
    """

    every_s: float | None = None
    keep: int | None = None
    keep_best: bool = True
    log: bool = False
    objective: Objective | None = None
