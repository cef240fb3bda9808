"""The facts that a sweep's core is told of, one frozen class for each.

Times (`at`) are seconds on one monotonic clock of the driver's; the core has no clock of its own.
A trial is named by its key, `experiment/index`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from tune_tasks.model.checkpoint import CheckpointRef
from tune_tasks.model.milestones import Reached
from tune_tasks.model.trial import Outcome, Stop


class Pause(StrEnum):
    """Whether trials may start, as Prefect's run page has it."""

    OFF = "off"
    ON = "on"
    SUSPENDED = "suspended"
    """Another process goes on with the sweep later: this one ends once its trials have ended."""


class Disk(StrEnum):
    """Whether the disk of the results has room for another trial."""

    ROOMY = "roomy"
    FULL = "full"
    GIVEN_UP = "given up"
    """It was full for so long that the sweep ends with what is done."""


@dataclass(frozen=True)
class TakenOver:
    """Another driver goes on with the sweep; nothing starts until `SweepBegan`.

    It is followed by the ends of the attempts that ran under the last driver.

    Attributes:
        retry_failed: Whether the trials that failed are given another attempt.
    """

    at: float
    retry_failed: bool = False
    kind: Literal["taken over"] = "taken over"


@dataclass(frozen=True)
class ResultsLost:
    """The reports of a trial that has ended are no longer on the disk."""

    at: float
    trial: str
    kind: Literal["results lost"] = "results lost"


@dataclass(frozen=True)
class SweepBegan:
    """Trials may start; the cluster holds `room` of them at once."""

    at: float
    room: int
    kind: Literal["sweep began"] = "sweep began"


@dataclass(frozen=True)
class Announced:
    """An attempt's process runs, and has told the recorder so."""

    at: float
    trial: str
    attempt: int
    kind: Literal["announced"] = "announced"


@dataclass(frozen=True)
class TrainingBegan:
    """`train()` was called, at `at`, or is about to be."""

    at: float
    trial: str
    attempt: int
    kind: Literal["training began"] = "training began"


@dataclass(frozen=True)
class Reported:
    """An attempt has reported; between two of these events it may have reported several times.

    Attributes:
        reports: How many reports the attempt has made.
        result: The latest, without its `config`.
    """

    at: float
    trial: str
    attempt: int
    reports: int
    result: Mapping[str, Any]
    kind: Literal["reported"] = "reported"


@dataclass(frozen=True)
class MilestonesReached:
    """An attempt's report has reached milestones, and may wait for what the core says to it.

    Attributes:
        number: Of the report that has reached the last of them.
        reached: Those that nobody has answered for yet, in the order in which they were reached.
    """

    at: float
    trial: str
    attempt: int
    number: int
    reached: tuple[Reached, ...]
    kind: Literal["milestones reached"] = "milestones reached"


@dataclass(frozen=True)
class CheckpointKept:
    """A checkpoint of an attempt is on the disk.

    Attributes:
        number: `training_iteration` of the report that it belongs to.
        reports: How many reports the trial had then.
    """

    at: float
    trial: str
    attempt: int
    number: int
    reports: int
    kind: Literal["checkpoint kept"] = "checkpoint kept"


@dataclass(frozen=True)
class CheckpointCopied:
    """Another trial's checkpoint is among those of an attempt, as it was to be.

    Attributes:
        checkpoint: The copy.
        taken: The other trial's checkpoint; None in the journals of earlier versions.
    """

    at: float
    trial: str
    attempt: int
    checkpoint: CheckpointRef
    taken: CheckpointRef | None = None
    kind: Literal["checkpoint copied"] = "checkpoint copied"


@dataclass(frozen=True)
class CopyFailed:
    """Another trial's checkpoint could not be copied; the attempt waits at report `number`."""

    at: float
    trial: str
    attempt: int
    number: int
    kind: Literal["copy failed"] = "copy failed"


@dataclass(frozen=True)
class EndDecided:
    """An attempt's own process has decided at `at` that it is to end, as its criteria ask for."""

    at: float
    trial: str
    attempt: int
    stop: Stop
    kind: Literal["end decided"] = "end decided"


@dataclass(frozen=True)
class AttemptEnded:
    """The process of an attempt has let go of it.

    Attributes:
        metrics: What its last report had of the metrics that trials are compared by: the
            objective's, and those of constraints; None for what is not a finite number. Empty if
            the spec names none, or there was no report.
    """

    at: float
    trial: str
    attempt: int
    outcome: Outcome
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    kind: Literal["attempt ended"] = "attempt ended"


@dataclass(frozen=True)
class Proposed:
    """A model has proposed what a trial tries.

    Attributes:
        point: The coordinates of its parameters; those that are not there are drawn.
    """

    at: float
    trial: str
    point: Mapping[str, int | float]
    kind: Literal["proposed"] = "proposed"


@dataclass(frozen=True)
class StartFailed:
    """The driver could not submit an attempt that it was to start."""

    at: float
    trial: str
    attempt: int
    kind: Literal["start failed"] = "start failed"


@dataclass(frozen=True)
class StopAsked:
    """The sweep is to end. Asked again, it does not wait for the trials' grace.

    Attributes:
        patience_s: Seconds that the trials have at most, whatever their own grace.
    """

    at: float
    reason: str
    patience_s: float = float("inf")
    kind: Literal["stop asked"] = "stop asked"


@dataclass(frozen=True)
class PauseChanged:
    """The sweep's run was paused in Prefect, or goes on."""

    at: float
    pause: Pause
    kind: Literal["pause changed"] = "pause changed"


@dataclass(frozen=True)
class DiskChanged:
    """The disk of the results has become full, or has room again."""

    at: float
    disk: Disk
    kind: Literal["disk changed"] = "disk changed"


@dataclass(frozen=True)
class RecorderRestarted:
    """The recorder has died and was started again: what it was asked for is lost."""

    at: float
    kind: Literal["recorder restarted"] = "recorder restarted"


@dataclass(frozen=True)
class Ticked:
    """The clock says `at`. A tick that is followed by no instruction changes nothing.

    One of them a minute is in the journal all the same, for its `at`.

    Attributes:
        silent: The running trials that were not heard from for some seconds, although the recorder
            answers.
    """

    at: float
    silent: tuple[str, ...] = field(default=())
    kind: Literal["ticked"] = "ticked"


Event = (
    TakenOver
    | ResultsLost
    | SweepBegan
    | Announced
    | TrainingBegan
    | Reported
    | MilestonesReached
    | CheckpointKept
    | CheckpointCopied
    | CopyFailed
    | EndDecided
    | AttemptEnded
    | StartFailed
    | Proposed
    | StopAsked
    | PauseChanged
    | DiskChanged
    | RecorderRestarted
    | Ticked
)

_EVENTS: TypeAdapter[Event] = TypeAdapter(
    Annotated[Event, Field(discriminator="kind")],
    config=ConfigDict(ser_json_inf_nan="constants"),
)


def event_to_json(event: Event) -> str:
    """One line of JSON, NaN and infinities as Python's `json` writes them."""
    return _EVENTS.dump_json(event).decode()


def event_from_json(text: str) -> Event:
    """The event that `event_to_json` wrote.

    Raises:
        ValueError: If the text is not the JSON of an event.
    """
    return _EVENTS.validate_json(text)
