"""Has an attempt go on from a checkpoint of the trial, before it begins.

The checkpoint is verified. One that is damaged gives place to the one before it, and with none the
attempt begins anew. The attempt's `result.json` begins with the reports up to the checkpoint's, so
that whoever reads that file has the trial's whole history, each report once.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tune_tasks.model.checkpoint import CheckpointRef
from tune_tasks.model.checkpoint_folder import (
    gone_on_from,
    lineage,
    note_restored_from,
    remove_leftovers,
)
from tune_tasks.model.checkpoint_manifest import CheckpointUnusableError, Manifest, verified
from tune_tasks.model.files import (
    AttemptPaths,
    attempt_folder,
    sync_file,
    sync_folder,
    trial_folder,
)
from tune_tasks.model.result_file import read_progress
from tune_tasks.trial.depot import DepotAwayError
from tune_tasks.trial.fetching import Depots, fetch

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Restored:
    """The checkpoint that an attempt goes on from.

    Attributes:
        ref: Which one.
        path: Its folder.
        manifest: What it says of itself.
        folders: The checkpoints' folders of the attempts that the trial's history comes from.
    """

    ref: CheckpointRef
    path: Path
    manifest: Manifest
    folders: tuple[Path, ...] = ()


def restore(
    paths: AttemptPaths,
    attempt: int,
    ref: CheckpointRef | None,
    depots: Depots | None = None,
) -> Restored | None:
    """Prepare an attempt's files, so that it goes on from a checkpoint.

    What cannot be used is said in the trial's log.

    Args:
        paths: The attempt's files; its folder is there.
        attempt: Its number.
        ref: The latest checkpoint of the trial; None if it has none.
        depots: Where it is if it is not on this machine.

    Returns:
        The checkpoint; None if the attempt begins anew.

    Raises:
        OSError: If the attempt's files cannot be written.
    """
    remove_leftovers(paths.checkpoints)
    if ref and depots:
        _fetch(depots, trial_folder(paths.folder, attempt), ref)
    restored = _latest_usable(paths, attempt, ref) if ref else None
    if restored is None:
        paths.restored_from.unlink(missing_ok=True)
        paths.results.unlink(missing_ok=True)  # of a process that was taken for never begun
    return restored


def _fetch(depots: Depots, of_trial: Path, ref: CheckpointRef) -> None:
    try:
        for problem in fetch(depots, of_trial, ref):
            _warn(problem)
    except DepotAwayError as exc:
        _warn(f"the trial's latest checkpoint is not on this machine: {exc}")


def _latest_usable(paths: AttemptPaths, attempt: int, ref: CheckpointRef) -> Restored | None:
    of_trial = trial_folder(paths.folder, attempt)
    earlier = [
        AttemptPaths(attempt_folder(of_trial, number)) for number in lineage(of_trial, ref.attempt)
    ]
    folders = tuple(each.checkpoints for each in earlier)
    for folder in folders:
        remove_leftovers(folder)
    for number, stored in gone_on_from(of_trial, ref):
        results = AttemptPaths(attempt_folder(of_trial, number)).results
        try:
            manifest = verified(stored.path)
            found = CheckpointRef(number, stored.number, manifest.reports, stored.again)
            _take_reports(results, paths, manifest, found)
        except CheckpointUnusableError as exc:
            _warn(f"the checkpoint {stored.path} cannot be used: {exc}")
            continue
        return Restored(found, stored.path, manifest, folders)
    _warn("no checkpoint of this trial can be used here: it begins anew")
    return None


def _take_reports(
    results: Path, paths: AttemptPaths, manifest: Manifest, found: CheckpointRef
) -> None:
    """Have the attempt's `result.json` begin with the reports up to the checkpoint's.

    Raises:
        CheckpointUnusableError: If they are not there as they were.
        OSError: If they cannot be written.
    """
    aside = paths.folder / f".{paths.results.name}.earlier"
    try:
        with aside.open("wb") as file:
            _copy(results, file, manifest.size)
        progress = read_progress(aside)
        if (progress.reports, progress.size) != (manifest.reports, manifest.size):
            raise CheckpointUnusableError(f"{results} has no longer the reports up to it")
        sync_file(aside)
        # First: reports that nobody knows the origin of would look like the attempt's own.
        note_restored_from(paths, found)
        sync_file(paths.restored_from)
        aside.replace(paths.results)
        sync_folder(paths.folder)
    finally:
        aside.unlink(missing_ok=True)


def _copy(results: Path, to: BinaryIO, size: int) -> None:
    """Copy so many bytes, or as many as there are."""
    if size == 0:
        return
    try:
        source = results.open("rb")
    except OSError as exc:
        raise CheckpointUnusableError(f"{results}: {exc.strerror}") from None
    with source:
        while size > 0 and (chunk := source.read(min(size, _CHUNK))):
            to.write(chunk)
            size -= len(chunk)


def _warn(text: str) -> None:
    print(f"tune-tasks: {text}", file=sys.stderr, flush=True)
