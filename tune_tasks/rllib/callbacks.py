"""Reports every single episode, as RLlib's own metrics do not. Lives in env runners' processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ray.rllib.callbacks.callbacks import RLlibCallback

from tune_tasks.rllib.results import EPISODES


class EpisodeRecorder(RLlibCallback):
    """Logs every episode's return and length, one by one.

    RLlib's own means are of the episodes that ended in one `train()` call, and a call in which
    none ended has no means. Episodes arrive in chunks, cut where a sample ends; they are summed up
    here.
    """

    def __init__(self) -> None:
        self._open: dict[str, tuple[float, int]] = {}

    def on_sample_end(
        self, *, env_runner: Any, metrics_logger: Any, samples: Sequence[Any], **_: Any
    ) -> None:
        """Add the chunks of one sample, and log the episodes that end with theirs."""
        # private: _seed, because RLlib resets the environment with it at each sample of whole
        # episodes, and so all samples would begin alike.
        env_runner._seed = None
        for chunk in samples:
            total_return, length = self._open.pop(chunk.id_, (0.0, 0))
            total_return += float(chunk.get_return())
            length += len(chunk)
            if chunk.is_done:
                metrics_logger.log_value(EPISODES, (total_return, length), reduce="item_series")
            else:
                self._open[chunk.id_] = (total_return, length)
