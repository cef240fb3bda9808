"""What we ask of RLlib's groups of workers and of its learners, beyond what they offer."""

from __future__ import annotations

import contextlib
import time
from typing import Any

from ray.exceptions import ActorDiedError, RayError
from ray.rllib.core import COMPONENT_RL_MODULE
from ray.rllib.core.learner.learner import Learner
from ray.rllib.env.env_runner_group import EnvRunnerGroup
from ray.rllib.utils.metrics import WEIGHTS_SEQ_NO

from tune_tasks.model.timeouts import WORKERS_CLOSE_S

_RESTART_S = 60.0
_PING_S = 5.0


def living(group: EnvRunnerGroup) -> list[int]:
    """The numbers of the workers that can be given work.

    Where none is, waits up to a minute for one that Ray restarts.

    Raises:
        RuntimeError: If none is left.
    """
    end = time.monotonic() + _RESTART_S
    while not (workers := group.healthy_env_runner_ids()):
        if not _restarting(group) or time.monotonic() > end:
            raise RuntimeError(f"none of the {group.num_remote_env_runners()} env runners is left")
        time.sleep(0.2)
    numbers: list[int] = workers
    return numbers


def _restarting(group: EnvRunnerGroup) -> bool:
    """Whether a worker has come back, or may yet.

    Those that have are healthy for RLlib from now on.
    """
    answers = group._worker_manager.foreach_actor(
        "ping", healthy_only=False, timeout_seconds=_PING_S, mark_healthy=True
    )
    return not answers or any(not isinstance(answer.get(), ActorDiedError) for answer in answers)


def end(group: EnvRunnerGroup) -> None:
    """End the workers' processes; their environments have a moment to close.

    RLlib's `stop()` waits for whatever they play.
    """
    with contextlib.suppress(RayError):  # of one that has died
        group.foreach_env_runner(
            "stop", local_env_runner=False, healthy_only=False, timeout_seconds=WORKERS_CLOSE_S
        )
    group._worker_manager.clear()


def weights(learner: Learner) -> dict[str, Any]:
    """All weights of the learner's module and their number, as an env runner's state."""
    state = learner.get_state(components=COMPONENT_RL_MODULE)
    return {name: state[name] for name in (COMPONENT_RL_MODULE, WEIGHTS_SEQ_NO)}
