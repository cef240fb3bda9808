"""What the entries of a sweep's journal are. Plain data; `history` is what they say together.

The journal holds what a later driver needs to go on, and what people ask later: why did this trial
start, why did it end, and which code ran.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic_core import PydanticSerializationError

from tune_tasks.model.code_version import CodeVersion
from tune_tasks.model.local_time import iso_time
from tune_tasks.model.masking import masked, masked_by_path
from tune_tasks.model.trial import Resources, Trial
from tune_tasks.recording.protocol import AttemptStatus
from tune_tasks.results.standing import ExperimentStanding
from tune_tasks.results.summary import Summary
from tune_tasks.sweep.events import Event
from tune_tasks.sweep.instructions import Instruction
from tune_tasks.sweep.warm import WarmStarted
from tune_tasks.tracking.info import ExperimentInfo, SweepInfo

VERSION = 1
"""Of the journal's form."""


@dataclass(frozen=True)
class Repeated:
    """The trial of an earlier sweep that a sweep runs again, and nothing else."""

    sweep: str
    trial: str


@dataclass(frozen=True)
class SweepEntry:
    """The first entry: what the sweep runs. A later one takes its place: the spec was edited.

    Attributes:
        sweep: The sweep's id.
        flow_run_id: Prefect's flow run that began it.
        cwd: The working directory.
        request: The parameters of that flow run.
        given: The spec as it was given, its secrets masked.
        spec: The spec as it runs, its secrets masked.
        drawn_seed: The seed of the experiments that the spec gives none.
        experiments: By name, as trackers and people are told of them, in the spec's order; secrets
            are masked.
        repeats: What the sweep repeats, if it is a single trial of another one.
        dropped: The keys of trials that have begun, and that the edited spec no longer stands for.
        warm: What the experiments start from, by name; those whose spec says so.
        version: Of the journal's form.
    """

    sweep: str
    flow_run_id: str
    cwd: str
    request: Mapping[str, Any]
    given: Mapping[str, Any]
    spec: Mapping[str, Any]
    drawn_seed: int
    experiments: Mapping[str, ExperimentInfo] = field(default_factory=dict)
    repeats: Repeated | None = None
    dropped: tuple[str, ...] = ()
    warm: Mapping[str, WarmStarted] = field(default_factory=dict)
    version: int = VERSION
    kind: Literal["sweep"] = "sweep"

    @property
    def num_trials(self) -> int:
        """How many trials the sweep has."""
        return sum(experiment.num_trials for experiment in self.experiments.values())


@dataclass(frozen=True)
class DriverEntry:
    """A driver takes the sweep in hand.

    Attributes:
        at: On the clock of the events, in seconds.
        time: The same moment in seconds since the epoch.
        flow_run_id: Prefect's flow run.
        tracking_uri: MLflow's.
        packages: Versions, by name.
        code: Which version of its code each experiment runs, if it is in files.
        flow_run_url: The page of the flow run; empty if it has none.
        retry_failed: Whether failed trials are given another attempt.
        storage: By experiment, the address that stands for the folder of its trials, without a
            password; those that have one.
        version: Of the form of its entries.
    """

    at: float
    time: float
    host: str
    pid: int
    flow_run_id: str
    tracking_uri: str
    packages: Mapping[str, str]
    code: Mapping[str, CodeVersion]
    flow_run_url: str = ""
    retry_failed: bool = False
    storage: Mapping[str, str] = field(default_factory=dict)
    version: int = VERSION
    kind: Literal["driver"] = "driver"

    def as_json(self) -> dict[str, Any]:
        """The driver as `--json` prints it."""
        return {"host": self.host, "pid": self.pid, "since": iso_time(self.time)}


@dataclass(frozen=True)
class TrialEntry:
    """A trial that is started for the first time, as it was resolved.

    A later entry of the same trial takes the place of this one, unless it is about a later attempt,
    from which on the trial has another config.

    Attributes:
        trial: Its key, `experiment/index`.
        config: What `train()` receives, as `params.json` has it: secrets masked, plain JSON.
        searched: The searched part of it by dotted path, likewise.
        point: The coordinates of its parameters, by name, as searchers have them.
        proposed_by: See `Trial`.
        attempt: The first attempt that it is so for.
    """

    trial: str
    name: str
    alg: str
    config: Mapping[str, Any]
    searched: Mapping[str, Any]
    seed: int
    resources: Resources
    bundles: tuple[Resources, ...] = ()
    point: Mapping[str, int | float] = field(default_factory=dict)
    proposed_by: str = ""
    attempt: int = 1
    kind: Literal["trial"] = "trial"

    @classmethod
    def of(cls, trial: Trial, attempt: int = 1) -> TrialEntry:
        """The entry of a trial. Those of trials that are the same have the same JSON."""
        return cls(
            trial.key,
            trial.name,
            trial.alg,
            plain(masked(trial.config)),
            plain(masked_by_path(trial.searched)),
            trial.seed,
            trial.resources,
            trial.bundles,
            dict(trial.point),
            trial.proposed_by,
            attempt,
        )


@dataclass(frozen=True)
class HandledEntry:
    """The core was told of an event; `then` followed from it."""

    event: Event
    then: tuple[Instruction, ...] = ()
    kind: Literal["handled"] = "handled"


@dataclass(frozen=True)
class AttemptEntry:
    """What the recorder has heard of an attempt that has ended, and its files do not say.

    Attributes:
        trial: The trial's key.
        pid: 0 if a later driver has told the recorder of the attempt, from its files.
        started_at: In seconds since the epoch.
        run_id: Its MLflow run; None if MLflow had not answered.
        run_url: The run's page, if it has one.
    """

    trial: str
    attempt: int
    hostname: str
    pid: int
    task_run_id: str
    task_run_url: str
    started_at: float
    run_id: str | None
    run_url: str | None
    kind: Literal["attempt"] = "attempt"

    @classmethod
    def of(cls, status: AttemptStatus) -> AttemptEntry:
        """The entry of an attempt as the recorder has it."""
        info = status.info
        return cls(
            info.trial.key,
            info.attempt,
            info.hostname,
            info.pid,
            info.task_run_id,
            info.task_run_url,
            info.started_at,
            status.run_id,
            status.run_url,
        )


@dataclass(frozen=True)
class ClosedEntry:
    """The sweep has ended.

    Attributes:
        time: In seconds since the epoch.
        unfinished: How many trials are pending, or were ended by a stop of the sweep.
        interrupted: Whether somebody has stopped it.
        ended_early: Why trials were left that nobody has stopped; None if none were.
        experiments: By name.
    """

    time: float
    unfinished: int
    interrupted: bool = False
    ended_early: str | None = None
    experiments: Mapping[str, ExperimentStanding] = field(default_factory=dict)
    kind: Literal["closed"] = "closed"

    @classmethod
    def of(cls, unfinished: int, summary: Summary) -> ClosedEntry:
        """The end of a sweep, now."""
        experiments = {e.name: ExperimentStanding.of(e) for e in summary.experiments}
        interrupted = summary.interrupted
        return cls(time.time(), unfinished, interrupted, summary.ended_early, experiments)


Entry = SweepEntry | DriverEntry | TrialEntry | HandledEntry | AttemptEntry | ClosedEntry

_ENTRIES: TypeAdapter[Entry] = TypeAdapter(
    Annotated[Entry, Field(discriminator="kind")],
    config=ConfigDict(
        ser_json_inf_nan="constants", ser_json_bytes="base64", val_json_bytes="base64"
    ),
)


def plain(config: Any) -> Any:
    """A config, or a part of one, as it is read back from JSON."""
    return json.loads(json.dumps(config, default=repr))


def experiments_of(info: SweepInfo) -> dict[str, ExperimentInfo]:
    """The experiments of a sweep as its journal has them; each driver tells its code itself."""
    return {
        name: replace(experiment, constants=plain(masked(experiment.constants)), code=None)
        for name, experiment in info.experiments.items()
    }


def entry_to_json(entry: Entry) -> str:
    """One line of JSON, NaN and infinities as Python's `json` writes them.

    A lone surrogate, which is half a character and may come from whatever a script reports, is a
    question mark.
    """
    try:
        return _ENTRIES.dump_json(entry).decode()
    except PydanticSerializationError:
        text = json.dumps(_ENTRIES.dump_python(entry, mode="json"), ensure_ascii=False)
        return text.encode("utf-8", "replace").decode()


def entry_from_json(text: str) -> Entry:
    """The entry that `entry_to_json` wrote.

    Raises:
        ValueError: If the text is not the JSON of an entry.
    """
    return _ENTRIES.validate_json(text)
