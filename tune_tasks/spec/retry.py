"""The key `retry` of an experiment: what follows from which failure. Pure."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Literal, TypeGuard

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from tune_tasks.errors import did_you_mean
from tune_tasks.model.failure import ENDS_OF_PROCESSES, Failure
from tune_tasks.model.trial import Resources
from tune_tasks.spec.patterns import check_pattern, found
from tune_tasks.spec.resources import GPU_EXPECTED, SIZE_EXPECTED, is_gpu_share, parse_size

MAX_TIMES = 1_000
"""Attempts that one rule may give a trial."""
LONGEST_WAIT_S = 3_600.0
"""What the doubling of a wait ends at, if the spec names no longer one."""
_DAY_S = 86_400
_MAX_FACTOR = 1_000
_FACTOR = re.compile(r"x(\d{1,9}(?:\.\d{1,9})?)")
_HOW = ("times", "counts", "wait_s", "resources")
"""The keys that say how to try again."""


class Do(StrEnum):
    """What follows from a failure."""

    RETRY = "retry"
    FAIL = "fail"
    STOP_SWEEP = "stop_sweep"


@dataclass(frozen=True)
class Amount:
    """How much of a resource the next attempt gets: so much, or so many times what the last had."""

    number: float
    is_factor: bool = False

    @classmethod
    def parsed(cls, value: float | str) -> Amount:
        """Return what a spec says: a number of CPUs or GPUs, a size of memory, or `x2`."""
        factor = _FACTOR.fullmatch(str(value))
        if factor:
            return cls(float(factor[1]), is_factor=True)
        if isinstance(value, str):
            return cls(parse_size(value) or 0)
        return cls(value)

    def after(self, last: float) -> float:
        """Return the next attempt's, if the last one had so much."""
        return last * self.number if self.is_factor else self.number


@dataclass(frozen=True)
class NextResources:
    """How the resources of the next attempt follow from those of the last one; None: the same."""

    cpu: Amount | None = None
    gpu: Amount | None = None
    memory: Amount | None = None

    def after(self, last: Resources) -> Resources:
        """Return the next attempt's, in amounts that Ray can give."""
        changed: dict[str, Any] = {}
        if self.cpu:
            changed["cpu"] = round(self.cpu.after(last.cpu), 4)
        if self.gpu:
            gpu = round(self.gpu.after(last.gpu), 4)
            changed["gpu"] = gpu if is_gpu_share(gpu) else math.ceil(gpu)
        if self.memory:
            changed["memory"] = int(self.memory.after(last.memory))
        return replace(last, **changed)


@dataclass(frozen=True)
class RetryRule:
    """What follows from the failures that `on` describes.

    Attributes:
        on: A cause such as `out_of_memory`, or a regular expression.
        do: What follows.
        times: How many further attempts it gives a trial at most.
        counts: Whether such a failure counts against `max_failures`.
        wait_s: Seconds until the next attempt may start, the first time; then twice as many.
        resources: What the next attempt gets.
    """

    on: str
    do: Do = Do.RETRY
    times: int = MAX_TIMES
    counts: bool = True
    wait_s: float = 0.0
    resources: NextResources = NextResources()

    def fits(self, failure: Failure) -> bool:
        """Return whether it is the rule for a failure."""
        if self.on in ENDS_OF_PROCESSES:
            return failure.cause == self.on
        return any(found(self.on, text) for text in failure.texts())

    def wait_before(self, use: int) -> float:
        """Return the seconds to wait when it gives a trial its `use`-th attempt, from 1 on."""
        longest = max(self.wait_s, LONGEST_WAIT_S)
        return float(min(self.wait_s * 2.0 ** (use - 1), longest))


class RetryResourcesSpec(BaseModel):
    """What the next attempt gets: so much, or so many times what the last one had."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    cpu: float | str | None = Field(None, description="CPUs: a number, or a factor such as 'x2'.")
    gpu: float | str | None = Field(
        None,
        description="GPUs: likewise; what 'x2' comes to above 1 is rounded up to whole ones.",
    )
    memory: int | str | None = Field(
        None, description="Memory that Ray reserves: bytes, a text such as '4GiB', or 'x2'."
    )

    @field_validator("cpu", "gpu", "memory", mode="before")
    @classmethod
    def _amount(cls, value: object, info: Any) -> object:
        problem = _problem_of_amount(info.field_name, value)
        if problem:
            raise PydanticCustomError("amount", "{reason}", {"reason": f"expected {problem}"})
        return value

    def parsed(self) -> NextResources:
        """The same as the sweep takes it."""
        given = self.model_dump(exclude_none=True)
        return NextResources(**{name: Amount.parsed(value) for name, value in given.items()})


class RetrySpec(BaseModel):
    """A rule: what follows from which failure."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    on: str = Field(
        description=(
            "The failures: a regular expression, found in 'ExceptionType: message'; or"
            " out_of_memory, machine_lost or process_died."
        )
    )
    do: Literal["retry", "fail", "stop_sweep"] = Field(
        "retry",
        description="Try the trial again; let it fail at once; or stop the sweep.",
    )
    times: int | None = Field(
        None,
        ge=1,
        le=MAX_TIMES,
        description=(
            "How many further attempts the rule gives a trial, beside max_failures; default: as"
            " many as that leaves."
        ),
    )
    counts: bool | None = Field(
        None,
        description=(
            "Whether such a failure counts against max_failures; default: true, but false if the"
            " rule has times."
        ),
    )
    wait_s: float = Field(
        0,
        ge=0,
        le=_DAY_S,
        allow_inf_nan=False,
        description=(
            "Seconds until the next attempt may start; twice as many each time, up to an hour."
        ),
    )
    resources: RetryResourcesSpec = Field(
        default_factory=RetryResourcesSpec, description="What the next attempt gets."
    )

    @field_validator("on")
    @classmethod
    def _expression(cls, on: str) -> str:
        try:
            check_pattern(on)
        except ValueError as exc:
            raise _wrong(f"not a regular expression: {exc}") from None
        if not on:
            raise _wrong("expected a regular expression or a cause, got nothing")
        return on

    @field_validator("do", mode="before")
    @classmethod
    def _known(cls, do: object) -> object:
        if do not in list(Do):
            known = [str(each) for each in Do]
            hint = did_you_mean(str(do), known)
            raise _wrong(f"got {do!r}{hint} (known: {', '.join(known)})")
        return do

    @model_validator(mode="after")
    def _only_for_retries(self) -> RetrySpec:
        for key in _HOW:
            if Do(self.do) is not Do.RETRY and key in self.model_fields_set:
                reason = f"says how to try again, but `do` is {self.do!r}; leave out one of both"
                raise PydanticCustomError("wrong", "{reason}", {"reason": reason, "at": key})
        return self

    def rule(self) -> RetryRule:
        """The same as the sweep takes it."""
        counts = self.times is None if self.counts is None else self.counts
        times = MAX_TIMES if self.times is None else self.times
        resources = self.resources.parsed()
        return RetryRule(self.on, Do(self.do), times, counts, self.wait_s, resources)


def _wrong(reason: str) -> PydanticCustomError:
    return PydanticCustomError("wrong", "{reason}", {"reason": reason})


def _problem_of_amount(resource: str, value: object) -> str:
    """What was expected in place of a value; empty if it is right."""
    factor = _FACTOR.fullmatch(value) if isinstance(value, str) else None
    if factor:
        is_right = 0 < float(factor[1]) <= _MAX_FACTOR
        return "" if is_right else f"a factor above x0, x{_MAX_FACTOR} at most"
    if resource == "memory":
        is_right = isinstance(value, (int, str)) and parse_size(value) is not None
        return "" if is_right else f"{SIZE_EXPECTED}, or a factor such as x2"
    if not _is_amount(value):
        return "a number >= 0, or a factor such as x2"
    if resource == "gpu" and not is_gpu_share(value):
        return f"{GPU_EXPECTED}, or a factor such as x2"
    return ""


def _is_amount(value: object) -> TypeGuard[float]:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return math.isfinite(value) and value >= 0
