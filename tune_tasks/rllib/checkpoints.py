"""Checkpoints of RLlib trials.

RLlib's own files, and beside them what the trial was and how far it had come.

<attempt's folder>/checkpoint_000010/
trial.json     alg, env, config, timesteps, time, iteration and the last episodes
algorithm/     written by RLlib
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from tune_tasks.errors import UsageError
from tune_tasks.model.files import write_aside
from tune_tasks.rllib.results import RecentEpisodes
from tune_tasks.trial.reports import Earlier

_LOOKED_AT = 10_000  # files and folders, in search of the checkpoint that was meant
_TRIAL, _ALGORITHM = "trial.json", "algorithm"


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint says of its trial.

    Attributes:
        alg: The algorithm's name, as in a spec.
        env: The environment, as in a spec.
        config: The trial's resolved config.
        earlier: How far it had come.
        episodes: The returns and lengths of its last episodes.
        episodes_total: Episodes since it began.
    """

    alg: str
    env: str
    config: Mapping[str, Any]
    earlier: Earlier
    episodes: list[tuple[float, int]] = field(default_factory=list)
    episodes_total: int = 0

    @classmethod
    def read(cls, folder: Path) -> Checkpoint:
        """What the folder holds; nothing of it is executed.

        Raises:
            UsageError: If it holds no checkpoint of ours; names the nearest that does.
        """
        if not (folder / _TRIAL).is_file():  # nor a pipe, which would be waited for
            raise UsageError(_no_checkpoint(folder))
        try:
            data = json.loads((folder / _TRIAL).read_text(encoding="utf-8"))
            checkpoint = cls(**{**data, "earlier": Earlier(**data["earlier"])})
        except (OSError, ValueError, TypeError, KeyError):
            raise UsageError(_no_checkpoint(folder)) from None
        if not algorithm_folder(folder).is_dir():
            raise UsageError(_no_checkpoint(folder))
        return checkpoint

    def recent_episodes(self) -> RecentEpisodes:
        """The episodes as a trial that goes on needs them."""
        recent = RecentEpisodes()
        recent.add(self.episodes)
        recent.total = self.episodes_total
        return recent


def algorithm_folder(checkpoint: Path) -> Path:
    """Where RLlib's files of a checkpoint are."""
    return checkpoint / _ALGORITHM


def write(folder: Path, checkpoint: Checkpoint, save: Callable[[str], object]) -> Path:
    """Write a checkpoint into the attempt's folder, aside first.

    A killed process leaves no half one.

    Args:
        folder: The attempt's.
        checkpoint: What it says.
        save: Writes RLlib's files into the folder that it is given.
    """
    final = folder / f"checkpoint_{checkpoint.earlier.training_iteration:06d}"
    aside = folder / f".{final.name}.{os.getpid()}"
    aside.mkdir(parents=True)
    try:
        save(str(algorithm_folder(aside)))
        write_aside(aside / _TRIAL, json.dumps(asdict(checkpoint), indent=2, default=repr) + "\n")
        shutil.rmtree(final, ignore_errors=True)
        aside.rename(final)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return final


def _no_checkpoint(folder: Path) -> str:
    below = _checkpoints_below(folder)
    hint = f"; did you mean {below[-1]}?" if below else ""
    return (
        f"{folder} is no checkpoint of tune-tasks{hint} (expected a folder with {_TRIAL} and"
        f" {_ALGORITHM}/ in it)"
    )


def _checkpoints_below(folder: Path) -> list[Path]:
    """The checkpoints below a folder, as far as a moment's search finds them.

    It is for a hint, in whatever folder was named.

    The nearest folders are looked at first, links are not followed, and a folder that cannot be
    read holds none.
    """
    found: list[Path] = []
    pending, left = deque([folder]), _LOOKED_AT
    while pending and left > 0:
        for entry in islice(_entries(pending.popleft()), left):
            left -= 1
            if entry.is_dir(follow_symlinks=False):
                path = Path(entry.path)
                is_checkpoint = entry.name.startswith("checkpoint_") and (path / _TRIAL).is_file()
                (found if is_checkpoint else pending).append(path)
    return sorted(found)


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        yield from entries
