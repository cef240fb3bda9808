"""The keys of an experiment in a spec file, with their types and descriptions.

The documents and the JSON Schema follow from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel, field_validator, model_validator
from pydantic_core import PydanticCustomError

from tune_tasks.model.checkpoint import CheckpointRules
from tune_tasks.model.objective import Objective, Objectives
from tune_tasks.model.plateau import Plateau
from tune_tasks.model.stopping import Criterion, parse_criterion
from tune_tasks.model.timeouts import STOP_GRACE_S
from tune_tasks.spec.budget import Budget, BudgetSpec
from tune_tasks.spec.checkpoint import CheckpointSpec
from tune_tasks.spec.named_options import OptionError
from tune_tasks.spec.resources import ResourcesSpec
from tune_tasks.spec.retry import RetryRule, RetrySpec
from tune_tasks.spec.scheduling import (
    Options,
    PlateauOptions,
    SchedulerOptions,
    parsed_schedulers,
)
from tune_tasks.spec.search import Search, parsed_search
from tune_tasks.spec.storage import problem_of_storage
from tune_tasks.spec.warm_start import WarmStartSpec

MAX_TRIALS = 1_000_000
"""Trials of one experiment."""

SCRIPT = "script"
"""The `alg` of an experiment whose trials run a script, and not an algorithm of RLlib's."""
_KEPT_CHECKPOINTS = 2
TEMPLATES = ("_", "x-", ".")
"""The beginnings of the keys at the top that are templates.

They hold what anchors name, which may be anything.
"""


class ExperimentSpec(BaseModel):
    """One experiment of a spec file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    env: str | None = Field(
        None, description="The environment or data set; part of the trials' names."
    )
    alg: str = Field(
        SCRIPT,
        description=(
            "'script' runs config.script_file_path; any other value names an algorithm of RLlib,"
            " such as PPO."
        ),
    )
    num_trials: int | None = Field(
        None, ge=1, le=MAX_TRIALS, description="Number of trials; default: the whole grid once."
    )
    resources: ResourcesSpec = Field(
        default_factory=ResourcesSpec, description="What each trial occupies."
    )
    stop: dict[str, float | str] = Field(
        default_factory=dict,
        description=(
            "When a trial ends: a metric, and a number (>=; for losses <=) or a comparison such"
            " as '<= 0.1'."
        ),
    )
    search: str | dict[str, Any] = Field(
        "random",
        description=(
            "How the values of domains are chosen: random, qmc, tpe, gp, cmaes, nsga2 or auto; or"
            " {tpe: {startup_trials: 16, lag: 8}}; or own, by a searcher that Python's"
            " run_experiments is given."
        ),
    )
    try_first: list[dict[str, Any]] = Field(
        default_factory=list,
        description=(
            "What the first trials try: values of domains by dotted path, such as"
            " {optimizer.lr: 0.001}; what is not named is drawn."
        ),
    )
    scheduler: str | dict[str, Any] | list[str | dict[str, Any]] | None = Field(
        None,
        description=(
            "What ends trials early: asha, hyperband, median or plateau;"
            " {asha: {grace_period: 3}}; or a list of these, of which the first that wants to end"
            " a trial ends it. {asha: {mode: promote}} pauses trials, and the best go on later."
            " Or pbt: the worst trials go on from the best; or replay: the config changes as a"
            " schedule says. None by default."
        ),
    )
    warm_start: WarmStartSpec | None = Field(
        None,
        description=(
            "What earlier sweeps teach this one: their best configs are tried first, and a model is"
            " told of their results."
        ),
    )
    budget: BudgetSpec = Field(
        default_factory=BudgetSpec,
        description=(
            "What ends the sweep of the experiment: a time, hours, trials without a better best, a"
            " goal, failures; the first that is met."
        ),
    )
    config: dict[str, Any] = Field(default_factory=dict)
    seed: int | None = Field(
        None,
        ge=0,
        lt=2**63,
        description="Seed of all randomness; default: drawn, printed and kept.",
    )
    metric: str | None = Field(None, description="The metric that 'best' goes by.")
    mode: Literal["max", "min"] | None = Field(
        None, description="Whether the metric's best value is its max or min."
    )
    objectives: dict[str, Literal["max", "min"]] = Field(
        default_factory=dict,
        description=(
            "Several metrics in place of `metric` and `mode`, such as {val_accuracy: max,"
            " latency_ms: min}: the result is the front, and the best trial its knee."
        ),
    )
    constraints: dict[str, float | str] = Field(
        default_factory=dict,
        description=(
            "What the last report of a trial has to meet for the trial to be the best: a metric,"
            " and a comparison such as '<= 5e6', in the form of stop."
        ),
    )
    max_concurrent_trials: int | None = Field(
        None, ge=1, description="The most trials that run at once; default: what fits."
    )
    max_failures: int = Field(
        0, ge=0, le=1000, description="How often a trial that fails is tried again."
    )
    retry: list[RetrySpec] = Field(
        default_factory=list,
        description=(
            "Rules for failures; the first that fits decides. None fits: the failure counts, and"
            " the trial is tried again at once."
        ),
    )
    stop_grace_s: float = Field(
        STOP_GRACE_S,
        ge=0,
        allow_inf_nan=False,
        description=(
            "Seconds that a trial has to end by itself once it is to stop; then its process is"
            " killed."
        ),
    )
    checkpoint: CheckpointSpec = Field(
        default_factory=CheckpointSpec,
        description="When a trial writes checkpoints, and which of them are kept.",
    )
    storage: str | None = Field(
        None,
        description=(
            "Where checkpoints, logs and what a trial leaves in its folder go from every machine:"
            " any address that fsspec knows, such as `s3://bucket/folder`; default: the driver's"
            " machine."
        ),
    )
    checkpoint_freq: int = Field(
        0,
        ge=0,
        description=(
            "RLlib: iterations from one checkpoint to the next, and one at the end; 0: none."
        ),
    )
    checkpoint_at_end: bool = Field(
        False,
        description=("RLlib: a checkpoint at the end, also without `checkpoint_freq`."),
    )
    restore: str | None = Field(
        None, description="RLlib: the folder of a checkpoint, from which every trial goes on."
    )
    isolate: bool = Field(
        False, description="A fresh process for each trial; default: warm processes are used again."
    )

    @field_validator("stop", "constraints", mode="before")
    @classmethod
    def _criteria(cls, given: object) -> object:
        if isinstance(given, dict):
            for name, bound in given.items():
                _check_criterion(name, bound)
        return given

    @field_validator("search", mode="before")
    @classmethod
    def _search(cls, search: object) -> object:
        try:
            parsed_search(search)
        except OptionError as exc:
            raise exc.for_pydantic() from None
        return search

    @field_validator("scheduler", mode="before")
    @classmethod
    def _scheduler(cls, scheduler: object) -> object:
        try:
            parsed_schedulers(scheduler)
        except OptionError as exc:
            raise exc.for_pydantic() from None
        return scheduler

    @field_validator("storage")
    @classmethod
    def _storage(cls, storage: str | None) -> str | None:
        problem = problem_of_storage(storage) if storage else None
        if problem:
            raise PydanticCustomError("storage", "{reason}", {"reason": problem})
        return storage

    @model_validator(mode="after")
    def _mode_has_metric(self) -> ExperimentSpec:
        for key in ("metric", "mode"):
            if self.objectives and getattr(self, key):
                message = "objectives stand in place of metric and mode: give one or the other"
                raise PydanticCustomError("mode", message, {"at": key})
        if self.mode and not self.metric:
            raise PydanticCustomError(
                "mode", "mode without metric: name the metric that 'best' goes by", {"at": "mode"}
            )
        return self

    def checkpoint_rules(self) -> CheckpointRules:
        """When a trial's checkpoints are due, and which of them are kept."""
        given = self.checkpoint
        keep = given.keep
        if keep is None and not self.checkpoint_freq and not self.checkpoint_at_end:
            keep = _KEPT_CHECKPOINTS
        objective = self.compared_by().first
        return CheckpointRules(given.every_s, keep, given.keep_best, given.log, objective)

    def compared_by(self) -> Objectives:
        """What the trials are compared by."""
        each = [Objective(metric, mode) for metric, mode in self.objectives.items()]
        if self.metric:
            each = [Objective.of(self.metric, self.mode)]
        return Objectives(tuple(each), _parsed(self.constraints))

    def criteria(self) -> tuple[Criterion, ...]:
        """The stop criteria in the file's order."""
        return _parsed(self.stop)

    def budgeted(self) -> Budget | None:
        """What ends the sweep; None if that is the end of its trials alone."""
        return self.budget.budget(self.compared_by())

    def searching(self) -> Search:
        """How the values of domains are chosen."""
        return parsed_search(self.search)

    def schedulers(self) -> tuple[tuple[str, SchedulerOptions], ...]:
        """What ends trials early: names with options, in the file's order."""
        return parsed_schedulers(self.scheduler)

    def plateau(self) -> Plateau | None:
        """When a trial ends that gets no better; None if that ends none, or there is no metric."""
        objective = self.compared_by().first
        options = self.scheduled(PlateauOptions)
        if options is None or objective is None:
            return None
        return Plateau(objective, options.patience, options.min_delta)

    def scheduled(self, kind: type[Options]) -> Options | None:
        """The options of the first scheduler of a kind; None if there is none."""
        found = (options for _, options in self.schedulers() if isinstance(options, kind))
        return next(found, None)

    def rules(self) -> tuple[RetryRule, ...]:
        """What follows from which failure, in the file's order."""
        return tuple(rule.rule() for rule in self.retry)


def _parsed(criteria: Mapping[str, float | str]) -> tuple[Criterion, ...]:
    return tuple(parse_criterion(name, bound) for name, bound in criteria.items())


def _check_criterion(name: str, bound: object) -> None:
    try:
        parse_criterion(name, bound)
    except ValueError as exc:
        context = {"reason": str(exc), "at": name}
        raise PydanticCustomError("criterion", "{reason}", context) from None


class SpecFile(RootModel[dict[str, ExperimentSpec]]):
    """A spec file: experiment name to experiment. See the spec reference in docs/spec.md."""
