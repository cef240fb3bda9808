"""Copies a checkpoint from one member of a population to another, in the driver.

The copy is a checkpoint of the other trial: it belongs to the report at which that trial waits, so
that the trial's own counts and reports go on from there. Its files are hard links if that is
possible: the first trial may remove its checkpoint, and the copy stays.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from tune_tasks.model.checkpoint import CheckpointRef
from tune_tasks.model.checkpoint_folder import (
    StoredCheckpoint,
    checkpoints_of,
    named_so,
    new_aside,
    put_in_place,
)
from tune_tasks.model.checkpoint_manifest import (
    CheckpointUnusableError,
    Manifest,
    StoredFile,
    read_manifest,
    write_manifest,
)
from tune_tasks.model.files import AttemptPaths, sync_file, sync_folder, trial_folder


def clone(
    of_donor: Path, checkpoint: CheckpointRef | None, paths: AttemptPaths, attempt: int, report: int
) -> CheckpointRef:
    """Put a copy of another trial's checkpoint among those of an attempt; it is the latest there.

    Args:
        of_donor: The other trial's folder.
        checkpoint: Which one of its checkpoints, or a later one; None if it has none.
        paths: Of the attempt that waits.
        attempt: Its number.
        report: The number of the report at which it waits.

    Returns:
        The copy.

    Raises:
        CheckpointUnusableError: If the other trial, or this one, has no such checkpoint that is
            whole.
        OSError: If the copy cannot be written.
    """
    if checkpoint is None:
        raise CheckpointUnusableError("it has written none")
    own = _own(trial_folder(paths.folder, attempt), attempt, report)
    aside = new_aside(paths.checkpoints, own.training_iteration)
    try:
        manifest = replace(own, files=_take(of_donor, checkpoint.attempt, aside))
        write_manifest(aside, manifest)
        placed = put_in_place(aside, paths.checkpoints, manifest.training_iteration, again=2)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    sync_folder(paths.checkpoints)
    sync_folder(paths.folder)
    (stored,) = named_so(paths.checkpoints, [placed.name])
    return CheckpointRef(attempt, stored.number, manifest.reports, stored.again)


def _take(of_donor: Path, attempt: int, aside: Path) -> Mapping[str, StoredFile]:
    """Take the files of the donor's latest; of a later one if it removes that one just now."""
    source, manifest = _latest_whole(of_donor, attempt)
    try:
        for name in manifest.files:
            _link(source / name, aside / name)
    except FileNotFoundError:
        shutil.rmtree(aside)
        aside.mkdir()
        return _take(of_donor, attempt, aside)
    return manifest.files


def _latest_whole(of_trial: Path, attempt: int) -> tuple[Path, Manifest]:
    for stored, manifest in _whole(of_trial, attempt):
        return stored.path, manifest
    raise CheckpointUnusableError("it is gone, or damaged")


def _own(of_trial: Path, attempt: int, report: int) -> Manifest:
    """What a checkpoint says that belongs to a report of the trial's own."""
    for _, manifest in _whole(of_trial, attempt):
        if manifest.reports == report:
            return manifest
    raise CheckpointUnusableError("the trial itself has written none there")


def _whole(of_trial: Path, attempt: int) -> Iterator[tuple[StoredCheckpoint, Manifest]]:
    for _, stored in checkpoints_of(of_trial, attempt):
        if stored.whole():
            yield stored, read_manifest(stored.path)


def _link(source: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, to)
    except OSError:  # another file system, or one that has no links
        shutil.copy2(source, to)
        sync_file(to)
