"""From a checked spec to what would run: seeds drawn, scripts located, every trial checked.

Starts nothing, and executes nothing of the spec.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial, reduce
from itertools import zip_longest
from operator import getitem
from typing import Any

from tune_tasks.cluster.nodes import Cluster
from tune_tasks.errors import (
    Location,
    ResourcesError,
    SpecError,
    TrainableError,
    UsageError,
    nearest,
)
from tune_tasks.model.masking import is_mask, masked, secrets_in
from tune_tasks.model.stopping import parse_criterion
from tune_tasks.model.trial import Resources, Trial
from tune_tasks.result import STOP_METRICS
from tune_tasks.rllib.planning import ignored, in_our_names, rllib_plan
from tune_tasks.spec.expansion import Expansion, num_trials
from tune_tasks.spec.expressions.budget import Budget
from tune_tasks.spec.lookalikes import unsearched, variables
from tune_tasks.spec.schema import MAX_TRIALS, ExperimentSpec, Spec
from tune_tasks.spec.search_space import SearchSpace, dotted
from tune_tasks.spec.source import NodePath
from tune_tasks.sweep.locate import locate
from tune_tasks.trial.trainable import CallableTrainable, Trainable, TrainFunction

_SCRIPT = "script"
_ONLY_RLLIB = ("checkpoint_freq", "checkpoint_at_end", "restore")
_COUNTABLE = 10**30
_MOST_WARNINGS = 50


@dataclass(frozen=True)
class Need:
    """What a trial occupies.

    Attributes:
        resources: All of it.
        bundles: The shares of the trial's processes; empty if it has one process.
    """

    resources: Resources
    bundles: tuple[Resources, ...] = ()


@dataclass(frozen=True)
class PlannedExperiment:
    """One experiment, ready to run.

    Attributes:
        seed: The spec's, or the one drawn for the sweep.
        trainable: What its trials call.
        trials: All of them, in order; a trial is resolved each time that it is asked for.
        needs: What its trials occupy, each need once.
    """

    name: str
    spec: ExperimentSpec
    seed: int
    trainable: Trainable
    trials: Sequence[Trial]
    needs: Sequence[Need]


@dataclass(frozen=True)
class Plan:
    """What a sweep runs.

    Attributes:
        experiments: In the spec's order.
        given: The spec as plain data, as it was given.
        source: The spec as plain data, as it runs: with `seed`, `num_trials` and `stop` as they
            were given beside it.
        warnings: What is allowed, but probably a mistake.
    """

    experiments: list[PlannedExperiment]
    given: Mapping[str, object]
    source: Mapping[str, object]
    warnings: list[str] = field(default_factory=list)

    def trials(self) -> Iterator[Trial]:
        """Every trial, the experiments interleaved: the first of each, then the second of each."""
        for row in zip_longest(*(experiment.trials for experiment in self.experiments)):
            yield from (trial for trial in row if trial is not None)

    def as_json(self) -> Iterator[dict[str, Any]]:
        """The trials, one by one, as `tune-tasks plan --json` prints them."""
        for trial in self.trials():
            yield {
                "experiment": trial.experiment,
                "index": trial.index,
                "name": trial.name,
                "config": masked(trial.config),
                "resources": asdict(trial.resources),
                "stop": dict(self.experiment_of(trial).spec.stop),
            }

    def experiment_of(self, trial: Trial) -> PlannedExperiment:
        """The experiment that a trial belongs to."""
        return self._by_name[trial.experiment]

    def sizes(self) -> set[Resources]:
        """What trials occupy, each size once."""
        return {need.resources for experiment in self.experiments for need in experiment.needs}

    def expect_to_fit(self, cluster: Cluster) -> None:
        """Raise ResourcesError if an experiment's trials can never be placed."""
        for experiment in self.experiments:
            for need in experiment.needs:
                if not cluster.fits(need.resources, need.bundles):
                    raise _too_large(experiment.name, need, cluster)

    @cached_property
    def _by_name(self) -> dict[str, PlannedExperiment]:
        return {experiment.name: experiment for experiment in self.experiments}


def make_plan(
    spec: Spec,
    *,
    seed: int | None = None,
    num_trials: int | None = None,
    stop: Mapping[str, float | str] | None = None,
    callables: Mapping[str, TrainFunction] | None = None,
    drawn_seed: int | None = None,
) -> Plan:
    """Check every trial of a spec, and make each of them when it is asked for.

    Args:
        spec: From `load_spec` or `spec_from_data`.
        seed: Takes the place of the experiments' own seeds.
        num_trials: Takes the place of the experiments' own `num_trials`.
        stop: Criteria for every experiment; they replace its own criteria of the same metrics.
        callables: Python functions by experiment name, for experiments that name no script.
        drawn_seed: The seed of the experiments that have none; drawn here if it is None.

    Raises:
        SpecError: If a search space, an expression or a script is wrong.
        UsageError: If `seed` or `num_trials` is out of its range, or `stop` has something that is
            not a criterion.
    """
    _check_arguments(seed, num_trials, stop or {})
    drawn = secrets.randbelow(2**31) if drawn_seed is None else drawn_seed
    planned: list[PlannedExperiment] = []
    source: dict[str, object] = {}
    warnings: list[str] = list(spec.warnings)
    problems: list[SpecError] = []
    said: set[tuple[Location, str]] = set()
    budget = Budget()
    for name, given in spec.experiments.items():
        merged = {
            "num_trials": num_trials,
            "seed": seed,
            "stop": {**given.stop, **stop} if stop else None,
        }
        overrides = {key: value for key, value in merged.items() if value is not None}
        experiment = given.model_copy(update=overrides)
        source[name] = {**(spec.source.data[name] or {}), **overrides}
        own_seed = drawn if experiment.seed is None else experiment.seed
        try:
            _expect_no_mask(spec, name, experiment)
            space = SearchSpace(experiment.config, _locator(spec, name))
            _check_size(spec, name, experiment, space)
            if experiment.alg == _SCRIPT:
                made = _of_script(spec, name, experiment, space, own_seed, budget, callables or {})
            else:
                made = _of_rllib(spec, name, experiment, space, own_seed, budget)
        except SpecError as exc:
            problems += _unsaid(exc, name, said, spec.source.at((name, "config"), key=True))
            continue
        planned.append(made)
        warnings += _warnings(spec, name, made.spec, space)
    if problems:
        raise SpecError.of(problems)
    warnings = [
        *(f"{place}: {text}" for place, text in spec.source.warnings.items()),
        *dict.fromkeys(warnings),
    ]
    if len(warnings) > _MOST_WARNINGS:
        warnings = [*warnings[:_MOST_WARNINGS], f"… {len(warnings) - _MOST_WARNINGS} more warnings"]
    return Plan(planned, spec.source.data, source, warnings)


def _of_script(
    spec: Spec,
    name: str,
    experiment: ExperimentSpec,
    space: SearchSpace,
    seed: int,
    budget: Budget,
    callables: Mapping[str, TrainFunction],
) -> PlannedExperiment:
    trainable = _script(spec, name, experiment, callables)
    trials = Expansion(name, experiment, space, seed)
    trials.check(budget)
    needs = [Need(experiment.resources.resources())]
    return PlannedExperiment(name, experiment, seed, trainable, trials, needs)


def _of_rllib(
    spec: Spec,
    name: str,
    experiment: ExperimentSpec,
    space: SearchSpace,
    seed: int,
    budget: Budget,
) -> PlannedExperiment:
    at = partial(_at, spec, name)
    experiment = in_our_names(experiment, at)
    trials = Expansion(name, experiment, space, seed)
    trials.check(budget)
    trainable, placed = rllib_plan(experiment, trials, spec.folder, at)
    needs = list(dict.fromkeys(Need(trial.resources, trial.bundles) for trial in placed))
    experiment = _with_the_most(experiment, needs)
    return PlannedExperiment(name, experiment, seed, trainable, placed, needs)


def _too_large(name: str, need: Need, cluster: Cluster) -> ResourcesError:
    workers = ""
    if need.bundles:
        workers = ", or the number of workers,"
    return ResourcesError(
        f"{name}: a trial asks for {need.resources}, but no machine of the cluster has that: "
        f"{'; '.join(map(str, cluster.nodes))}. Lower `resources`{workers} in the spec, or join a "
        "larger cluster (--address; a local one: --num-cpus, --num-gpus)"
    )


def _check_arguments(
    seed: int | None, num_trials: int | None, stop: Mapping[str, float | str]
) -> None:
    if seed is not None and not 0 <= seed < 2**63:
        raise UsageError(f"seed: expected a whole number from 0 to 2**63 - 1, got {seed}")
    if num_trials is not None and not 1 <= num_trials <= MAX_TRIALS:
        raise UsageError(
            f"num_trials: expected a whole number from 1 to {MAX_TRIALS:,}, got {num_trials}"
        )
    for metric, bound in stop.items():
        try:
            parse_criterion(metric, bound)
        except ValueError as exc:
            raise UsageError(f"stop.{metric}: {exc}") from None


def _expect_no_mask(spec: Spec, name: str, experiment: ExperimentSpec) -> None:
    """Refuse a secret's mask, as specs from `best` and from MLflow have it.

    A trial would fail because of it, later and with a message that does not name it.
    """
    for path in secrets_in(experiment.config):
        value = reduce(getitem, path, experiment.config)  # type: ignore[arg-type]
        if is_mask(value):
            message = (
                f"config.{dotted(path)}: {value!r} stands for a secret, which was not stored; write"
                " the secret itself"
            )
            raise SpecError(message, spec.source.at((name, "config", *path)))


def _check_size(spec: Spec, name: str, experiment: ExperimentSpec, space: SearchSpace) -> None:
    if (count := num_trials(experiment, space)) > MAX_TRIALS:
        place = spec.source.at((name,), key=True)
        raise SpecError(
            f"config: its grid has {_shown(count)} combinations; give num_trials, at most"
            f" {MAX_TRIALS:,}",
            place,
        )


def _shown(count: int) -> str:
    # Python refuses to write more than 4,300 digits.
    return f"{count:,}" if count < _COUNTABLE else f"more than {_COUNTABLE:.0e}"


def _locator(spec: Spec, name: str) -> Callable[[NodePath], Location | None]:
    return lambda path: spec.source.at((name, "config", *path))


def _unsaid(
    error: SpecError, name: str, said: set[tuple[Location, str]], otherwise: Location | None
) -> Iterator[SpecError]:
    """The problems that were not named yet. Experiments that share a YAML anchor share problems."""
    for problem in error.each():
        if problem.location is None or (problem.location, problem.message) not in said:
            yield problem.within(name, otherwise)
        if problem.location:
            said.add((problem.location, problem.message))


def _at(spec: Spec, name: str, path: NodePath, *, key: bool = False) -> Location | None:
    return spec.source.at((name, *path), key=key)


def _with_the_most(experiment: ExperimentSpec, needs: Sequence[Need]) -> ExperimentSpec:
    """The experiment with the resources of its largest trial, if they follow from the configs."""
    cpu = max(need.resources.cpu for need in needs)
    gpu = max(need.resources.gpu for need in needs)
    resources = experiment.resources.model_copy(update={"cpu": cpu, "gpu": gpu})
    return experiment.model_copy(update={"resources": resources})


def _script(
    spec: Spec, name: str, experiment: ExperimentSpec, callables: Mapping[str, TrainFunction]
) -> Trainable:
    if only_rllib := next((key for key in _ONLY_RLLIB if getattr(experiment, key)), None):
        place = spec.source.at((name, only_rllib), key=True)
        raise SpecError(
            f"{only_rllib}: only RLlib's algorithms have checkpoints; a script writes its own",
            place,
        )
    if name in callables:
        return CallableTrainable(callables[name])
    try:
        return locate(experiment.config, spec.folder)
    except TrainableError as exc:
        key = "script_entrypoint" if "script_entrypoint" in str(exc) else "script_file_path"
        raise SpecError(str(exc), spec.source.at((name, "config", key))) from exc


def _warnings(
    spec: Spec, name: str, experiment: ExperimentSpec, space: SearchSpace
) -> Iterator[str]:
    if num_trials(experiment, space) < space.grid_size:
        place = spec.source.at((name, "num_trials"))
        size = _shown(space.grid_size)
        yield _placed(
            place,
            f"{name}.num_trials: {experiment.num_trials} of the grid's {size} combinations are"
            " tried",
        )
    if experiment.alg != _SCRIPT and not experiment.stop:
        said = (
            f"{name}: no `stop`: a trial of {experiment.alg} never ends by itself; e.g. stop:"
            " {time_total_s: 3600}"
        )
        yield _placed(spec.source.at((name,), key=True), said)
    for path, reason in unsearched(experiment.config):
        yield _placed(
            spec.source.at((name, "config", *path)), f"{name}.config.{dotted(path)}: {reason}"
        )
    for path, reason in variables(spec.source.data[name] or {}):
        yield _placed(spec.source.at((name, *path)), f"{name}.{dotted(path)}: {reason}")
    for key, reason in ignored(experiment):
        yield _placed(
            spec.source.at((name, "config", key), key=True), f"{name}.config.{key}: {reason}"
        )
    for metric in experiment.stop:
        meant = nearest(metric, STOP_METRICS)
        if metric not in STOP_METRICS and meant and _is_near(metric, meant):
            place = spec.source.at((name, "stop", metric), key=True)
            yield _placed(
                place, f"{name}.stop.{metric}: no metric of TrainingResult; did you mean {meant!r}?"
            )


def _placed(place: object, message: str) -> str:
    return f"{place}: {message}" if place else message


def _is_near(name: str, meant: str) -> bool:
    return (
        abs(len(name) - len(meant)) <= 2 and nearest(name, [meant]) == meant and name[0] == meant[0]
    )
