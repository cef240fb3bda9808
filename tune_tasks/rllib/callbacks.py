"""What an env runner tells beyond RLlib's own metrics. Lives in the env runners' processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ray.rllib.callbacks.callbacks import RLlibCallback

from tune_tasks.rllib.results import EPISODES


class EpisodeRecorder(RLlibCallback):
    """Every episode's return and length, one by one.

    RLlib's means cover the episodes that ended in one `train()` call, and a call in which none
    ended has none. Episodes arrive in chunks, cut where a sample ends, which are summed up here.
    """

    def __init__(self) -> None:
        self._open: dict[str, tuple[float, int]] = {}

    def on_sample_end(
        self, *, env_runner: Any, metrics_logger: Any, samples: Sequence[Any], **_: Any
    ) -> None:
        """Take in the chunks of one sample; log those episodes that end with theirs."""
        # Or RLlib would begin each sample of whole episodes with the same one
        env_runner._seed = None
        for chunk in samples:
            before = self._open.pop(chunk.id_, (0.0, 0))
            total = before[0] + float(chunk.get_return()), before[1] + len(chunk)
            if chunk.is_done:
                metrics_logger.log_value(EPISODES, total, reduce="item_series")
            else:
                self._open[chunk.id_] = total
