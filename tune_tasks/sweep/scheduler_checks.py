"""What a scheduler needs, and what it means for a plan. Starts nothing."""

from __future__ import annotations

from math import log

from tune_tasks.errors import SpecError
from tune_tasks.spec.scheduling import AshaOptions, SchedulerOptions, max_t_of
from tune_tasks.spec.schema import ExperimentSpec
from tune_tasks.sweep.part import Part

_MOST_RUNGS = 100


def expect_schedulable(part: Part) -> None:
    """Check that an experiment has what its `scheduler` needs.

    Raises:
        SpecError: If it has not.
    """
    for name, options in part.experiment.schedulers():
        problem = _problem(name, options, part.experiment)
        if problem:
            raise SpecError(f"scheduler: {problem}", part.at(("scheduler",), key=True))


def _problem(name: str, options: SchedulerOptions, spec: ExperimentSpec) -> str:
    if spec.metric is None:
        return f"{name} goes by the metric; name it: metric: mean_loss"
    if not isinstance(options, AshaOptions):
        return ""
    max_t = max_t_of(options, spec.criteria())
    if max_t is None:
        attr = options.time_attr
        return f"{name} must know where a trial ends: give max_t, or stop: {{{attr}: 81}}"
    if max_t <= options.grace_period:
        return (
            f"{name} judges nobody: its grace_period, {options.grace_period:g}, is not below the"
            f" end of a trial, {max_t:g}"
        )
    if log(max_t / options.grace_period) > _MOST_RUNGS * log(options.reduction_factor):
        return f"{name} would have more than {_MOST_RUNGS} rungs; raise reduction_factor"
    return ""
