"""The key `scheduler` of an experiment: what ends trials early, or replaces them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from tune_tasks.model.masking import short
from tune_tasks.model.stopping import Criterion
from tune_tasks.spec.named_options import OptionError, hint, known_options, options_of

_POSITIVE = Field(gt=0, allow_inf_nan=False)
_Steps = Annotated[float, _POSITIVE]


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Timed(_Options):
    """What judges trials at milestones."""

    time_attr: str = Field(
        "training_iteration",
        min_length=1,
        description=(
            "What says how far a trial is: a field of its reports that rises, such as"
            " training_iteration, timesteps_total, time_total_s, or an entry of info."
        ),
    )


class RungOptions(Timed):
    """Trials are compared at rungs."""

    grace_period: _Steps = Field(1, description="The first rung.")
    reduction_factor: float = Field(
        3,
        gt=1,
        allow_inf_nan=False,
        description="From one rung to the next; one of so many trials goes on.",
    )
    max_t: _Steps | None = Field(
        None,
        description="From where on nobody is judged; default: where `stop` ends a trial.",
    )


class AshaOptions(RungOptions):
    """Successive halving: at each rung the best go on."""

    mode: Literal["stop", "promote"] = Field(
        "stop",
        description=(
            "What becomes of the others. stop: they end. promote: they are paused, with a"
            " checkpoint, and go on if they are among the best later."
        ),
    )


class HyperbandOptions(RungOptions):
    """Successive halving with several grace periods side by side."""

    brackets: int | None = Field(
        None, ge=1, description="How many grace periods; default: one for each rung."
    )


class MedianOptions(Timed):
    """Ends a trial whose best value is worse than the median of the others' means."""

    grace_period: _Steps = Field(5, description="Where a trial is judged for the first time.")
    interval: _Steps | None = Field(
        None, description="From one judgement to the next; default: grace_period."
    )
    min_trials: int = Field(5, ge=1, description="How many others it is compared with, at least.")


class PlateauOptions(_Options):
    """Ends a trial that does not get better any more."""

    patience: int = Field(10, ge=1, description="Reports without an improvement.")
    min_delta: float = Field(
        0.001, ge=0, allow_inf_nan=False, description="What counts as an improvement, at least."
    )


class PbtOptions(Timed):
    """Population based training: the worst go on from the best, with other settings."""

    interval: _Steps = Field(5, description="From one comparison to the next.")
    quantile: float = Field(
        0.25, gt=0, le=0.5, description="The share that is replaced, and that is gone on from."
    )
    resample: float = Field(
        0.25, ge=0, le=1, description="The probability that a value is drawn anew."
    )
    factors: list[_Steps] = Field(
        [0.8, 1.2],
        min_length=1,
        description="Otherwise a value is multiplied by one of these, within its domain.",
    )
    mutate: list[str] | None = Field(
        None,
        min_length=1,
        description="The dotted paths of what is changed; default: every domain of config.",
    )


class ReplayStep(_Options):
    """A step of a schedule: from here on a trial has other values."""

    at: _Steps = Field(description="How far a trial is then.")
    config: dict[str, Any] = Field(
        min_length=1, description="The new values, by dotted path; all others stay as they are."
    )


class ReplayOptions(Timed):
    """The config of a trial changes while it runs, as the best member's of a population did."""

    schedule: list[ReplayStep] = Field(
        min_length=1, description="What changes where, in rising order; `config` is the beginning."
    )


SchedulerOptions = (
    AshaOptions | HyperbandOptions | MedianOptions | PbtOptions | PlateauOptions | ReplayOptions
)
Options = TypeVar("Options", bound=SchedulerOptions)
"""Those of one kind of scheduler."""
SCHEDULERS: Mapping[str, type[SchedulerOptions]] = {
    "asha": AshaOptions,
    "hyperband": HyperbandOptions,
    "median": MedianOptions,
    "plateau": PlateauOptions,
    "pbt": PbtOptions,
    "replay": ReplayOptions,
}
_MEANT = {"promote": "; write {asha: {mode: promote}}"}
"""What is no scheduler, and what is meant by it."""


def parsed_schedulers(given: object) -> tuple[tuple[str, SchedulerOptions], ...]:
    """What `scheduler` says: the names of schedulers, each with its options, in order.

    Args:
        given: A name, `{name: options}`, or a list of these; None for no scheduler.

    Raises:
        OptionError: If it says anything else; says what is wrong.
    """
    if given is None:
        return ()
    if isinstance(given, list):
        if not given:
            raise OptionError("expected at least one scheduler in the list")
        return tuple(_item(number, each) for number, each in enumerate(given))
    return (_one(given),)


def promotes(options: _Options) -> bool:
    """Whether trials are paused, and promoted later."""
    return isinstance(options, AshaOptions) and options.mode == "promote"


def max_t_of(options: RungOptions, criteria: Iterable[Criterion]) -> float | None:
    """Where a trial ends: what the options say, or what criteria do; or None."""
    return end_of(options.time_attr, criteria) if options.max_t is None else options.max_t


def end_of(time_attr: str, criteria: Iterable[Criterion]) -> float | None:
    """How far a trial comes, at most, by its stop criteria; None if they do not say it."""
    bounds = (
        criterion.bound
        for criterion in criteria
        if criterion.metric == time_attr and criterion.op in (">=", ">", "==")
    )
    return min(bounds, default=None)


def _item(number: int, given: object) -> tuple[str, SchedulerOptions]:
    try:
        return _one(given)
    except OptionError as exc:
        raise exc.within(number) from None


def _one(given: object) -> tuple[str, SchedulerOptions]:
    form = {given: {}} if isinstance(given, str) else given
    if not isinstance(form, Mapping) or len(form) != 1:
        names = ", ".join(SCHEDULERS)
        raise OptionError(
            f"expected one of {names}, {{asha: {{grace_period: 3}}}}, or a list of these,"
            f" got {short(given)}"
        )
    (name,) = form
    if name not in SCHEDULERS:
        meant = _MEANT.get(name, hint(name, SCHEDULERS))
        raise OptionError(f"unknown scheduler {short(name)}{meant}")
    model = SCHEDULERS[name]
    return name, options_of(name, known_options(name, form[name], model), model)
