"""What the trial's process, the driver and the recorder tell one another. Plain data, picklable."""

from __future__ import annotations

from dataclasses import dataclass, field

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.result_file import Progress
from tune_tasks.model.trial import Outcome, Stop, TrialState


@dataclass(frozen=True)
class AttemptStatus:
    """The latest that the recorder knows of an attempt.

    Attributes:
        heard_at: When its monitor last spoke, in seconds since the epoch, on the recorder's clock.
        opened_at: When the trackers had opened it, and its process could go on, on the same clock;
            None before.
        began_at: When `train()` began, on the same clock; None where its monitor could not tell.
        stop: The decision to end it, once it is taken, and since when.
        run_id: Its MLflow run, once there is one.
        run_url: The run's page; None where the tracking URI is no web address.
    """

    info: AttemptInfo
    state: TrialState = TrialState.RUNNING
    progress: Progress = field(default_factory=Progress)
    outcome: Outcome | None = None
    heard_at: float = 0.0
    opened_at: float | None = None
    began_at: float | None = None
    stop: Stop | None = None
    stop_since: float | None = None
    run_id: str | None = None
    run_url: str | None = None
    unseen_metrics: tuple[str, ...] = ()


@dataclass(frozen=True)
class Word:
    """What a monitor tells of its attempt.

    Attributes:
        progress: What was reported.
        unseen_metrics: Of the stop criteria's metrics, those that no report had so far.
        began_s: Seconds since `train()` began; None before.
        stop: The decision to end the attempt, once it is taken.
    """

    progress: Progress
    unseen_metrics: tuple[str, ...] = ()
    began_s: float | None = None
    stop: Stop | None = None


@dataclass(frozen=True)
class Opened:
    """The recorder's answer to a new attempt."""

    environment: dict[str, str]
    wants_bytes: bool


@dataclass(frozen=True)
class Updated:
    """The recorder's answer to an update.

    Attributes:
        known: False where the recorder was started anew: the attempt is to be announced again.
        received: Bytes of the attempt's reports that the recorder has.
        stop: Why the sweep wants the attempt to end, or None.
    """

    known: bool
    received: int = 0
    stop: Stop | None = None


@dataclass(frozen=True)
class News:
    """What changed since an earlier version.

    Attributes:
        version: Counts the changes.
        statuses: The attempts that changed.
        has_begun: False where the recorder was started anew: it is to be told of the sweep again.
    """

    version: int
    statuses: list[AttemptStatus]
    has_begun: bool
