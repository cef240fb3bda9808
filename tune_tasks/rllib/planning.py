"""An experiment of RLlib's, checked before anything starts: algorithm, environment, every config key, the processes' shares."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tune_tasks.errors import BadInputError, Location, ResourcesError, SpecError, UsageError, did_you_mean
from tune_tasks.rllib.catalog import ALGORITHMS, config_class
from tune_tasks.rllib.checkpoints import Checkpoint
from tune_tasks.rllib.config_keys import ConfigError, algorithm_config, ignored_keys
from tune_tasks.rllib.quiet import quiet
from tune_tasks.rllib.trainable import RLlibTrainable, place
from tune_tasks.spec import ExperimentSpec
from tune_tasks.spec_source import NodePath
from tune_tasks.trial import Resources, Trial

#: What a trial reports beside `learner/…` and `evaluation/…`.
METRICS = (
    *("training_iteration", "timesteps_total", "timesteps_this_iter", "time_total_s", "time_this_iter_s", "timestamp"),
    *("episode_reward_mean", "episode_reward_min", "episode_reward_max", "episode_len_mean", "episodes_total"),
)
Locator = Callable[..., Location | None]
"""The place of a path within the experiment."""


def rllib_trainable(experiment: ExperimentSpec, folder: Path | None, at: Locator) -> RLlibTrainable:
    """What an experiment's trials call.

    Args:
        experiment: With an `alg` that is not `script`.
        folder: The spec's; a relative `restore` or `input_` is looked for in the working directory, then here.
        at: The place of a part of it.

    Raises:
        SpecError: If the algorithm, the environment or the checkpoint is none, or another's.
        UsageError: If RLlib is not installed.
    """
    try:
        config_class(experiment.alg)
    except UsageError as exc:
        raise SpecError(str(exc), at(("alg",))) from None
    if experiment.env is None:
        raise SpecError(f"env: {experiment.alg} needs an environment, e.g. CartPole-v1 or module:Class", at(()))
    from tune_tasks.rllib.environments import check_environment  # and Gymnasium, which scripts need not have

    try:
        check_environment(experiment.env)
    except BadInputError as exc:
        raise SpecError(str(exc), at(("env",))) from None
    _check_metrics(experiment, at)
    try:
        restore = _checkpoint(experiment, folder)
    except UsageError as exc:
        raise SpecError(f"restore: {exc}", at(("restore",))) from None
    return RLlibTrainable(
        experiment.alg,
        experiment.env,
        experiment.resources.resources(),
        experiment.checkpoint_freq,
        restore,
        folders=_folders(folder),
    )


def _check_metrics(experiment: ExperimentSpec, at: Locator) -> None:
    for name in experiment.stop:
        if "/" not in name and name not in METRICS:
            known = f"known: {', '.join(METRICS)}, learner/…, evaluation/…"
            message = f"stop.{name}: no trial of {experiment.alg} reports it{did_you_mean(name, METRICS)} ({known})"
            raise SpecError(message, at(("stop", name)))


def _folders(of_spec: Path | None) -> tuple[Path, ...]:
    return (Path.cwd(), of_spec.absolute()) if of_spec else (Path.cwd(),)


def _checkpoint(experiment: ExperimentSpec, folder: Path | None) -> Path | None:
    if experiment.restore is None:
        return None
    written = Path(experiment.restore).expanduser()
    places = [place / written for place in _folders(folder)]
    path = next((place for place in places if place.exists()), places[0])
    checkpoint = Checkpoint.read(path)
    if (checkpoint.alg, checkpoint.env) != (experiment.alg, experiment.env):
        raise UsageError(f"the checkpoint {path} is of {checkpoint.alg} on {checkpoint.env}")
    return path


def placed(trials: Sequence[Trial], trainable: RLlibTrainable, at: Callable[[NodePath], Location | None]) -> Iterator[Trial]:
    """The trials with their processes' shares; each config is built once, as RLlib is going to see it.

    Args:
        trials: Of one experiment.
        trainable: What they call.
        at: The place of a path within the experiment's `config`.

    Raises:
        SpecError: If a config is wrong, or the resources do not suffice for its workers.
    """
    known: dict[str, tuple[Resources, ...]] = {}
    for trial in trials:
        key = json.dumps(trial.config, sort_keys=True, default=repr)
        if key not in known:
            known[key] = _bundles(trial, trainable, at)
        bundles = known[key]
        yield dataclasses.replace(trial, bundles=bundles) if len(bundles) > 1 else trial


def _bundles(trial: Trial, trainable: RLlibTrainable, at: Callable[[NodePath], Location | None]) -> tuple[Resources, ...]:
    try:
        with quiet():
            settings = algorithm_config(trainable.alg, trainable.env, trial.config, trainable.folders)
            return place(settings, trial.config, trial.resources)
    except ConfigError as exc:
        raise SpecError(f"{exc} (trial {trial.index})", at(tuple(exc.key))) from None
    except ResourcesError as exc:
        raise SpecError(f"{exc} (trial {trial.index})", at(())) from None


def ignored(experiment: ExperimentSpec) -> Iterator[tuple[str, str]]:
    """The keys of an RLlib experiment's config that have no effect, with the reason."""
    if experiment.alg in ALGORITHMS:
        yield from ignored_keys(experiment.alg, experiment.config).items()
