"""The messages between a trial's process, the driver and the recorder: plain data, picklable.

Times in them are on the recorder's wall clock, because a monotonic clock means nothing in another
process. The recorder runs on the driver's machine, so the driver may compare them with its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.checkpoint import KeptCheckpoint
from tune_tasks.model.milestones import Reached
from tune_tasks.model.result_file import Progress
from tune_tasks.model.trial import Outcome, Stop, TrialState


@dataclass(frozen=True)
class AttemptStatus:
    """The latest that the recorder knows of an attempt.

    Attributes:
        heard_at: Time of the monitor's last message, in seconds since the epoch.
        opened_at: Time at which the trackers had opened the attempt and its process could go on;
            None before.
        began_at: Time at which `train()` began; None before.
        stop: The decision to end the attempt; None before it is taken.
        stop_since: Time of that decision.
        run_id: The attempt's MLflow run; None before there is one.
        run_url: The run's page; None if the tracking URI is not a web address.
        unseen_metrics: The stop criteria's metrics that no report has had so far.
        checkpoint: The attempt's latest checkpoint; None before the first.
        question: What the attempt asks at a milestone; None if nothing is open.
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
    checkpoint: KeptCheckpoint | None = None
    question: Question | None = None


@dataclass(frozen=True)
class Question:
    """What a trial asks at a milestone: whether it goes on.

    Attributes:
        number: Of the report that has reached the last of them, counted from 1.
        reached: The milestones that are not judged yet.
        waits: Whether the report waits for the answer.
    """

    number: int
    reached: tuple[Reached, ...]
    waits: bool = False


@dataclass(frozen=True)
class Heartbeat:
    """A monitor's message about its attempt, sent every second and after each report.

    Attributes:
        progress: The attempt's reports so far.
        unseen_metrics: The stop criteria's metrics that no report has had so far.
        began_s: Seconds since `train()` began; None before.
        stop: The decision to end the attempt; None before it is taken.
        checkpoint: The attempt's latest checkpoint; None before the first.
        question: What it asks at a milestone; None if nothing is open.
    """

    progress: Progress
    unseen_metrics: tuple[str, ...] = ()
    began_s: float | None = None
    stop: Stop | None = None
    checkpoint: KeptCheckpoint | None = None
    question: Question | None = None


@dataclass(frozen=True)
class LogPiece:
    """A piece of the `trial.log` of an attempt on another machine.

    Attributes:
        offset: Where in the file it begins.
        data: Its bytes.
    """

    offset: int = 0
    data: bytes = b""


PIECE_BYTES = 4_000_000
"""The most bytes of a file that one message holds."""


@dataclass(frozen=True)
class FilePiece:
    """A piece of a file that goes from one machine to another.

    Attributes:
        path: The file's, the same on the driver's machine as on the trial's.
        offset: Where in the file it begins.
        data: Its bytes.
        size: Of the whole file, in bytes; 0 if there is none.
    """

    path: Path
    offset: int
    data: bytes
    size: int


@dataclass(frozen=True)
class OpenReply:
    """The recorder's answer to a new attempt.

    Attributes:
        environment: Environment variables for user code.
        wants_bytes: Whether the attempt runs on another machine, and so must send its reports and
            its log.
        mark: What stands in the folder's `copies_mark` then. An attempt that reads it in its own
            folder shares that folder with the recorder, and sends nothing.
    """

    environment: dict[str, str]
    wants_bytes: bool
    mark: str = ""


@dataclass(frozen=True)
class UpdateReply:
    """The recorder's answer to a heartbeat.

    Attributes:
        known: False if the recorder was restarted: the attempt is to be announced again.
        received: Bytes of the attempt's reports that the recorder has.
        log_received: Bytes of its log that the recorder has.
        stop: Why the sweep wants the attempt to end; None if it does not.
        answered: The number of the last report whose milestones were judged.
    """

    known: bool
    received: int = 0
    log_received: int = 0
    stop: Stop | None = None
    answered: int = 0


@dataclass(frozen=True)
class Changes:
    """The attempts that changed after an earlier version.

    Attributes:
        version: The version that these changes lead to.
        statuses: The attempts that changed.
        has_begun: False if the recorder was restarted: it is to be told of the sweep again.
    """

    version: int
    statuses: list[AttemptStatus]
    has_begun: bool
