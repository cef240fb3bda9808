"""The recorder as a Ray actor.

A trial's process loads the actor's class with its handle. So this module imports nothing of what
the recorder needs until it runs.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from tune_tasks.recording.ray_recorder import RayRecorder

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

    def call(self, method: str, *args: Any, **options: Any) -> Any:
        """Call one of the recorder's methods."""
        return getattr(self._recorder, method)(*args, **options)

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
