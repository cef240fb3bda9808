"""What a scheduler needs, and what it means for a plan. Starts nothing."""

from __future__ import annotations

from math import log

from tune_tasks.errors import SpecError
from tune_tasks.spec.scheduling import AshaOptions, max_t_of
from tune_tasks.spec.schema import ExperimentSpec
from tune_tasks.sweep.part import Part

_MOST_RUNGS = 100


def expect_schedulable(part: Part) -> None:
    """Check that an experiment has what its `scheduler` needs.

    Raises:
        SpecError: If it has not.
    """
    for name, options in part.experiment.schedulers():
        problem = _problem_of_metric(name, part.experiment)
        if not problem and isinstance(options, AshaOptions):
            problem = _problem_of_rungs(name, options, part.experiment)
        if problem:
            raise SpecError(f"scheduler: {problem}", part.at(("scheduler",), key=True))


def _problem_of_metric(name: str, spec: ExperimentSpec) -> str:
    objectives = spec.compared_by()
    if not objectives.each:
        return f"{name} goes by the metric; name it: metric: mean_loss"
    if objectives.others:
        return (
            f"{name} compares trials by one metric while they run, and `objectives` names several;"
            " give one metric, or end trials by `stop` alone"
        )
    return ""


def _problem_of_rungs(name: str, options: AshaOptions, spec: ExperimentSpec) -> str:
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
