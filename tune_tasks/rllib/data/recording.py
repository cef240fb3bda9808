"""Played episodes as a file to learn from."""

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

    `obs` and `new_obs` are what the policy saw, and `actions` what it gave, clipped as for the
    environment.

    Args:
        file: The file.
        episodes: Whole episodes.
        bounds: The least and the greatest action that the environment was given, in the policy's
            units; None for any action.
    """
    parts = [_columns(episode, bounds) for episode in episodes]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    buffer = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(BlockAccessor.batch_to_block(columns), buffer)
    write_aside(file, buffer.getvalue().to_pybytes())


def _columns(
    episode: SingleAgentEpisode, bounds: tuple[Any, Any] | None
) -> dict[str, NDArray[Any]]:
    steps = len(episode)
    observations = np.asarray(episode.get_observations())
    is_last = np.arange(steps) == steps - 1
    return {
        Columns.EPS_ID: np.full(steps, episode.id_),
        Columns.OBS: observations[:-1],
        Columns.ACTIONS: _clipped(np.asarray(episode.get_actions()), bounds),
        Columns.REWARDS: np.asarray(episode.get_rewards()),
        Columns.NEXT_OBS: observations[1:],
        Columns.TERMINATEDS: is_last & episode.is_terminated,
        Columns.TRUNCATEDS: is_last & episode.is_truncated,
    }


def _clipped(actions: NDArray[Any], bounds: tuple[Any, Any] | None) -> NDArray[Any]:
    return np.clip(actions, *bounds) if bounds else actions
