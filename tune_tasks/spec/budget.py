"""The key `budget` of an experiment: what ends its sweep. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from tune_tasks.model.objective import Objective, Objectives
from tune_tasks.model.stopping import Criterion
from tune_tasks.model.trial import Resources, count
from tune_tasks.spec.durations import DURATION_EXPECTED, parse_duration, shown_duration

MIN_ENDED = 10
"""So many trials have to end before a share of failed ones says anything."""
OF_THE_METRIC = ("patience", "goal")
"""The keys that go by the metric."""
_MAX_TRIALS = 1_000_000
_GOAL_EXPECTED = "a number such as 0.05; the direction follows from `mode`"
_FAILURES_EXPECTED = "a share between 0 and 1 such as 0.5, or a whole number of trials from 1 on"


@dataclass(frozen=True)
class Hours:
    """Hours of a resource, summed over attempts.

    Attributes:
        unit: `trial hour`, `CPU hour` or `GPU hour`.
        most: How many there are.
    """

    unit: str
    most: float

    def weight(self, given: Resources) -> float:
        """How many of the unit an attempt with these resources uses in an hour."""
        return {"CPU hour": given.cpu, "GPU hour": given.gpu}.get(self.unit, 1.0)

    def __str__(self) -> str:
        return count(self.most, self.unit)


@dataclass(frozen=True)
class Budget:
    """What ends the sweep of an experiment: the first that is met.

    Attributes:
        time_s: Seconds from the start of its first trial on.
        hours: Hours of trials, CPUs and GPUs.
        patience: Ended trials without a better best.
        goal: The value of the metric that is good enough.
        failures: How many trials that fail are too many.
        failure_share: Which share of the ended trials is too much, from `MIN_ENDED` trials on.
        objective: The metric; None if the spec names none. Nothing goes by it if there are several.
        constraints: What a report has to meet to be the best, or to reach the goal.
    """

    time_s: float | None = None
    hours: tuple[Hours, ...] = ()
    patience: int | None = None
    goal: float | None = None
    failures: int | None = None
    failure_share: float | None = None
    objective: Objective | None = None
    constraints: tuple[Criterion, ...] = ()

    def words(self) -> Iterator[str]:
        """What it says, for people: `6 h`, `100 CPU hours`, `40 trials without a better one`."""
        if self.time_s is not None:
            yield shown_duration(self.time_s)
        yield from map(str, self.hours)
        if self.patience is not None:
            yield f"{count(self.patience, 'trial')} without a better one"
        if self.goal is not None and self.objective:
            yield f"goal {self.objective.words(self.goal)}"
        if self.failures is not None:
            yield f"{count(self.failures, 'failed trial')}"
        if self.failure_share is not None:
            yield f"{100 * self.failure_share:g} % failed of {MIN_ENDED} trials or more"


class BudgetSpec(BaseModel):
    """What ends the sweep of an experiment: the first that is met."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    time: float | str | None = Field(
        None,
        description=(
            "Wall clock since its first trial was started, while the sweep runs: seconds, or a text"
            " such as '90s', '30m', '6h' or '2d'."
        ),
    )
    trial_hours: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="Hours, summed over the trials' attempts."
    )
    cpu_hours: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="The same, times the CPUs that each attempt occupies.",
    )
    gpu_hours: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="The same for GPUs."
    )
    patience: int | None = Field(
        None,
        ge=1,
        le=_MAX_TRIALS,
        description="How many trials end, one after the other, without being the best so far.",
    )
    goal: float | None = Field(
        None,
        allow_inf_nan=False,
        description="A value of the metric: a trial has reported it, or a better one.",
    )
    failures: int | float | None = Field(
        None,
        description=(
            f"Failed trials: a number, or a share of those that have ended, from {MIN_ENDED} on."
        ),
    )

    @field_validator("time", mode="before")
    @classmethod
    def _duration(cls, time: object) -> object:
        if time is not None and not parse_duration(time):
            raise _expected(DURATION_EXPECTED)
        return time

    @field_validator("goal", mode="before")
    @classmethod
    def _plain_number(cls, goal: object) -> object:
        if isinstance(goal, str):
            raise _expected(_GOAL_EXPECTED)
        return goal

    @field_validator("failures", mode="before")
    @classmethod
    def _number_or_share(cls, failures: object) -> object:
        if failures is not None and not _is_number(failures) and not _is_share(failures):
            raise _expected(_FAILURES_EXPECTED)
        return failures

    def budget(self, compared_by: Objectives) -> Budget | None:
        """The same as the sweep takes it; None if it says nothing.

        Args:
            compared_by: What trials are compared by.
        """
        if not self.model_dump(exclude_none=True):
            return None
        given = {
            "trial hour": self.trial_hours,
            "CPU hour": self.cpu_hours,
            "GPU hour": self.gpu_hours,
        }
        return Budget(
            parse_duration(self.time),
            tuple(Hours(unit, most) for unit, most in given.items() if most is not None),
            self.patience,
            self.goal,
            self.failures if isinstance(self.failures, int) else None,
            self.failures if isinstance(self.failures, float) else None,
            compared_by.first,
            compared_by.constraints,
        )


def _expected(what: str) -> PydanticCustomError:
    return PydanticCustomError("budget", f"expected {what}")


def _is_number(failures: object) -> bool:
    if isinstance(failures, bool) or not isinstance(failures, int):
        return False
    return 1 <= failures <= _MAX_TRIALS


def _is_share(failures: object) -> bool:
    return isinstance(failures, float) and 0 < failures < 1
