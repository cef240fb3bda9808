"""What the trial's process, the driver and the recorder tell one another. Plain data, picklable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tune_tasks.model.code_version import CodeVersion
from tune_tasks.model.result_file import Progress
from tune_tasks.model.trial import Outcome, Trial, TrialState
from tune_tasks.tracking.mlflow_view import SearchedParam
from tune_tasks.trial.reporter import Stop


@dataclass(frozen=True)
class ExperimentInfo:
    """An experiment as the trackers need it.

    Attributes:
        folder: Where its sweep's trials have their folders, on the driver's machine.
        constants: The config's part that does not vary.
        script: The script file, where there is one, and its content when the sweep began.
        code: Which version of the code runs, where it is in files.
        params: What varies, as MLflow's charts have to take it.
        metric: The spec's, that 'best' goes by, with the spec's mode; None where it does not say.
    """

    name: str
    folder: Path
    seed: int
    num_trials: int
    constants: Mapping[str, Any]
    script: Path | None = None
    script_source: bytes = field(default=b"", repr=False)
    code: CodeVersion | None = None
    params: tuple[SearchedParam, ...] = ()
    metric: str | None = None
    mode: str | None = None


@dataclass(frozen=True)
class SweepInfo:
    """One execution of a spec.

    Attributes:
        sweep: The sweep's id.
        experiments: By name.
        tracking_uri: MLflow's, absolute.
        spec_text: The spec as YAML.
        cwd: The driver's working directory.
        flow_run_id: Prefect's flow run, with the address of its page.
    """

    sweep: str
    experiments: Mapping[str, ExperimentInfo]
    tracking_uri: str
    spec_text: str
    cwd: Path
    flow_run_id: str = ""
    flow_run_url: str = ""


@dataclass(frozen=True)
class AttemptInfo:
    """One attempt of a trial, as its process announces it.

    Attributes:
        folder: The attempt's folder, the same path on the driver's machine and in the trial's
            process.
        node: Ray's id of the machine that it runs on.
        started_at: Seconds since the epoch.
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

    @property
    def key(self) -> str:
        """Identifies the attempt within its sweep."""
        return f"{self.trial.key}/{self.attempt}"


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
