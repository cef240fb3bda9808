"""An RLlib algorithm as a trainable.

It is built, trained and reported iteration by iteration, in the trial's process.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tune_tasks.errors import TrainableError
from tune_tasks.model.trial import Resources
from tune_tasks.rllib import checkpoints
from tune_tasks.rllib.checkpoints import Checkpoint
from tune_tasks.rllib.config.algorithm_config import algorithm_config
from tune_tasks.rllib.config.catalog import algorithm_named
from tune_tasks.rllib.placing import place
from tune_tasks.rllib.quiet import quiet
from tune_tasks.rllib.results import RecentEpisodes, training_result
from tune_tasks.trial.report_rows import Earlier
from tune_tasks.trial.reporter import StatusReporter, reports_of
from tune_tasks.trial.reports import TrialReports
from tune_tasks.trial.trainable import Trainable, TrainFunction

if TYPE_CHECKING:
    from ray.rllib.algorithms.algorithm import Algorithm
    from ray.rllib.algorithms.algorithm_config import AlgorithmConfig

_RESTARTS = {"restart_failed_env_runners", "recreate_failed_workers"}


@dataclass(frozen=True)
class RLlibTrainable(Trainable):
    """Trains one of RLlib's algorithms, or of ours, until the trial is stopped.

    Attributes:
        alg: The algorithm's name.
        env: The environment's name.
        resources: The whole trial's.
        checkpoint_freq: Iterations from one checkpoint to the next, with one more at the end; 0 for
            no checkpoints.
        restore: The checkpoint to go on from.
        verbose: Whether RLlib's warnings go to the trial's log.
        folders: The folders in which recorded data is looked for, in this order.
        unset: Those of `cpu` and `gpu` that the spec does not name: they follow from the config.
        checkpoint_at_end: Whether there is a checkpoint at the end.
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
        # Here, because the import takes seconds that must not count as time of training.
        import ray.rllib.algorithms.algorithm  # noqa: F401

        with quiet(verbose=self.verbose):
            yield self._train

    def _train(self, config: dict[str, Any], reporter: StatusReporter) -> None:
        reports = reports_of(reporter)
        reports.prepare()
        # The trial's own checkpoint, if this is not its first attempt, goes before another's.
        own = reporter.restore()
        folder = own or self.restore
        earlier: Earlier | None = None
        episodes = RecentEpisodes()
        restore: Path | None = None
        if folder:
            checkpoint = Checkpoint.read(folder)
            # Its own counts go on by themselves; they are its own also if what it goes on from was
            # copied from another member of its population.
            earlier = None if own else checkpoint.earlier
            episodes = checkpoint.recent_episodes()
            restore = checkpoints.algorithm_folder(folder)
        with tempfile.TemporaryDirectory(prefix="tune-tasks-errors-") as errors:
            settings = self._settings(config, reports.seed, errors)
            _try_environment(settings)
            with _own_errors(settings), built(settings, restore) as algorithm:
                reports.begin(earlier)
                _Training(self, algorithm, config, reports, episodes).run()

    def _settings(self, config: Mapping[str, Any], seed: int, errors: str) -> AlgorithmConfig:
        from tune_tasks.rllib.callbacks import EpisodeRecorder

        settings = algorithm_config(self.alg, self.env, config, self.folders)
        place(settings, config, self.resources, self.unset)
        if settings.seed is None:
            settings.debugging(seed=seed)
        settings.env_config |= {"search_path": list(sys.path), "errors": errors}
        if not _RESTARTS & config.keys():
            # Because RLlib by default tries a broken environment again and again, without a word.
            settings.fault_tolerance(restart_failed_env_runners=False)
            if algorithm_named(self.alg).outlives_workers:
                settings.fault_tolerance(ignore_env_runner_failures=True)
        return settings.callbacks([EpisodeRecorder])


def _try_environment(settings: AlgorithmConfig) -> None:
    """Act once in the environment in this process, which raises its own errors as they are.

    An algorithm that learns from data alone, for which RLlib makes no environment, is told the
    spaces.
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
    """Raise an environment's own error in the place of RLlib's.

    An error without a message gives place to its cause.
    """
    try:
        yield
    except Exception as exc:  # noqa: BLE001 - it or its cause is raised again
        _raise_environments_error(settings)
        cause: BaseException = exc
        while not str(cause) and cause.__cause__ is not None:
            cause = cause.__cause__
        raise cause from cause.__cause__


def _raise_environments_error(settings: AlgorithmConfig) -> None:
    from tune_tasks.rllib.envs.env_errors import first_error

    if error := first_error(settings.env_config["errors"]):
        raise TrainableError(f"the environment failed:\n{error}") from None


@contextlib.contextmanager
def built(settings: AlgorithmConfig, restore: Path | None) -> Iterator[Algorithm]:
    """Build the algorithm; it and its workers end with the context.

    Args:
        settings: Its config.
        restore: RLlib's files of a checkpoint to go on from.
    """
    with _working_folder():
        algorithm = settings.build_algo()
        try:
            if restore:
                _restore(algorithm, restore)
            yield algorithm
        finally:
            _close(algorithm)


def _restore(algorithm: Algorithm, folder: Path) -> None:
    from ray.rllib.utils.checkpoints import Checkpointable

    if algorithm.env_runner_group:
        algorithm.restore_from_path(str(folder))
    else:
        # Not Algorithm's own method, which asks for a group of env runners. An algorithm that
        # learns from data alone has none.
        Checkpointable.restore_from_path(algorithm, str(folder))


def _close(algorithm: Algorithm) -> None:
    from tune_tasks.rllib.algorithms.workers import end

    for group in (algorithm.env_runner_group, algorithm.eval_env_runner_group):
        if group:
            end(group)
    algorithm.stop()


@contextlib.contextmanager
def _working_folder() -> Iterator[None]:
    """Keep the folders that RLlib makes for its own logs, one a build, out of `~/ray_results`."""
    import ray.tune.trainable.trainable

    # private: DEFAULT_STORAGE_PATH, because AlgorithmConfig.build_algo takes no folder.
    module: Any = ray.tune.trainable.trainable
    default = module.DEFAULT_STORAGE_PATH
    with tempfile.TemporaryDirectory(prefix="tune-tasks-rllib-") as folder:
        module.DEFAULT_STORAGE_PATH = folder
        try:
            yield
        finally:
            module.DEFAULT_STORAGE_PATH = default


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
        self._trainable = trainable
        self._facts = algorithm_named(trainable.alg)
        self._algorithm = algorithm
        self._config = config
        self._reports = reports
        self._episodes = episodes
        self._saved = 0

    def run(self) -> None:
        """Train until TrialStopped is raised; a checkpoint at the end is written then."""
        every = self._trainable.checkpoint_freq
        at_end = bool(every) or self._trainable.checkpoint_at_end
        try:
            while True:
                self._iterate()
                is_due = bool(every) and self._iteration % every == 0
                if is_due or self._reports.checkpoints.is_wanted():
                    self._save()
        finally:
            if at_end and self._reports.stop and self._iteration != self._saved:
                self._save()

    def _iterate(self) -> None:
        result = self._algorithm.train()
        if self._facts.outlives_workers and not self._algorithm.config.restart_failed_env_runners:
            # RLlib leaves out a dead worker without a word, so its error is raised here.
            _raise_environments_error(self._algorithm.config)
        self._reports.add(
            training_result(
                result,
                self._episodes,
                on_data=self._facts.learns_from_data,
                evaluated=self._is_evaluated(result["training_iteration"]),
            )
        )

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
        checkpoint = Checkpoint(
            self._trainable.alg,
            self._trainable.env,
            self._config,
            earlier,
            list(self._episodes.recent),
            self._episodes.total,
        )
        with self._reports.checkpoints.write() as folder:
            checkpoints.write(folder, checkpoint, self._algorithm.save_to_path)
            self._saved = earlier.training_iteration
