"""Brings what an attempt goes on from to its machine, if it was written on another one.

A checkpoint comes with the reports up to it, and with the notes of which attempt has gone on from
which. Then `restoring` finds it as if it had been written here.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tune_tasks.model.checkpoint import CheckpointRef
from tune_tasks.model.checkpoint_folder import (
    StoredCheckpoint,
    copy_aside,
    gone_on_from,
    lineage,
    named_so,
)
from tune_tasks.model.checkpoint_manifest import (
    MANIFEST,
    CheckpointUnusableError,
    Manifest,
    read_manifest,
    verified,
)
from tune_tasks.model.files import AttemptPaths, attempt_folder, sync_file, sync_folder
from tune_tasks.trial.depot import Depot


@dataclass(frozen=True)
class Depots:
    """Where the files of a trial's earlier attempts are, seen from any machine.

    Attributes:
        checkpoints: Their checkpoints.
        reports: Their reports, and the notes of what they have gone on from.
    """

    checkpoints: Depot
    reports: Depot


def fetch(depots: Depots, of_trial: Path, ref: CheckpointRef) -> list[str]:
    """Copy the latest checkpoint that is whole, with what belongs to it, unless it is here.

    Args:
        depots: Where it is.
        of_trial: The trial's folder on this machine.
        ref: The latest checkpoint of the trial.

    Returns:
        What was wrong with later ones.

    Raises:
        DepotAwayError: If nobody answers there.
        OSError: If it cannot be written here.
    """
    if _is_here(of_trial, ref):
        return []
    problems: list[str] = []
    for attempt, stored in _there(depots, of_trial, ref):
        try:
            _fetch_one(depots, AttemptPaths(attempt_folder(of_trial, attempt)), stored.path)
        except CheckpointUnusableError as exc:
            problems.append(f"the checkpoint {stored.path} cannot be used: {exc}")
        else:
            break
    return problems


def _is_here(of_trial: Path, ref: CheckpointRef) -> bool:
    """Return whether that checkpoint, or a later one, can be gone on from without anybody else."""
    for attempt, stored in gone_on_from(of_trial, ref):
        if (attempt, stored.number, stored.again) < (ref.attempt, ref.number, ref.again):
            return False
        manifest = stored.whole()
        results = AttemptPaths(attempt_folder(of_trial, attempt)).results
        if manifest and _size(results) >= manifest.size:
            return True
    return False


def _there(
    depots: Depots, of_trial: Path, ref: CheckpointRef
) -> Iterator[tuple[int, StoredCheckpoint]]:
    """Yield the checkpoints of an attempt and its earlier ones, as `checkpoints_of` does."""
    for attempt in lineage(of_trial, ref.attempt):
        paths = AttemptPaths(attempt_folder(of_trial, attempt))
        paths.folder.mkdir(parents=True, exist_ok=True)
        if not paths.restored_from.exists():
            _fetch_note(depots.reports, paths)
        for stored in named_so(paths.checkpoints, depots.checkpoints.names(paths.checkpoints)):
            yield attempt, stored


def _fetch_note(depot: Depot, paths: AttemptPaths) -> None:
    """Get the note of what an attempt has gone on from; `lineage` reads it next."""
    with _aside(paths.restored_from) as aside:
        depot.get(paths.restored_from, aside)
        if _size(aside):
            aside.replace(paths.restored_from)


def _fetch_one(depots: Depots, paths: AttemptPaths, folder: Path) -> None:
    aside = copy_aside(folder)
    try:
        manifest = _fetch_files(depots.checkpoints, folder, aside)
        _fetch_reports(depots.reports, paths, manifest)
        if folder.exists():  # it was damaged here
            shutil.rmtree(folder)
        aside.rename(folder)
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _fetch_files(depot: Depot, folder: Path, aside: Path) -> Manifest:
    aside.mkdir(parents=True, exist_ok=True)
    depot.get(folder / MANIFEST, aside / MANIFEST)
    for name in read_manifest(aside).files:
        to = aside / name
        to.parent.mkdir(parents=True, exist_ok=True)
        depot.get(folder / name, to)
        sync_file(to)
    return verified(aside)


def _fetch_reports(depot: Depot, paths: AttemptPaths, manifest: Manifest) -> None:
    """Get the reports up to a checkpoint, unless they are here."""
    if _size(paths.results) >= manifest.size:
        return
    with _aside(paths.results) as aside:
        depot.get(paths.results, aside, manifest.size)
        if _size(aside) < manifest.size:
            raise CheckpointUnusableError(f"not all reports up to it have arrived: {paths.results}")
        aside.replace(paths.results)


@contextlib.contextmanager
def _aside(path: Path) -> Iterator[Path]:
    aside = path.with_name(f".{path.name}.fetched")
    try:
        yield aside
    finally:
        aside.unlink(missing_ok=True)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
