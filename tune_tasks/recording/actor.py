"""The recorder as a Ray actor.

A trial's process loads the actor's class with its handle. So this module imports nothing of what
the recorder needs until it runs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.result_file import Progress
from tune_tasks.model.trial import Outcome, Stop
from tune_tasks.recording.protocol import (
    Changes,
    FilePiece,
    Heartbeat,
    LogPiece,
    OpenReply,
    UpdateReply,
)
from tune_tasks.recording.ray_recorder import RayRecorder

if TYPE_CHECKING:
    from tune_tasks.results.summary import Summary
    from tune_tasks.tracking.info import SweepInfo

_THREADS = 32
_MOST_THREADS = 1000


class RecorderActor:
    """See the module's docstring.

    Args:
        tracking_uri: MLflow's, absolute.
        cwd: The driver's working directory.
        node: Ray's id of the machine that it runs on.
    """

    def __init__(self, tracking_uri: str, cwd: Path, node: str) -> None:
        from tune_tasks.recording.recorder import Recorder
        from tune_tasks.tracking.mlflow import MlflowTracker
        from tune_tasks.tracking.tensorboard import TensorBoardTracker

        os.chdir(cwd)
        self._recorder = Recorder(MlflowTracker(tracking_uri), [TensorBoardTracker()], node)

    @ray.method
    def begin(self, sweep: SweepInfo, again: bool) -> None:
        """See `Recorder`."""
        self._recorder.begin(sweep, again=again)

    @ray.method
    def request_stop(self, stop: Stop, keys: Sequence[str] | None) -> None:
        """See `Recorder`."""
        self._recorder.request_stop(stop, keys)

    @ray.method
    def restore(self, info: AttemptInfo, progress: Progress, outcome: Outcome) -> None:
        """See `Recorder`."""
        self._recorder.restore(info, progress, outcome)

    @ray.method
    def answer(self, key: str, number: int) -> None:
        """See `Recorder`."""
        self._recorder.answer(key, number)

    @ray.method
    def news(self, since: int, wait_s: float) -> Changes:
        """See `Recorder`."""
        return self._recorder.news(since, wait_s)

    @ray.method
    def drain(self, patience_s: float) -> Mapping[str, str] | None:
        """See `Recorder`."""
        return self._recorder.drain(patience_s)

    @ray.method
    def close_sweep(self, summary: Summary) -> Summary:
        """See `Recorder`."""
        return self._recorder.close_sweep(summary)

    @ray.method
    def open(self, info: AttemptInfo) -> OpenReply:
        """See `Recorder`."""
        return self._recorder.open(info)

    @ray.method
    def update(
        self, key: str, heartbeat: Heartbeat, offset: int, data: bytes, log: LogPiece | None
    ) -> UpdateReply:
        """See `Recorder`."""
        return self._recorder.update(key, heartbeat, offset, data, log)

    @ray.method
    def close(self, key: str, outcome: Outcome) -> bool:
        """See `Recorder`."""
        return self._recorder.close(key, outcome)

    @ray.method
    def put(self, key: str, piece: FilePiece) -> int | None:
        """See `Recorder`."""
        return self._recorder.put(key, piece)

    @ray.method
    def settle(self, key: str, aside: Path, name: str) -> bool | None:
        """See `Recorder`."""
        return self._recorder.settle(key, aside, name)

    @ray.method
    def names(self, folder: Path) -> list[str]:
        """See `Recorder`."""
        return self._recorder.names(folder)

    @ray.method
    def get(self, path: Path, offset: int) -> FilePiece:
        """See `Recorder`."""
        return self._recorder.get(path, offset)

    def __repr__(self) -> str:
        return "the recorder"  # Ray writes it into its logs


def start_recorder(tracking_uri: str, cwd: Path, *, cpus: float) -> RayRecorder:
    """Start the recorder's actor on this machine; Ray starts it again if it dies.

    `begin` follows once the sweep is known: opening a store takes seconds, in which other things
    can start.

    Args:
        tracking_uri: MLflow's, absolute.
        cwd: The driver's working directory.
        cpus: The cluster's CPUs.
    """
    node = ray.get_runtime_context().get_node_id()
    actor = ray.remote(RecorderActor).options(
        num_cpus=0,
        max_restarts=-1,
        # `open` blocks its thread while MLflow is slow, so there is a thread for each trial that
        # can run at once, and some for the driver. Ray starts them all at once: not too many.
        max_concurrency=min(_THREADS + int(4 * cpus), _MOST_THREADS),
        scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
    )
    return RayRecorder(actor.remote(tracking_uri, cwd, node))
