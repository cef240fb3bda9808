"""Makes the judges that an experiment's `scheduler` names."""

from __future__ import annotations

from collections.abc import Iterator

from tune_tasks.model.objective import Objective
from tune_tasks.search.asha import Asha, rungs
from tune_tasks.search.exploring import Explorer, path_of
from tune_tasks.search.hyperband import Hyperband
from tune_tasks.search.judge import Judge
from tune_tasks.search.median import Median
from tune_tasks.search.pbt import Population
from tune_tasks.search.promotion import Promotion
from tune_tasks.search.replay import Replay
from tune_tasks.spec.expansion import Expansion
from tune_tasks.spec.scheduling import (
    HyperbandOptions,
    MedianOptions,
    PbtOptions,
    ReplayOptions,
    RungOptions,
    SchedulerOptions,
    max_t_of,
    promotes,
)
from tune_tasks.spec.schema import ExperimentSpec
from tune_tasks.spec.search_space import SearchSpace


def judges_of(spec: ExperimentSpec, trials: Expansion | None = None) -> tuple[Judge, ...]:
    """The judges of an experiment that was checked, in the spec's order.

    Args:
        spec: The experiment's.
        trials: Its trials; a population and a schedule need them, and brackets beside a grid.
    """
    return tuple(_judges(spec, trials))


def _judges(spec: ExperimentSpec, trials: Expansion | None) -> Iterator[Judge]:
    objective = spec.compared_by().first
    for _, options in spec.schedulers():
        judge: Judge | None = None
        if trials and isinstance(options, ReplayOptions):
            steps = [step.at for step in options.schedule]
            judge = Replay(options.time_attr, steps, trials)
        elif objective and trials and isinstance(options, PbtOptions):
            judge = _population(options, objective, trials)
        elif objective:
            judge = _judge(options, objective, spec, trials)
        if judge:
            yield judge


def _population(options: PbtOptions, objective: Objective, trials: Expansion) -> Population:
    return Population(
        objective,
        options.time_attr,
        options.interval,
        options.quantile,
        Explorer(
            trials.space.parameters,
            mutated_paths(options, trials.space),
            options.resample,
            options.factors,
        ),
        trials,
        f"{trials.stream}/pbt",
    )


def mutated_paths(options: PbtOptions, space: SearchSpace) -> list[str]:
    """The dotted paths of what a population changes."""
    known = sorted({path_of(parameter) for parameter in space.parameters})
    return known if options.mutate is None else options.mutate


def _judge(
    options: SchedulerOptions,
    objective: Objective,
    spec: ExperimentSpec,
    trials: Expansion | None,
) -> Judge | None:
    if isinstance(options, MedianOptions):
        interval = options.interval or options.grace_period
        return Median(
            objective, options.time_attr, options.grace_period, interval, options.min_trials
        )
    if not isinstance(options, RungOptions):
        return None  # a plateau is found by the trial itself
    steps = rungs_of(options, spec)
    factor = options.reduction_factor
    if isinstance(options, HyperbandOptions):
        grid_size = trials.space.grid_size if trials else 1
        return Hyperband(objective, options.time_attr, steps, factor, options.brackets, grid_size)
    form = Promotion if promotes(options) else Asha
    return form(objective, options.time_attr, steps, factor)


def rungs_of(options: RungOptions, spec: ExperimentSpec) -> tuple[float, ...]:
    """The rungs of an experiment, the end of its trials included; none if it has no end."""
    max_t = max_t_of(options, spec.criteria())
    if max_t is None:
        return ()
    return rungs(options.grace_period, max_t, options.reduction_factor)
