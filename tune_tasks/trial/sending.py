"""`Sending`: what of an attempt's files goes to a depot, in which order, and what has arrived.

The latest checkpoint goes first, because the next attempt goes on from it; older ones that are kept
follow. At the end, what the script has left in its folder follows, too.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tune_tasks.model.checkpoint import KeptCheckpoint
from tune_tasks.model.checkpoint_folder import checkpoints_in
from tune_tasks.model.checkpoint_manifest import CheckpointUnusableError, Manifest, read_manifest
from tune_tasks.model.files import AttemptPaths
from tune_tasks.trial.checkpoints import TrialCheckpoints
from tune_tasks.trial.depot import Depot, DepotAwayError, NotWholeError, too_large

_TRIES = 3
_OTHER_ATTEMPT = re.compile(r"attempt_\d+")


@dataclass
class _Parcel:
    """A file or a checkpoint that is being sent."""

    path: Path
    steps: Iterator[None]
    manifest: Manifest | None = None


class Sending:
    """See the module's docstring. One thread makes the steps; others may ask how far it is.

    Args:
        depot: Where the files go.
        paths: The attempt's.
        checkpoints: The attempt's.
    """

    def __init__(self, depot: Depot, paths: AttemptPaths, checkpoints: TrialCheckpoints) -> None:
        self._depot = depot
        self._paths = paths
        self._checkpoints = checkpoints
        self._parcel: _Parcel | None = None
        self._arrived: list[Manifest] = []
        self._done: set[Path] = set()
        self._tries: Counter[Path] = Counter()
        self._seen: KeptCheckpoint | None = None
        self._left: list[Path] = []
        self._too_large = ""
        self._away = ""
        checkpoints.limit = depot.limit

    def latest(self, reports_size: int) -> KeptCheckpoint | None:
        """Return the latest checkpoint that another machine can go on from; None if there is none.

        Args:
            reports_size: Bytes of `result.json` that have arrived: it needs the reports up to it.
        """
        usable = [manifest for manifest in self._arrived if manifest.size <= reports_size]
        if not usable:
            return None
        latest = max(usable, key=lambda manifest: manifest.reports)
        return KeptCheckpoint(latest.training_iteration, latest.reports)

    def step(self) -> bool:
        """Send the next piece; returns whether there may be more that can be sent at once."""
        if self._parcel is None:
            self._parcel = self._next()
        if self._parcel is None:
            return False
        try:
            next(self._parcel.steps)
        except StopIteration:
            self._has_arrived(self._parcel)
        except DepotAwayError as exc:
            self._parcel = None  # what has arrived of it stays there
            self._away = str(exc)
            return False
        except (NotWholeError, CheckpointUnusableError, OSError):
            self._has_failed(self._parcel)
        self._away = ""
        return True

    @property
    def is_done(self) -> bool:
        """Whether there is nothing left that can be sent."""
        return not self._pending_checkpoints() and all(map(self._is_over, self._left))

    def finish(self, own: Iterable[Path] = ()) -> None:
        """Send from now on also what the script has left in its folder.

        Args:
            own: Files of ours that are sent, too, if they are there.
        """
        left = [path for path in own if path.is_file()]
        left += _left_in(self._paths)
        size = sum(_size(path) for path in left)
        limit = self._depot.limit
        if limit is not None and size > limit:
            self._too_large = too_large("what the trial has left in its folder", size, limit)
            return
        self._left = left

    def missing(self) -> str:
        """Return what has not arrived and why, for people; empty if nothing is missing."""
        checkpoints = len([path for path in self._checkpoints_here() if path not in self._done])
        files = len([path for path in self._left if path not in self._done])
        lacking = []
        if checkpoints:
            lacking.append("1 checkpoint" if checkpoints == 1 else f"{checkpoints} checkpoints")
        if files:
            lacking.append("1 file" if files == 1 else f"{files} files")
        if not lacking:
            return self._too_large
        why = self._away or "there was no time for more"
        said = f"{' and '.join(lacking)} could not be sent from its machine: {why}"
        return "; ".join(filter(None, [said, self._too_large]))

    def _next(self) -> _Parcel | None:
        # A look at the folder each second would be one too many.
        last = self._checkpoints.last
        if last is not self._seen:
            for path in self._pending_checkpoints():
                return self._checkpoint(path)
            self._seen = last
        for path in self._left:
            if not self._is_over(path):
                return _Parcel(path, self._depot.put(path))
        return None

    def _checkpoint(self, path: Path) -> _Parcel | None:
        # It stays here until it has arrived, however many are written meanwhile.
        self._checkpoints.being_sent = path
        try:
            manifest = read_manifest(path)
        except CheckpointUnusableError:
            self._tries[path] += 1
            return None
        return _Parcel(path, self._depot.put_checkpoint(path), manifest)

    def _pending_checkpoints(self) -> list[Path]:
        return [path for path in self._checkpoints_here() if not self._is_over(path)]

    def _checkpoints_here(self) -> list[Path]:
        return [stored.path for stored in checkpoints_in(self._paths.checkpoints)]

    def _is_over(self, path: Path) -> bool:
        return path in self._done or self._tries[path] >= _TRIES

    def _has_arrived(self, parcel: _Parcel) -> None:
        self._done.add(parcel.path)
        if parcel.manifest:
            self._arrived.append(parcel.manifest)
        self._let_go()

    def _has_failed(self, parcel: _Parcel) -> None:
        self._tries[parcel.path] += 1
        self._let_go()

    def _let_go(self) -> None:
        self._parcel = None
        self._checkpoints.being_sent = None


def _left_in(paths: AttemptPaths) -> Iterator[Path]:
    """The files that the script has left in its folder."""
    own = set(paths.own())
    for entry in sorted(paths.folder.iterdir()):
        is_ours = entry in own or entry.name.startswith(".")
        is_other = _OTHER_ATTEMPT.fullmatch(entry.name) is not None and entry.is_dir()
        if not is_ours and not is_other:
            yield from _files_at(entry)


def _files_at(entry: Path) -> Iterator[Path]:
    if entry.is_symlink():
        return
    if entry.is_file():
        yield entry
    elif entry.is_dir():
        for path in sorted(entry.iterdir()):
            yield from _files_at(path)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
