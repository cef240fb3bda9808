"""What a scheduler needs, and what does not go together with it. Starts nothing."""

from __future__ import annotations

from math import log

from tune_tasks.errors import SpecError, did_you_mean
from tune_tasks.model.paths import NodePath
from tune_tasks.result import STOP_METRICS
from tune_tasks.search.exploring import path_of
from tune_tasks.spec.expansion import num_trials
from tune_tasks.spec.scheduling import (
    PbtOptions,
    PlateauOptions,
    ReplayOptions,
    RungOptions,
    max_t_of,
    promotes,
)
from tune_tasks.spec.schema import ExperimentSpec
from tune_tasks.spec.search_space import SearchSpace
from tune_tasks.sweep.part import Part
from tune_tasks.sweep.replay_checks import expect_replayable
from tune_tasks.sweep.search_checks import meant_domains

_MOST_RUNGS = 100


def expect_schedulable(part: Part, space: SearchSpace) -> None:
    """Check that an experiment has what its `scheduler` needs.

    Raises:
        SpecError: If it has not.
    """
    for number, (name, options) in enumerate(part.experiment.schedulers()):
        if isinstance(options, ReplayOptions):
            expect_replayable(part, options, space)
            continue
        problem = _problem_of_metric(name, part.experiment)
        if not problem and isinstance(options, RungOptions):
            problem = _problem_of_rungs(name, options, part.experiment)
        if not problem and promotes(options):
            problem = _problem_of_promotion(part.experiment)
        if not problem and isinstance(options, PbtOptions):
            problem = _problem_of_population(options, part.experiment, space)
        if problem:
            own = SpecError(f"scheduler: {problem}", part.at(("scheduler",), key=True))
            is_population = isinstance(options, PbtOptions)
            raise SpecError.of([own, *(meant_domains(part, space) if is_population else ())])
        if isinstance(options, PbtOptions):
            _expect_mutable(part, options, space, part.in_scheduler(number, name))


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


def _problem_of_rungs(name: str, options: RungOptions, spec: ExperimentSpec) -> str:
    max_t = max_t_of(options, spec.criteria())
    if max_t is None:
        attr = options.time_attr
        hint = "" if attr in STOP_METRICS else did_you_mean(attr, STOP_METRICS)
        return f"{name} must know where a trial ends: give max_t, or stop: {{{attr}: 81}}{hint}"
    if max_t <= options.grace_period:
        return (
            f"{name} judges nobody: its grace_period, {options.grace_period:g}, is not below the"
            f" end of a trial, {max_t:g}"
        )
    if log(max_t / options.grace_period) > _MOST_RUNGS * log(options.reduction_factor):
        return f"{name} would have more than {_MOST_RUNGS} rungs; raise reduction_factor"
    return ""


def _problem_of_promotion(spec: ExperimentSpec) -> str:
    others = [
        name
        for name, options in spec.schedulers()
        if not (promotes(options) or isinstance(options, PlateauOptions))
    ]
    if others or len([o for _, o in spec.schedulers() if promotes(o)]) > 1:
        return (
            "asha with mode: promote decides alone which trials wait, and does not go together with"
            f" {', '.join(others) or 'another asha'}; use plateau, or asha with mode: stop"
        )
    if spec.searching().lag is not None:
        return (
            "asha with mode: promote does not go together with lag: a trial that is paused has not"
            " ended, and lag would wait for it; leave lag out, or use mode: stop"
        )
    return ""


def _problem_of_population(options: PbtOptions, spec: ExperimentSpec, space: SearchSpace) -> str:
    search = spec.searching()
    if search.learns:
        return (
            f"pbt changes configs itself, and does not go together with search: {search.algorithm};"
            " use random or qmc"
        )
    others = [
        name for name, o in spec.schedulers() if not isinstance(o, PbtOptions | PlateauOptions)
    ]
    if others or len([o for _, o in spec.schedulers() if isinstance(o, PbtOptions)]) > 1:
        return f"pbt does not go together with {', '.join(others) or 'another pbt'}; use plateau"
    if spec.storage:
        return "pbt does not copy checkpoints within a storage yet; leave storage out"
    if num_trials(spec, space) < 2 * space.grid_size:
        return "pbt is about several trials that go on from one another: num_trials: 8"
    if not space.parameters:
        return (
            "pbt changes the values of domains, such as {uniform: [0, 1]} or {choice: [1, 2]};"
            " config has none"
        )
    return ""


def _expect_mutable(part: Part, options: PbtOptions, space: SearchSpace, at: NodePath) -> None:
    known = sorted({path_of(parameter) for parameter in space.parameters})
    for number, path in enumerate(options.mutate or ()):
        if path not in known:
            hint = did_you_mean(path, known)
            problem = f"{path}: it has no domain{hint} (known: {', '.join(known)})"
            place = part.at((*at, "mutate", number))
            raise SpecError(f"scheduler: pbt.mutate: {problem}", place)
