"""Starts attempts on the cluster, as task runs of Prefect, waits for their ends, and ends them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import ray
from prefect_ray.context import remote_options

from tune_tasks.cluster.placement import placed_options, release, reserve
from tune_tasks.cluster.placement import remote_options as options_of
from tune_tasks.model.checkpoint import CheckpointRef
from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.milestones import Milestones
from tune_tasks.model.trial import Stop, Trial, attempt_name
from tune_tasks.recording.client import RecorderClient
from tune_tasks.sweep.kernel_kills import EarlierKills, kernel_kills
from tune_tasks.sweep.records import Attempt
from tune_tasks.tracking.info import SweepInfo
from tune_tasks.trial.attempt import Assignment
from tune_tasks.trial.trainable import Trainable


@dataclass(frozen=True)
class Launch:
    """What submitting a trial of one experiment needs, the same for all of its trials.

    Attributes:
        trainable: What its trials call.
        task: Prefect's task.
        storage: The address that stands for the folder of all its trials; None without a storage.
    """

    trainable: Trainable
    task: Any
    storage: str | None = field(default=None, repr=False)

    def storage_of(self, trial: Trial) -> str | None:
        """Return the address that stands for a trial's folder."""
        return f"{self.storage}/{trial.folder}" if self.storage else None


class Attempts:
    """The attempts that run, or wait in Ray. Used in the driver, from its main thread.

    Args:
        info: Names and folders.
        launches: By experiment.
        recorder: The trials' line to the recorder.
    """

    def __init__(
        self, info: SweepInfo, launches: Mapping[str, Launch], recorder: RecorderClient
    ) -> None:
        self._info = info
        self._launches = launches
        self._recorder = recorder
        self._by_reference: dict[Any, tuple[Trial, Attempt]] = {}
        self._earlier_kills = EarlierKills()

    def start(
        self,
        trial: Trial,
        number: int,
        checkpoint: CheckpointRef | None,
        milestones: tuple[Milestones, ...] = (),
    ) -> Attempt:
        """Submit an attempt of a trial; Ray starts it when it has room.

        Args:
            trial: The trial.
            number: The attempt's.
            checkpoint: What it goes on from; None to begin anew.
            milestones: When it is judged.
        """
        paths = AttemptPaths.of(self._info.experiments[trial.experiment].folder, trial, number)
        launch = self._launches[trial.experiment]
        assignment = Assignment(
            trial,
            number,
            launch.trainable,
            paths.folder,
            self._info.cwd,
            checkpoint,
            launch.storage_of(trial),
            milestones,
        )
        placement = reserve(trial.bundles) if trial.bundles else None
        options = options_of(trial.resources, isolate=trial.isolate)
        if placement:
            options |= placed_options(placement, trial.bundles[0])
        with remote_options(**options):
            future = launch.task.submit(
                name=attempt_name(trial, number), assignment=assignment, recorder=self._recorder
            )
        attempt = Attempt(
            number,
            paths,
            future.wrapped_future,
            future.task_run_id,
            submitted_at=time.monotonic(),
            submitted_time=time.time(),
            placement=placement,
            kernel_kills=kernel_kills(),
        )
        self._by_reference[attempt.reference] = (trial, attempt)
        return attempt

    def wait(self, timeout_s: float) -> list[Trial]:
        """The trials whose attempts have ended; waits for one, or for the recorder, if none has."""
        self._earlier_kills.look()
        question = self._recorder.question
        awaited = [*self._by_reference, *([] if question is None else [question])]
        if not awaited:
            time.sleep(timeout_s)
            return []
        ray.wait(awaited, num_returns=1, timeout=timeout_s)
        references = list(self._by_reference)
        if not references:
            return []
        # Those that ended meanwhile, too: one question for each would take too long.
        ended, _ = ray.wait(references, num_returns=len(references), timeout=0)
        return [self._let_go(reference) for reference in ended]

    def _let_go(self, reference: Any) -> Trial:
        trial, attempt = self._by_reference.pop(reference)
        earlier = self._earlier_kills.number
        if earlier is not None and attempt.kernel_kills is not None:
            attempt.kernel_kills = max(attempt.kernel_kills, earlier)
        if attempt.placement:
            release(attempt.placement)
        return trial

    def kill(self, attempt: Attempt, stop: Stop) -> None:
        """Have Ray end an attempt's process, for the reason given, or take it out of its queue."""
        attempt.ending = stop
        ray.cancel(attempt.reference, force=True)

    def running(self) -> list[Trial]:
        """The trials that have an attempt here."""
        return [trial for trial, _ in self._by_reference.values()]

    def has_storage(self, trial: Trial) -> bool:
        """Whether the trial's checkpoints go to a storage."""
        return self._launches[trial.experiment].storage is not None

    def task(self, trial: Trial) -> Any:
        """Prefect's task that the trial's attempts are runs of."""
        return self._launches[trial.experiment].task
