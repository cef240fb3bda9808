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
_LOOK_EVERY_S = 0.2


def living(group: EnvRunnerGroup) -> list[int]:
    """The numbers of the workers that can be given work.

    If there is none, this waits up to a minute for one that Ray restarts.

    Raises:
        RuntimeError: If none is left.
    """
    deadline = time.monotonic() + _RESTART_S
    while True:
        workers: list[int] = group.healthy_env_runner_ids()
        if workers:
            return workers
        if not _may_come_back(group) or time.monotonic() > deadline:
            raise RuntimeError(f"none of the {group.num_remote_env_runners()} env runners is left")
        time.sleep(_LOOK_EVERY_S)


def _may_come_back(group: EnvRunnerGroup) -> bool:
    """Return whether a worker has come back, or may yet.

    RLlib takes those that have come back for healthy from now on.
    """
    # private: _worker_manager, because EnvRunnerGroup's own probe says only which have come back,
    # and not which are dead for good.
    answers = group._worker_manager.foreach_actor(
        "ping", healthy_only=False, timeout_seconds=_PING_S, mark_healthy=True
    )
    if not answers:  # none had the time to answer
        return True
    return any(not isinstance(answer.get(), ActorDiedError) for answer in answers)


def end(group: EnvRunnerGroup) -> None:
    """End the workers' processes, after a moment in which their environments can close.

    RLlib's own `stop()` waits until they have played what they are playing.
    """
    with contextlib.suppress(RayError):  # a worker may be dead
        group.foreach_env_runner(
            "stop", local_env_runner=False, healthy_only=False, timeout_seconds=WORKERS_CLOSE_S
        )
    # private: _worker_manager, because EnvRunnerGroup.stop, which clears it, waits.
    group._worker_manager.clear()


def weights(learner: Learner) -> dict[str, Any]:
    """All weights of the learner's module and their number, as an env runner's state."""
    state = learner.get_state(components=COMPONENT_RL_MODULE)
    return {name: state[name] for name in (COMPONENT_RL_MODULE, WEIGHTS_SEQ_NO)}
