"""What an RLlib trial saves in a checkpoint: RLlib's own files, and what they belong to.

<attempt's folder>/checkpoints/000010/
trial.json     alg, env, config, timesteps, time, iteration and the last episodes
algorithm/     written by RLlib

The folder is one of `trial/checkpoints`, as a script's. Until 2026 it was called checkpoint_000010,
and was in the attempt's folder itself: such a one is read, too.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from tune_tasks.errors import UsageError
from tune_tasks.rllib.results import RecentEpisodes
from tune_tasks.trial.report_rows import Earlier

_TRIAL = "trial.json"
_ALGORITHM = "algorithm"
_NAME = re.compile(r"(checkpoint_)?\d{6,}(_\d+)?")
"""The folder of a checkpoint, as it is called today and as it was."""
_MOST_ENTRIES = 10_000
"""Files and folders that a search for the checkpoint that was meant looks at."""


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint says of its trial.

    Attributes:
        alg: The algorithm's name, as in a spec.
        env: The environment, as in a spec.
        config: The trial's resolved config.
        earlier: How far the trial had come.
        episodes: The returns and lengths of its last episodes.
        episodes_total: Episodes since the trial began.
    """

    alg: str
    env: str
    config: Mapping[str, Any]
    earlier: Earlier
    episodes: list[tuple[float, int]] = field(default_factory=list)
    episodes_total: int = 0

    @classmethod
    def read(cls, folder: Path) -> Checkpoint:
        """Read what the folder holds; nothing of it is executed.

        Raises:
            UsageError: If the folder is not a checkpoint of ours; names the nearest that is.
        """
        # A pipe of this name is refused, too, because its reader would wait.
        if not (folder / _TRIAL).is_file():
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
    """The folder of RLlib's files in a checkpoint."""
    return checkpoint / _ALGORITHM


def write(folder: Path, checkpoint: Checkpoint, save: Callable[[str], object]) -> None:
    """Write the files of a checkpoint.

    Args:
        folder: The checkpoint's.
        checkpoint: What the checkpoint says.
        save: Writes RLlib's files into the folder that it is given.
    """
    save(str(algorithm_folder(folder)))
    text = json.dumps(asdict(checkpoint), indent=2, default=repr)
    (folder / _TRIAL).write_text(f"{text}\n", encoding="utf-8")


def _no_checkpoint(folder: Path) -> str:
    below = _checkpoints_below(folder)
    hint = f"; did you mean {below[-1]}?" if below else ""
    return (
        f"{folder} is not a checkpoint of tune-tasks{hint} (expected a folder with {_TRIAL} and"
        f" {_ALGORITHM}/ in it)"
    )


def _checkpoints_below(folder: Path) -> list[Path]:
    """The checkpoints below a folder, for a hint, as far as a short search finds them.

    The nearest folders are looked at first, because the folder can be any, even the whole disk.
    Links are not followed, and a folder that cannot be read holds nothing.
    """
    found: list[Path] = []
    pending = deque([folder])
    left = _MOST_ENTRIES
    while pending and left > 0:
        for entry in islice(_entries(pending.popleft()), left):
            left -= 1
            if not entry.is_dir(follow_symlinks=False):
                continue
            path = Path(entry.path)
            if _NAME.fullmatch(entry.name) and (path / _TRIAL).is_file():
                found.append(path)
            else:
                pending.append(path)
    return sorted(found)


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        yield from entries
