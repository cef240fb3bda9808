"""From a checked spec to a plan: seeds drawn, scripts located, every trial checked.

Starts nothing, and executes nothing of the spec.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from tune_tasks.errors import Location, SpecError, TrainableError
from tune_tasks.model.masking import masked_spec
from tune_tasks.model.text import left_out
from tune_tasks.rllib.planning import in_our_names, rllib_plan
from tune_tasks.spec.arrangement import Arrangement
from tune_tasks.spec.expansion import Expansion
from tune_tasks.spec.expressions.plan_budget import PlanBudget
from tune_tasks.spec.loading import Spec
from tune_tasks.spec.schema import ExperimentSpec
from tune_tasks.spec.search_space import SearchSpace
from tune_tasks.spec.warm_start import NO_HEAD_START
from tune_tasks.sweep.budget_checks import expect_metric_of_budget
from tune_tasks.sweep.edits import Earlier, Edit, arrange
from tune_tasks.sweep.first_ones import doubts_of_first_ones, expect_first_ones
from tune_tasks.sweep.locate import locate
from tune_tasks.sweep.overrides import Overrides
from tune_tasks.sweep.part import Part
from tune_tasks.sweep.part_checks import expect_memory_alone, expect_no_mask, expect_size
from tune_tasks.sweep.plan import Need, Plan, PlannedExperiment
from tune_tasks.sweep.plan_warnings import warnings_of
from tune_tasks.sweep.replay_checks import place_of_step
from tune_tasks.sweep.scheduler_checks import expect_schedulable
from tune_tasks.sweep.search_checks import expect_searchable
from tune_tasks.sweep.warm import Warm, asked_of
from tune_tasks.sweep.warm_sources import Shelf, expect_source, warm_started
from tune_tasks.trial.trainable import CallableTrainable, Trainable, TrainFunction

_ONLY_RLLIB = ("checkpoint_freq", "checkpoint_at_end", "restore")
_MOST_WARNINGS = 50


def make_plan(
    spec: Spec,
    *,
    seed: int | None = None,
    num_trials: int | None = None,
    stop: Mapping[str, float | str] | None = None,
    callables: Mapping[str, TrainFunction] | None = None,
    drawn_seed: int | None = None,
    earlier: Mapping[str, Earlier] | None = None,
    storage: str | None = None,
    shelf: Shelf | None = None,
) -> Plan:
    """Check every trial of a spec, and make each of them when it is asked for.

    Args:
        spec: From `load_spec` or `spec_from_data`.
        seed: Takes the place of the experiments' own seeds.
        num_trials: Takes the place of the experiments' own `num_trials`.
        stop: Criteria for every experiment; they replace its own criteria of the same metrics.
        callables: Python functions by experiment name, for experiments that name no script.
        drawn_seed: The seed of the experiments that have none; drawn here if it is None.
        earlier: By experiment, what earlier drivers of the sweep have run; None if it is a new one.
        storage: Takes the place of the experiments' own `storage`.
        shelf: Where `warm_start` looks for what earlier drivers have not found; None if it does not
            look, because another machine may have the sweeps.

    Raises:
        SpecError: If a search space, an expression or a script is wrong.
        UsageError: If `seed` or `num_trials` is out of its range, or `stop` has something that is
            not a criterion, or `storage` is no address of one.
    """
    overrides = Overrides(num_trials, seed, stop or {}, storage)
    overrides.check()
    if drawn_seed is None:
        drawn_seed = secrets.randbelow(2**31)
    return _Planner(spec, overrides, callables or {}, drawn_seed, earlier, shelf).plan()


class _Planner:
    """Plans every experiment of a spec, and notes all that is wrong before it raises.

    Args:
        spec: The spec.
        overrides: What is given beside the spec.
        callables: Python functions by experiment name.
        drawn_seed: The seed of the experiments that have none.
        earlier: By experiment, what earlier drivers have run; None if the sweep is a new one.
        shelf: Where `warm_start` looks; None if it does not look.
    """

    def __init__(
        self,
        spec: Spec,
        overrides: Overrides,
        callables: Mapping[str, TrainFunction],
        drawn_seed: int,
        earlier: Mapping[str, Earlier] | None,
        shelf: Shelf | None,
    ) -> None:
        self._shelf = shelf
        self._spec = spec
        self._overrides = overrides
        self._callables = callables
        self._drawn_seed = drawn_seed
        self._earlier = earlier
        self._edits: dict[str, Edit] = {}
        self._source: dict[str, object] = {}
        self._budget = PlanBudget()
        self._warnings = list(spec.warnings)
        self._problems: list[SpecError] = []
        self._said: set[tuple[Location, str]] = set()

    def plan(self) -> Plan:
        experiments: list[PlannedExperiment] = []
        for name, given in self._spec.experiments.items():
            keys = self._overrides.of(given)
            part = Part(self._spec, name, given.model_copy(update=keys))
            self._source[name] = {**part.given, **keys}
            with self._noting_problems(part):
                experiments.append(self._planned(part))
        if self._problems:
            raise SpecError.of(self._problems)
        for name, gone in (self._earlier or {}).items():
            self._edits.setdefault(name, Edit.of_gone(gone))
        warnings = self._first_warnings()
        return Plan(experiments, self._spec.source.data, self._source, warnings, self._edits)

    def _planned(self, part: Part) -> PlannedExperiment:
        expect_no_mask(part)
        space = SearchSpace(part.experiment.config, part.in_config)
        expect_size(part, space)
        expect_searchable(part, space)
        expect_schedulable(part, space)
        expect_metric_of_budget(part)
        seed = part.experiment.seed
        if seed is None:
            seed = self._drawn_seed
        if part.is_script:
            planned = self._of_script(part, space, seed)
        else:
            planned = self._of_rllib(part, space, seed)
        self._warnings += warnings_of(replace(part, experiment=planned.spec), space)
        return planned

    def _of_script(self, part: Part, space: SearchSpace, seed: int) -> PlannedExperiment:
        experiment = part.experiment
        trainable = _script(part, self._callables)
        warm = self._warm(part, space)
        trials = self._expanded(part, experiment, space, seed, warm)
        needs = [Need(experiment.resources.resources())]
        name = part.name
        return PlannedExperiment(
            name, experiment, seed, trainable, trials, needs, trials.indices, trials, warm
        )

    def _of_rllib(self, part: Part, space: SearchSpace, seed: int) -> PlannedExperiment:
        expect_memory_alone(part)
        experiment = in_our_names(part.experiment, part.at)
        warm = self._warm(part, space)
        trials = self._expanded(part, experiment, space, seed, warm)
        trainable, placed = rllib_plan(experiment, trials, self._spec.folder, part.at)
        needs = list(dict.fromkeys(Need(trial.resources, trial.bundles) for trial in placed))
        experiment = _with_the_most(experiment, needs)
        name = part.name
        return PlannedExperiment(
            name, experiment, seed, trainable, placed, needs, trials.indices, trials, warm
        )

    def _warm(self, part: Part, space: SearchSpace) -> Warm | None:
        """Return what the experiment starts from: as an earlier driver has found it, or anew."""
        if part.experiment.warm_start is None:
            return None
        expect_source(part, space)
        earlier = (self._earlier or {}).get(part.name)
        found = earlier.warm if earlier else None
        if found is None or found.asked != asked_of(part.experiment):
            found = warm_started(part, space, self._shelf) if self._shelf else None
        return Warm.of(found, space, self._budget) if found else None

    def _expanded(
        self,
        part: Part,
        experiment: ExperimentSpec,
        space: SearchSpace,
        seed: int,
        warm: Warm | None,
    ) -> Expansion:
        """Return the trials, each of which can be resolved; all experiments share one budget."""
        earlier = (self._earlier or {}).get(part.name)
        points = earlier.points if earlier else None
        first = warm.head_start if warm else NO_HEAD_START
        locate = partial(place_of_step, part)
        said = earlier.said() if earlier else None

        def made(arrangement: Arrangement | None = None) -> Expansion:
            return Expansion(
                part.name, experiment, space, seed, arrangement, points, first, locate, said
            )

        expect_first_ones(part, space)
        is_new = self._earlier is None
        trials = made() if is_new else self._after_earlier_ones(part, experiment, made)
        trials.check(self._budget)
        self._warnings += map(part.worded, doubts_of_first_ones(part, trials))
        return trials

    def _after_earlier_ones(
        self,
        part: Part,
        experiment: ExperimentSpec,
        made: Callable[[Arrangement | None], Expansion],
    ) -> Expansion:
        """Return the trials of a sweep that goes on; of those that have begun, what is kept."""
        earlier = (self._earlier or {}).get(part.name)
        trials = made(None)
        if earlier is None:
            self._edits[part.name] = Edit.of_new(len(trials))
            return trials
        source = masked_spec({part.name: self._source[part.name]})[part.name]
        arrangement, edit = arrange(trials, experiment, trials.space, source, earlier)
        self._edits[part.name] = edit
        return made(arrangement)

    @contextlib.contextmanager
    def _noting_problems(self, part: Part) -> Iterator[None]:
        """Note what is wrong with an experiment, and go on with the next one."""
        try:
            yield
        except SpecError as exc:
            for problem in exc.each():
                self._note(problem, part)

    def _note(self, problem: SpecError, part: Part) -> None:
        """Note a problem, unless it was noted: experiments may share a YAML anchor, and its faults.

        A problem without a place gets that of `config`.
        """
        if problem.location:
            said = (problem.location, problem.message)
            if said in self._said:
                return
            self._said.add(said)
        self._problems.append(problem.within(part.name, part.at(("config",), key=True)))

    def _first_warnings(self) -> list[str]:
        """Return the warnings, of the file before those of its experiments, each of them once."""
        of_file = [f"{place}: {text}" for place, text in self._spec.source.warnings.items()]
        warnings = [*of_file, *dict.fromkeys(self._warnings)]
        more = left_out(len(warnings), _MOST_WARNINGS, "… {} more warnings")
        return [*warnings[:_MOST_WARNINGS], *more]


def _with_the_most(experiment: ExperimentSpec, needs: Sequence[Need]) -> ExperimentSpec:
    """Return the experiment with the resources of its largest trial, which follow from configs."""
    cpu = max(need.resources.cpu for need in needs)
    gpu = max(need.resources.gpu for need in needs)
    resources = experiment.resources.model_copy(update={"cpu": cpu, "gpu": gpu})
    return experiment.model_copy(update={"resources": resources})


def _script(part: Part, callables: Mapping[str, TrainFunction]) -> Trainable:
    """Return what a script's experiment calls: the function that was given, or the script's."""
    for key in _ONLY_RLLIB:
        if getattr(part.experiment, key):
            message = (
                f"{key}: it is for RLlib's algorithms; a script writes its own checkpoints, see"
                " `checkpoint`"
            )
            raise SpecError(message, part.at((key,), key=True))
    if part.name in callables:
        return CallableTrainable(callables[part.name])
    try:
        return locate(part.experiment.config, part.spec.folder)
    except TrainableError as exc:
        key = "script_file_path"
        if "script_entrypoint" in str(exc):
            key = "script_entrypoint"
        raise SpecError(str(exc), part.in_config((key,))) from exc
