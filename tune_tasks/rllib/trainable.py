"""An RLlib algorithm as a trainable.

Built, trained and reported iteration by iteration, in the trial's process.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tune_tasks.errors import ResourcesError, TrainableError
from tune_tasks.model.trial import Resources
from tune_tasks.rllib import checkpoints
from tune_tasks.rllib.checkpoints import Checkpoint
from tune_tasks.rllib.config.algorithm_config import algorithm_config
from tune_tasks.rllib.config.catalog import algorithm_named
from tune_tasks.rllib.config.keys_2017 import KEYS
from tune_tasks.rllib.quiet import quiet
from tune_tasks.rllib.results import RecentEpisodes, training_result
from tune_tasks.rllib.shares import divide
from tune_tasks.trial.reporter import StatusReporter, reports_of
from tune_tasks.trial.reports import Earlier, TrialReports
from tune_tasks.trial.trainable import Trainable, TrainFunction

if TYPE_CHECKING:
    from ray.rllib.algorithms.algorithm import Algorithm
    from ray.rllib.algorithms.algorithm_config import AlgorithmConfig

_WORKERS_CPU = {"num_cpus_per_env_runner", "num_cpus_per_worker"}
_WORKERS = {
    *{
        old
        for old, place in KEYS.items()
        if place.name in ("num_env_runners", "num_learners", "evaluation_num_env_runners")
    },
    *("num_env_runners", "num_learners", "evaluation_num_env_runners"),
}
"""What a config calls the number of its workers."""
_RESTARTS = {"restart_failed_env_runners", "recreate_failed_workers"}


@dataclass(frozen=True)
class RLlibTrainable(Trainable):
    """Trains one of RLlib's algorithms, or of ours, until the trial is stopped.

    Attributes:
        alg: The algorithm's name.
        env: The environment's.
        resources: Of the whole trial.
        unset: Those of `cpu` and `gpu` that the spec does not name: they follow from the config.
        checkpoint_freq: A checkpoint every so many iterations, and one at the end; 0: none.
        checkpoint_at_end: A checkpoint at the end.
        restore: The checkpoint to go on from.
        verbose: Whether RLlib's warnings go to the trial's log.
        folders: Where recorded data is looked for, in this order.
    """

    alg: str
    env: str
    resources: Resources
    checkpoint_freq: int = 0
    restore: Path | None = None
    verbose: bool = False
    folders: tuple[Path, ...] = ()
    unset: frozenset[str] = frozenset()
    checkpoint_at_end: bool = False

    def for_run(self, *, verbose: bool) -> RLlibTrainable:
        """See `Trainable`."""
        return dataclasses.replace(self, verbose=verbose)

    def shown_package(self) -> str:
        """See `Trainable`."""
        return "tune_tasks.rllib"

    @contextlib.contextmanager
    def loaded(self) -> Iterator[TrainFunction]:
        """See `Trainable`; RLlib is imported here."""
        import ray.rllib.algorithms.algorithm  # noqa: F401 - takes seconds, which are no time of training

        with quiet(verbose=self.verbose):
            yield self._train

    def _train(self, config: dict[str, Any], reporter: StatusReporter) -> None:
        reports = reports_of(reporter)
        reports.prepare()
        earlier = Checkpoint.read(self.restore) if self.restore else None
        restore = checkpoints.algorithm_folder(self.restore) if self.restore else None
        with tempfile.TemporaryDirectory(prefix="tune-tasks-errors-") as errors:
            settings = self._settings(config, reports.seed, errors)
            _try_environment(settings)
            with _own_errors(settings), built(settings, restore) as algorithm:
                reports.begin(earlier.earlier if earlier else Earlier())
                episodes = earlier.recent_episodes() if earlier else RecentEpisodes()
                _Training(self, algorithm, config, reports, episodes).run()

    def _settings(self, config: Mapping[str, Any], seed: int, errors: str) -> AlgorithmConfig:
        from tune_tasks.rllib.callbacks import EpisodeRecorder

        settings = algorithm_config(self.alg, self.env, config, self.folders)
        place(settings, config, self.resources, self.unset)
        if settings.seed is None:
            settings.debugging(seed=seed)
        settings.env_config |= {"search_path": list(sys.path), "errors": errors}
        if not _RESTARTS & config.keys():  # else a broken environment is tried for ever, in silence
            settings.fault_tolerance(restart_failed_env_runners=False)
            if algorithm_named(self.alg).outlives_workers:
                settings.fault_tolerance(ignore_env_runner_failures=True)
        return settings.callbacks([EpisodeRecorder])


def _try_environment(settings: AlgorithmConfig) -> None:
    """One step of the environment in this process.

    What is wrong with it from the start is raised as it is.

    An algorithm that learns from data alone, for which RLlib makes no environment, is told what one
    observes and does.
    """
    from tune_tasks.rllib.envs.environments import try_environment

    given = settings.env_config
    with contextlib.closing(try_environment(given["env"], given["options"], settings.seed)) as env:
        if settings.is_offline:
            settings.environment(
                observation_space=env.observation_space, action_space=env.action_space
            )


@contextlib.contextmanager
def _own_errors(settings: AlgorithmConfig) -> Iterator[None]:
    """In place of what RLlib makes of an environment's error, the error.

    In place of an error without a word, its cause.
    """
    try:
        yield
    except Exception as exc:  # noqa: BLE001 - it or its cause is raised again
        _raise_own_error(settings)
        cause: BaseException = exc
        while not str(cause) and cause.__cause__ is not None:
            cause = cause.__cause__
        raise cause from cause.__cause__


def _raise_own_error(settings: AlgorithmConfig) -> None:
    from tune_tasks.rllib.envs.env_errors import first_error

    if error := first_error(settings.env_config["errors"]):
        raise TrainableError(f"the environment failed:\n{error}") from None


@contextlib.contextmanager
def built(settings: AlgorithmConfig, restore: Path | None) -> Iterator[Algorithm]:
    """The algorithm, as it was where RLlib's files of a checkpoint are given.

    Until the context ends.
    """
    from ray.rllib.utils.checkpoints import Checkpointable

    from tune_tasks.rllib.algorithms.workers import end

    with _working_folder():
        algorithm = settings.build_algo()
        try:
            if restore and algorithm.env_runner_group:
                algorithm.restore_from_path(str(restore))
            elif restore:
                # One that learns from data alone has no group, which RLlib's own method asks for
                Checkpointable.restore_from_path(algorithm, str(restore))
            yield algorithm
        finally:
            for group in filter(
                None, (algorithm.env_runner_group, algorithm.eval_env_runner_group)
            ):
                end(group)
            algorithm.stop()


@contextlib.contextmanager
def _working_folder() -> Iterator[None]:
    """Keep what RLlib makes for its own logs, an empty folder a build, out of `~/ray_results`."""
    import ray.tune.trainable.trainable

    trainable: Any = ray.tune.trainable.trainable
    kept = trainable.DEFAULT_STORAGE_PATH
    with tempfile.TemporaryDirectory(prefix="tune-tasks-rllib-") as folder:
        trainable.DEFAULT_STORAGE_PATH = folder
        try:
            yield
        finally:
            trainable.DEFAULT_STORAGE_PATH = kept


def place(
    settings: AlgorithmConfig,
    config: Mapping[str, Any],
    resources: Resources,
    unset: Collection[str] = (),
) -> tuple[Resources, ...]:
    """Give a trial's processes their shares of its resources.

    Returns the bundles, the trial's own process's first.

    Args:
        settings: RLlib's, which are told of the shares.
        config: The spec's; where it says what a worker has, that holds.
        resources: The whole trial's.
        unset: Those of `cpu` and `gpu` that nobody has named. A CPU is the trial's own and one each
            worker's, if `config` says how many workers there are; GPUs are what `config` asks for.

    Raises:
        ResourcesError: If they do not suffice.
    """
    evaluators = settings.evaluation_num_env_runners if settings.evaluation_interval else 0
    if "gpu" in unset:
        players = settings.num_env_runners + evaluators
        gpu = settings.num_gpus_per_learner + players * settings.num_gpus_per_env_runner
        resources = dataclasses.replace(resources, gpu=gpu)
    if resources.gpu and settings.num_learners:
        if "num_learners" in config:
            raise ResourcesError(
                "resources: a trial's GPUs are its own process's: with `gpu`, `num_learners` must"
                " be 0"
            )
        # IMPALA's and APPO's default is 1, which would have no GPU
        settings.learners(num_learners=0)
    workers = settings.num_env_runners + evaluators + settings.num_learners
    cpu = settings.num_cpus_per_env_runner if _WORKERS_CPU & config.keys() else None
    if "cpu" in unset and _WORKERS & config.keys():
        resources = dataclasses.replace(resources, cpu=1 + workers * (1 if cpu is None else cpu))
    bundles = divide(resources, workers, cpu=cpu, gpu=settings.num_gpus_per_env_runner)
    own = bundles[0]
    if settings.num_gpus_per_learner > own.gpu and not settings.num_learners:
        raise ResourcesError(
            f"resources: config asks for {settings.num_gpus_per_learner:g} GPUs, the trial has"
            f" {own.gpu:g}"
        )
    if workers:
        each: Any = bundles[1].cpu  # a fraction, too, whatever RLlib's annotation says
        settings.env_runners(num_cpus_per_env_runner=each)
        settings.learners(num_cpus_per_learner=each if settings.num_learners else 1)
    if own.gpu and not settings.num_learners:
        settings.learners(num_gpus_per_learner=own.gpu)
    return bundles


class _Training:
    """The loop of one trial."""

    def __init__(
        self,
        trainable: RLlibTrainable,
        algorithm: Algorithm,
        config: Mapping[str, Any],
        reports: TrialReports,
        episodes: RecentEpisodes,
    ) -> None:
        self._trainable, self._algorithm, self._config = trainable, algorithm, config
        self._reports, self._episodes = reports, episodes
        self._saved = 0

    def run(self) -> None:
        every, at_end = self._trainable.checkpoint_freq, self._trainable.checkpoint_at_end
        try:
            while True:
                result = self._algorithm.train()
                if (
                    algorithm_named(self._trainable.alg).outlives_workers
                    and not self._algorithm.config.restart_failed_env_runners
                ):
                    # Its worker has been left out in silence
                    _raise_own_error(self._algorithm.config)
                on_data, evaluated = (
                    algorithm_named(self._trainable.alg).learns_from_data,
                    self._is_evaluated(result["training_iteration"]),
                )
                self._reports.add(
                    training_result(result, self._episodes, on_data=on_data, evaluated=evaluated)
                )
                if every and self._iteration % every == 0:
                    self._save()
        finally:
            if (every or at_end) and self._reports.stop and self._iteration != self._saved:
                self._save()

    def _is_evaluated(self, iteration: int) -> bool:
        interval = self._algorithm.config.evaluation_interval
        return bool(interval) and iteration % interval == 0

    @property
    def _iteration(self) -> int:
        last = self._reports.progress.last
        return int(last["training_iteration"]) if last else 0

    def _save(self) -> None:
        last = self._reports.progress.last or {}
        earlier = Earlier(last["timesteps_total"], last["time_total_s"], last["training_iteration"])
        what = Checkpoint(
            self._trainable.alg,
            self._trainable.env,
            self._config,
            earlier,
            list(self._episodes.recent),
            self._episodes.total,
        )
        folder = checkpoints.write(self._reports.logdir, what, self._algorithm.save_to_path)
        self._saved = earlier.training_iteration
        print(f"checkpoint: {folder}")
