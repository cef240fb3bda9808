"""Played episodes as a file that BC, MARWIL, CQL and IQL learn from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
from numpy.typing import NDArray
from ray.data.block import BlockAccessor
from ray.rllib.core.columns import Columns
from ray.rllib.env.single_agent_episode import SingleAgentEpisode

from tune_tasks.model.files import write_aside


def write_recording(
    file: Path, episodes: Sequence[SingleAgentEpisode], bounds: tuple[Any, Any] | None = None
) -> None:
    """Write a Parquet file with a row for each step, in the columns that RLlib reads, aside first.

    `obs` and `new_obs` are what the policy saw, `actions` what it gave, as far as the environment
    took it.

    Args:
        file: Where to.
        episodes: Whole ones.
        bounds: The least and the greatest action that the environment was given, in the policy's
            units; None: any.
    """
    observations = [np.asarray(episode.get_observations()) for episode in episodes]
    last = [np.arange(len(episode)) == len(episode) - 1 for episode in episodes]
    columns = {
        Columns.EPS_ID: [np.full(len(episode), episode.id_) for episode in episodes],
        Columns.OBS: [seen[:-1] for seen in observations],
        Columns.ACTIONS: [
            _clipped(np.asarray(episode.get_actions()), bounds) for episode in episodes
        ],
        Columns.REWARDS: [np.asarray(episode.get_rewards()) for episode in episodes],
        Columns.NEXT_OBS: [seen[1:] for seen in observations],
        Columns.TERMINATEDS: [
            ends & episode.is_terminated for ends, episode in zip(last, episodes, strict=True)
        ],
        Columns.TRUNCATEDS: [
            ends & episode.is_truncated for ends, episode in zip(last, episodes, strict=True)
        ],
    }
    table = BlockAccessor.batch_to_block(
        {name: np.concatenate(parts) for name, parts in columns.items()}
    )
    buffer = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(table, buffer)
    write_aside(file, buffer.getvalue().to_pybytes())


def _clipped(actions: NDArray[Any], bounds: tuple[Any, Any] | None) -> NDArray[Any]:
    return np.clip(actions, *bounds) if bounds else actions
