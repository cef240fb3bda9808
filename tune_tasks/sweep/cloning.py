"""Copies a checkpoint from one member of a population to another, in the driver.

The copy is a checkpoint of the other trial: it belongs to the report at which that trial waits, so
that the trial's own counts and reports go on from there. Its files are hard links if that is
possible: the first trial may remove its checkpoint, and the copy stays.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tune_tasks.model.checkpoint import CheckpointRef
from tune_tasks.model.checkpoint_folder import (
    StoredCheckpoint,
    checkpoints_in,
    checkpoints_of,
    named_so,
    new_aside,
    put_in_place,
    remove,
)
from tune_tasks.model.checkpoint_manifest import (
    CheckpointUnusableError,
    Manifest,
    StoredFile,
    write_manifest,
)
from tune_tasks.model.files import AttemptPaths, sync_file, sync_folder, trial_folder


@dataclass(frozen=True)
class Cloned:
    """A copy that was made.

    Attributes:
        copy: It itself.
        taken: The other trial's checkpoint that it is a copy of.
    """

    copy: CheckpointRef
    taken: CheckpointRef


def clone(
    of_donor: Path, checkpoint: CheckpointRef | None, paths: AttemptPaths, attempt: int, report: int
) -> Cloned:
    """Put a copy of another trial's checkpoint among those of an attempt; it is the latest there.

    Args:
        of_donor: The other trial's folder.
        checkpoint: Which one of its checkpoints, or a later one that it has written itself; None if
            it has none.
        paths: Of the attempt that waits.
        attempt: Its number.
        report: The number of the report at which it waits.

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
        taken, files = _take(of_donor, checkpoint, aside)
        manifest = replace(own, files=files, is_copy=True)
        write_manifest(aside, manifest)
        placed = put_in_place(aside, paths.checkpoints, manifest.training_iteration, again=2)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    sync_folder(paths.checkpoints)
    sync_folder(paths.folder)
    (stored,) = named_so(paths.checkpoints, [placed.name])
    copy = CheckpointRef(attempt, stored.number, manifest.reports, stored.again)
    return Cloned(copy, taken)


def remove_unheard(paths: AttemptPaths, attempt: int, known: CheckpointRef | None) -> None:
    """Remove the copies that no journal tells of: the driver that has made them died before.

    Args:
        paths: Of an attempt that has ended.
        attempt: Its number.
        known: The trial's latest checkpoint, by the journal.
    """
    for stored in checkpoints_in(paths.checkpoints):
        manifest = stored.whole() if stored.again > 1 else None
        if manifest and manifest.is_copy and _ref(attempt, stored, manifest) != known:
            remove(stored.path)


def _take(
    of_donor: Path, checkpoint: CheckpointRef, aside: Path
) -> tuple[CheckpointRef, Mapping[str, StoredFile]]:
    """Take the files of the donor's latest; of a later one if it removes that one just now."""
    attempt, source, manifest = _latest_whole(of_donor, checkpoint)
    try:
        for name in manifest.files:
            _link(source.path / name, aside / name)
    except FileNotFoundError:
        shutil.rmtree(aside)
        aside.mkdir()
        return _take(of_donor, checkpoint, aside)
    return _ref(attempt, source, manifest), manifest.files


def _latest_whole(of_trial: Path, ref: CheckpointRef) -> tuple[int, StoredCheckpoint, Manifest]:
    """The latest with the config of `ref`: with what the trial has taken since, it has another."""
    for attempt, stored, manifest in _whole(of_trial, ref.attempt):
        is_later = (attempt, stored.number, stored.again) > (ref.attempt, ref.number, ref.again)
        if not (is_later and manifest.is_copy):
            return attempt, stored, manifest
    raise CheckpointUnusableError("it is gone, or damaged")


def _own(of_trial: Path, attempt: int, report: int) -> Manifest:
    """What a checkpoint says that belongs to a report of the trial's own."""
    for _, _, manifest in _whole(of_trial, attempt):
        if manifest.reports == report:
            return manifest
    raise CheckpointUnusableError("the trial itself has written none there")


def _whole(of_trial: Path, attempt: int) -> Iterator[tuple[int, StoredCheckpoint, Manifest]]:
    for number, stored in checkpoints_of(of_trial, attempt):
        manifest = stored.whole()
        if manifest:
            yield number, stored, manifest


def _ref(attempt: int, stored: StoredCheckpoint, manifest: Manifest) -> CheckpointRef:
    return CheckpointRef(attempt, stored.number, manifest.reports, stored.again)


def _link(source: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, to)
    except OSError:  # another file system, or one that has no links
        shutil.copy2(source, to)
        sync_file(to)
