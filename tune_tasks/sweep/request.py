"""Describes what a sweep is asked for: a flow's parameters, and what its caller adds to them.

A `Request` fits into the parameters of a flow run. A `Session` does not: it holds what only a
caller in the same process has.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from tune_tasks.model.masking import masked, masked_spec
from tune_tasks.recording.client import RecorderClient
from tune_tasks.results.summary import Summary
from tune_tasks.search.scheduler import Scheduler
from tune_tasks.spec.loading import load_spec, spec_from_data
from tune_tasks.spec.schema import MAX_TRIALS
from tune_tasks.sweep.display import Display, NoDisplay
from tune_tasks.sweep.edits import Earlier
from tune_tasks.sweep.own_searchers import Given
from tune_tasks.sweep.plan import Plan
from tune_tasks.sweep.planning import make_plan
from tune_tasks.sweep.warm_sources import Shelf
from tune_tasks.trial.trainable import TrainFunction

if TYPE_CHECKING:
    from tune_tasks.sweep.beginning import Beginning

NumTrials = Annotated[int | None, Field(ge=1, le=MAX_TRIALS)]
Seed = Annotated[int | None, Field(ge=0, lt=2**63)]
Count = Annotated[int | None, Field(ge=0)]


@dataclass(frozen=True)
class Request:
    """The flow's parameters, which `flows/tune.py` describes."""

    spec: dict[str, Any] | None = None
    spec_file: str | None = None
    num_trials: NumTrials = None
    seed: Seed = None
    stop: dict[str, float | str] | None = None
    address: str | None = None
    num_cpus: Count = None
    num_gpus: Count = None
    local_dir: str = "tune_results"
    storage: str | None = None
    verbose: bool = False
    keep_going: bool = False
    resume: str | None = None
    retry_failed: bool = False
    accept_changes: bool = False

    @property
    def ray_address(self) -> str | None:
        """The cluster to join; None to start a local one."""
        return self.address or os.environ.get("RAY_ADDRESS") or None

    @property
    def results(self) -> Path:
        """The folder of all results, absolute."""
        return Path.cwd() / os.path.expanduser(self.local_dir)  # noqa: PTH111 - Path's raises where there is no such user

    def going_on(self, sweep: str) -> Request:
        """The same for the driver that goes on with a sweep because the one before has died."""
        return replace(self, resume=sweep, retry_failed=False)

    def parameters(self) -> dict[str, Any]:
        """As the flow `tune` takes them; secrets are masked, because Prefect shows them."""
        return {
            **asdict(self),
            "spec": None if self.spec is None else masked_spec(self.spec),
            "storage": masked(self.storage),
        }

    def train_parameters(self) -> dict[str, Any]:
        """The same as the flow `train` takes them, whose form has one experiment's keys."""
        parameters = self.parameters()
        spec = parameters.pop("spec")
        if spec is None:
            return parameters
        ((name, experiment),) = spec.items()
        return {**parameters, **experiment, "experiment_name": name}

    def plan(
        self,
        callables: Mapping[str, TrainFunction],
        drawn_seed: int | None = None,
        earlier: Mapping[str, Earlier] | None = None,
        spec_text: str | None = None,
        shelf: Shelf | None = None,
    ) -> Plan:
        """Load and check the spec and resolve its trials; executes nothing of it.

        Args:
            callables: Functions by experiment name.
            drawn_seed: For the experiments that have no seed of their own; drawn if it is None.
            earlier: What earlier drivers of the sweep have run; None if it is a new one.
            spec_text: What the spec's file says, if it was read before.
            shelf: Where `warm_start` looks; None if it does not look.

        Raises:
            BadInputError: If anything in it is wrong.
        """
        if self.spec_file:
            spec = load_spec(self.spec_file, spec_text)
        else:
            spec = spec_from_data(self.spec or {})
        return make_plan(
            spec,
            seed=self.seed,
            num_trials=self.num_trials,
            stop=self.stop,
            callables=callables,
            drawn_seed=drawn_seed,
            earlier=earlier,
            storage=self.storage,
            shelf=shelf,
        )


@dataclass
class Session:
    """What the caller of the flow holds, in the same process.

    Attributes:
        callables: Functions by experiment name, for experiments that name no script.
        scheduler: Decides which trial is next.
        searcher: Proposes the trials of experiments with `search: own`.
        display: Shown the status.
        request: The whole request; the flow run's parameters, which Prefect stores, have the spec's
            secrets masked.
        beginning: How the sweep begins, if that was found out before anything was started.
        plan: The plan, if it was checked before anything was started.
        spec_text: What the spec's file said when the command was given; None: what it says now.
        began: Called with the path of the sweep's journal once it is written.
        going_on: The sweep that an earlier driver of the same run has begun, before it died.
        warning: What the flow run's log is to say first.
        recorder: The sweep's recorder, if it was started beforehand.
        summary: Set by the flow at its end.
        error: Set by the flow if it could not begin or go on.
    """

    callables: Mapping[str, TrainFunction] = field(default_factory=dict)
    scheduler: Scheduler = field(default_factory=Scheduler)
    display: Display = field(default_factory=NoDisplay)
    request: Request | None = None
    beginning: Beginning | None = None
    plan: Plan | None = None
    spec_text: str | None = field(default=None, repr=False)
    began: Callable[[Path], object] = lambda _path: None
    going_on: str = ""
    warning: str = ""
    recorder: RecorderClient | None = None
    summary: Summary | None = None
    error: BaseException | None = None
    searcher: Given = None

    def requested(self, parameters: Request) -> Request:
        """What is to be run, if these are the flow run's parameters."""
        request = self.request or parameters
        return request.going_on(self.going_on) if self.going_on else request

    def plan_of(self, beginning: Beginning) -> Plan:
        """The plan that was checked, or in a deployment's run, where nothing was, a new one.

        Raises:
            BadInputError: If anything in the request is wrong, or the spec of a sweep that is
                resumed was edited and nobody has accepted that.
        """
        return self.plan or beginning.plan(self.callables, self.spec_text)


session_of_flow: ContextVar[Session] = ContextVar("session_of_flow")
"""The session of the flow that runs; unset in one that Prefect's own engine has started."""


def after_the_sweep(exc: BaseException) -> str:
    """The warning for what fails once there is a summary, which stands, whatever comes after it."""
    return (
        "the sweep has ended, and its results stand; what comes after it failed:"
        f" {type(exc).__name__}: {exc}"
    )
