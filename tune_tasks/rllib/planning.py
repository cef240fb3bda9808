"""An RLlib experiment, checked before anything starts.

Its algorithm, its environment, every key of its config, and the shares of its processes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tune_tasks.errors import (
    BadInputError,
    ConfigError,
    Location,
    ResourcesError,
    SpecError,
    UsageError,
    did_you_mean,
)
from tune_tasks.model.trial import Resources, Trial
from tune_tasks.rllib.checkpoints import Checkpoint
from tune_tasks.rllib.config.algorithm_config import algorithm_config
from tune_tasks.rllib.config.catalog import ALGORITHMS, algorithm_named
from tune_tasks.rllib.config.ignored_keys import ignored_keys
from tune_tasks.rllib.config.keys_2017 import METRICS as OUR_NAMES
from tune_tasks.rllib.placed_trials import Locator, placed_trials
from tune_tasks.rllib.placing import place
from tune_tasks.rllib.quiet import quiet
from tune_tasks.rllib.trainable import RLlibTrainable
from tune_tasks.spec.expansion import Expansion
from tune_tasks.spec.scheduling import PbtOptions, ReplayOptions
from tune_tasks.spec.schema import ExperimentSpec

METRICS = (
    "training_iteration",
    "timesteps_total",
    "timesteps_this_iter",
    "time_total_s",
    "time_this_iter_s",
    "timestamp",
    "episode_reward_mean",
    "episode_reward_min",
    "episode_reward_max",
    "episode_len_mean",
    "episodes_total",
)
"""The metrics that a trial reports beside those of `_GROUPS`."""

_GROUPS = ("learner/", "evaluation/", "custom")
_OF_METRICS = ("stop", "objectives", "constraints")
"""The keys of an experiment that map metrics."""
_MOST_PROBLEMS = 20


def in_our_names(experiment: ExperimentSpec, at: Locator) -> ExperimentSpec:
    """The experiment with our names for RLlib's metrics, wherever it names some.

    Raises:
        SpecError: If a key has one metric under two names.
    """
    renamed = {key: _renamed(experiment, key, at) for key in _OF_METRICS}
    metric = OUR_NAMES.get(experiment.metric or "", experiment.metric)
    return experiment.model_copy(update={**renamed, "metric": metric})


def _renamed(experiment: ExperimentSpec, key: str, at: Locator) -> dict[str, Any]:
    renamed: dict[str, Any] = {}
    for name, value in getattr(experiment, key).items():
        ours = OUR_NAMES.get(name, name)
        if ours in renamed:
            raise SpecError(
                f"{key}.{name}: sets the same as another name of {ours!r}; give one of them",
                at((key, name)),
            )
        renamed[ours] = value
    return renamed


def rllib_plan(
    experiment: ExperimentSpec, trials: Expansion, folder: Path | None, at: Locator
) -> tuple[RLlibTrainable, Sequence[Trial]]:
    """The trainable of an experiment, and its trials with the shares of their processes.

    Of the trials that a model will propose nothing can be checked but that those before them all
    have the same shares, which they are given, too.

    Args:
        experiment: With an `alg` that is not `script`.
        trials: Its trials.
        folder: The spec's; a relative `restore` or `input_` is looked for in the working
            directory, then here.
        at: The place of a part of it.

    Raises:
        SpecError: If the algorithm does not exist; or else for everything that is wrong at once:
            the environment, a criterion, the checkpoint, the config of a trial, its resources.
    """
    try:
        algorithm_named(experiment.alg).config_class()
    except UsageError as exc:  # alone, because without an algorithm no key is known
        raise SpecError(str(exc), at(("alg",))) from None
    problems: list[SpecError] = []
    place_of_env = at(("env",)) if experiment.env else at(())
    with _noting(problems, place_of_env):
        _check_env(experiment)
    env = None if problems else experiment.env
    for key in _OF_METRICS:
        for name in getattr(experiment, key):
            with _noting(problems, at((key, name), key=True)):
                _check_metric(experiment.alg, key, name)
    restore = None
    with _noting(problems, at(("restore",))):
        restore = _restored(experiment, folder)
    trainable = _trainable(experiment, restore, folder)
    known = [trial for trial in trials if trials.is_known(trial.index)]
    forms = [form for trial in known for form in (trial, *trials.later_forms(trial.index))]
    placed = list(_placed(forms, trainable, env, problems, at))
    if problems:
        raise SpecError.of(problems)
    changes = experiment.scheduled(PbtOptions) or experiment.scheduled(ReplayOptions)
    if experiment.searching().learns or changes:
        return trainable, placed_trials(experiment, trials, placed, at)
    return trainable, placed


@contextlib.contextmanager
def _noting(problems: list[SpecError], place: Location | None) -> Iterator[None]:
    """Note an error of the context, and go on after the context."""
    try:
        yield
    except BadInputError as exc:
        problems.append(SpecError(str(exc), place))


def _trainable(
    experiment: ExperimentSpec, restore: Path | None, folder: Path | None
) -> RLlibTrainable:
    return RLlibTrainable(
        experiment.alg,
        experiment.env or "",
        experiment.resources.resources(),
        experiment.checkpoint_freq,
        restore,
        folders=_folders(folder),
        unset=frozenset({"cpu", "gpu"} - experiment.resources.model_fields_set),
        checkpoint_at_end=experiment.checkpoint_at_end,
    )


def _check_env(experiment: ExperimentSpec) -> None:
    if experiment.env is None:
        raise UsageError(
            f"env: {experiment.alg} needs an environment, e.g. CartPole-v1 or module:Class"
        )
    # Imported here, because a script's experiment must do without Gymnasium.
    from tune_tasks.rllib.envs.env_ids import check_environment

    check_environment(experiment.env)


def _check_metric(alg: str, key: str, name: str) -> None:
    short = name.removeprefix("info/").removeprefix("info.")
    if name not in METRICS and not short.startswith(_GROUPS):
        known = f"known: {', '.join(METRICS)}, learner/…, evaluation/…"
        raise UsageError(
            f"{key}.{name}: no trial of {alg} reports it{did_you_mean(name, METRICS)} ({known})"
        )


def _folders(of_spec: Path | None) -> tuple[Path, ...]:
    if of_spec is None:
        return (Path.cwd(),)
    return (Path.cwd(), of_spec.absolute())


def _restored(experiment: ExperimentSpec, folder: Path | None) -> Path | None:
    if experiment.restore is None:
        return None
    try:
        return _checkpoint(Path(experiment.restore), experiment, folder)
    except UsageError as exc:
        raise UsageError(f"restore: {exc}") from None


def _checkpoint(restore: Path, experiment: ExperimentSpec, folder: Path | None) -> Path:
    written = restore.expanduser()
    places = [place / written for place in _folders(folder)]
    path = next((place for place in places if place.exists()), places[0])
    checkpoint = Checkpoint.read(path)
    if (checkpoint.alg, checkpoint.env) != (experiment.alg, experiment.env):
        raise UsageError(f"the checkpoint {path} is of {checkpoint.alg} on {checkpoint.env}")
    return path


def _placed(
    trials: Sequence[Trial],
    trainable: RLlibTrainable,
    env: str | None,
    problems: list[SpecError],
    at: Locator,
) -> Iterator[Trial]:
    """The trials with their processes' shares.

    Each distinct config is built once, as RLlib is going to build it. What is wrong goes to
    `problems`; if there are many, the rest of the trials is not looked at.
    """
    known: dict[str, tuple[Resources, ...]] = {}
    said: set[str] = set()
    for trial in trials:
        key = json.dumps(trial.config, sort_keys=True, default=repr)
        if key not in known:
            if len(problems) >= _MOST_PROBLEMS:
                return
            known[key] = (trial.resources,)
            try:
                known[key] = _bundles(trial, trainable, env)
            except ConfigError as exc:
                new = [each for each in exc.each() if str(each) not in said]
                said.update(map(str, new))
                problems += [_of_config(each, trial, at) for each in new]
            except ResourcesError as exc:
                problems.append(SpecError(_of_trial(exc, trial), at(("resources",))))
        yield _with_shares(trial, known[key], trainable)


def _bundles(trial: Trial, trainable: RLlibTrainable, env: str | None) -> tuple[Resources, ...]:
    with quiet():
        settings = algorithm_config(trainable.alg, env, trial.config, trainable.folders)
        return place(settings, trial.config, trial.resources, trainable.unset)


def _with_shares(trial: Trial, bundles: tuple[Resources, ...], trainable: RLlibTrainable) -> Trial:
    resources = trial.resources
    if trainable.unset:
        cpu = sum(bundle.cpu for bundle in bundles)
        gpu = sum(bundle.gpu for bundle in bundles)
        resources = dataclasses.replace(resources, cpu=cpu, gpu=gpu)
    # A trial of one process needs no placement group.
    grouped = bundles if len(bundles) > 1 else ()
    return dataclasses.replace(trial, resources=resources, bundles=grouped)


def _of_config(problem: ConfigError, trial: Trial, at: Locator) -> SpecError:
    return SpecError(_of_trial(problem, trial), at(("config", *problem.key)))


def _of_trial(error: BadInputError, trial: Trial) -> str:
    return f"{error} (trial {trial.index})" if trial.searched else str(error)


def ignored(experiment: ExperimentSpec) -> Iterator[tuple[str, str]]:
    """The keys of an RLlib experiment's config that have no effect, with the reason."""
    if experiment.alg in ALGORITHMS:
        yield from ignored_keys(experiment.alg, experiment.config).items()
