"""What a sweep is asked for: what a flow run's parameters can carry, and what its caller in the same process adds."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

from pydantic import Field

from tune_tasks.plan import Plan, make_plan
from tune_tasks.scheduling import Scheduler
from tune_tasks.spec import MAX_TRIALS, load_spec, spec_from_data
from tune_tasks.status import Display, NoDisplay
from tune_tasks.summary import Summary
from tune_tasks.trainable import TrainFunction

SpecContent = Annotated[dict[str, Any] | None, Field(description="The spec itself: experiments by name.")]
SpecFile = Annotated[
    str | None, Field(description="Path of a spec file, YAML or JSON, where the run is executed; in place of `spec`.")
]
NumTrials = Annotated[int | None, Field(ge=1, le=MAX_TRIALS, description="Takes the place of every experiment's num_trials.")]
Seed = Annotated[int | None, Field(ge=0, lt=2**63, description="Takes the place of the spec's seeds.")]
Stop = Annotated[
    dict[str, float | str] | None,
    Field(description="Criteria for every experiment, in place of its own for the same metric, e.g. {mean_accuracy: 0.99}."),
]
Address = Annotated[
    str | None, Field(description="Address of a Ray cluster to join; default: RAY_ADDRESS, else a local one is started.")
]
NumCpus = Annotated[int | None, Field(ge=0, description="CPUs of a local Ray cluster; default: the machine's.")]
NumGpus = Annotated[int | None, Field(ge=0, description="GPUs of a local Ray cluster; default: the machine's.")]
LocalDir = Annotated[str, Field(description="Where the trials' files go; relative: from the working directory.")]
Verbose = Annotated[bool, Field(description="Show what Ray and Prefect say.")]


@dataclass(frozen=True)
class Request:
    """The flow's parameters, with their types: Prefect's form for a run is made of them."""

    spec: SpecContent = None
    spec_file: SpecFile = None
    num_trials: NumTrials = None
    seed: Seed = None
    stop: Stop = None
    address: Address = None
    num_cpus: NumCpus = None
    num_gpus: NumGpus = None
    local_dir: LocalDir = "tune_results"
    verbose: Verbose = False

    @property
    def ray_address(self) -> str | None:
        """The cluster to join; None to start a local one."""
        return self.address or os.environ.get("RAY_ADDRESS") or None

    def parameters(self) -> dict[str, Any]:
        """As the flow takes them."""
        return asdict(self)

    def plan(self, callables: Mapping[str, TrainFunction]) -> Plan:
        """Load and check the spec and resolve its trials; executes nothing of it.

        Raises:
            BadInputError: If anything in it is wrong.
        """
        spec = load_spec(self.spec_file) if self.spec_file else spec_from_data(self.spec or {})
        return make_plan(spec, seed=self.seed, num_trials=self.num_trials, stop=self.stop, callables=callables)


@dataclass
class Session:
    """What the caller of the flow holds, in the same process.

    Attributes:
        callables: Functions by experiment name, for experiments that name no script.
        scheduler: Decides which trial is next.
        display: Shown the status.
        recorder: Handle of the sweep's recorder, where it was started beforehand.
        summary: Set by the flow at its end.
        error: Set by the flow where it could not begin or go on.
    """

    callables: Mapping[str, TrainFunction] = field(default_factory=dict)
    scheduler: Scheduler = field(default_factory=Scheduler)
    display: Display = field(default_factory=NoDisplay)
    recorder: Any = None
    summary: Summary | None = None
    error: BaseException | None = None


session_of_flow: ContextVar[Session] = ContextVar("session_of_flow")
"""The session of the flow that runs; unset in a flow run that a deployment started."""
