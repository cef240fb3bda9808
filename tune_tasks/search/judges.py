"""Makes the judges that an experiment's `scheduler` names."""

from __future__ import annotations

from collections.abc import Iterator

from tune_tasks.model.objective import Objective
from tune_tasks.search.asha import Asha, rungs
from tune_tasks.search.hyperband import Hyperband
from tune_tasks.search.judge import Judge
from tune_tasks.search.median import Median
from tune_tasks.spec.scheduling import (
    AshaOptions,
    HyperbandOptions,
    MedianOptions,
    SchedulerOptions,
    max_t_of,
)
from tune_tasks.spec.schema import ExperimentSpec


def judges_of(spec: ExperimentSpec) -> tuple[Judge, ...]:
    """The judges of an experiment that was checked, in the spec's order."""
    return tuple(_judges(spec))


def _judges(spec: ExperimentSpec) -> Iterator[Judge]:
    objective = Objective.of_spec(spec.metric, spec.mode)
    for _, options in spec.schedulers():
        judge = _judge(options, objective, spec) if objective else None
        if judge:
            yield judge


def _judge(options: SchedulerOptions, objective: Objective, spec: ExperimentSpec) -> Judge | None:
    if isinstance(options, MedianOptions):
        interval = options.interval or options.grace_period
        return Median(
            objective, options.time_attr, options.grace_period, interval, options.min_trials
        )
    if not isinstance(options, AshaOptions):
        return None  # a plateau is found by the trial itself
    steps = rungs_of(options, spec)
    factor = options.reduction_factor
    if isinstance(options, HyperbandOptions):
        return Hyperband(objective, options.time_attr, steps, factor, options.brackets)
    return Asha(objective, options.time_attr, steps, factor)


def rungs_of(options: AshaOptions, spec: ExperimentSpec) -> tuple[float, ...]:
    """The rungs of an experiment, the end of its trials included; none if it has no end."""
    max_t = max_t_of(options, spec.criteria())
    if max_t is None:
        return ()
    return rungs(options.grace_period, max_t, options.reduction_factor)
