"""The checkpoints of an attempt, as folders in its folder: their names, and which of them are kept.

<attempt's folder>/checkpoints/
000010/            after the report with training_iteration 10
000010_2/          another one after the same report
.000012.….writing  one that is being written, or that a process has left so

What else is there, under other names or without a manifest, is somebody else's and stays.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.checkpoint import CheckpointRef, CheckpointRules
from tune_tasks.model.checkpoint_choice import best_among, superfluous_among
from tune_tasks.model.checkpoint_manifest import (
    MANIFEST,
    CheckpointUnusableError,
    Manifest,
    check_sizes,
    read_manifest,
)
from tune_tasks.model.files import AttemptPaths, attempt_folder, trial_folder, write_aside
from tune_tasks.model.objective import Objective
from tune_tasks.model.trial import GOES_ON_AFTER, Outcome, TrialState

_NAME = re.compile(r"(\d{6,})(?:_(\d+))?")
_ASIDE = re.compile(r"\.\d{6,}\.[0-9a-f]{8}\.(writing|removing)")


@dataclass(frozen=True)
class StoredCheckpoint:
    """A checkpoint on the disk, which may be damaged.

    Attributes:
        path: Its folder.
        number: `training_iteration` of the report that it belongs to.
        again: Which one of that report: 1, 2, …
    """

    path: Path
    number: int
    again: int = 1

    def whole(self) -> Manifest | None:
        """What it says of itself, if its files are there in their lengths; else None."""
        try:
            manifest = read_manifest(self.path)
            check_sizes(self.path, manifest)
        except CheckpointUnusableError:
            return None
        return manifest


def checkpoints_in(folder: Path) -> list[StoredCheckpoint]:
    """Return the checkpoints in an attempt's folder of checkpoints, the latest first."""
    found = named_so(folder, _names_in(folder))
    return [stored for stored in found if (stored.path / MANIFEST).is_file()]


def named_so(folder: Path, names: Iterable[str]) -> list[StoredCheckpoint]:
    """Return what is called as a checkpoint is, the latest first.

    Args:
        folder: An attempt's folder of checkpoints.
        names: Those in it, on this machine or another.
    """
    found: list[StoredCheckpoint] = []
    for name in names:
        match = _NAME.fullmatch(name)
        if match:
            again = int(match[2] or 1)
            found.append(StoredCheckpoint(folder / name, int(match[1]), again))
    return sorted(found, key=lambda stored: (stored.number, stored.again), reverse=True)


def checkpoints_of(of_trial: Path, attempt: int) -> Iterator[tuple[int, StoredCheckpoint]]:
    """Yield an attempt's checkpoints and those that it has gone on from, the latest first.

    Args:
        of_trial: The trial's folder.
        attempt: The attempt, 1, 2, …

    Yields:
        The attempt that has written it, and the checkpoint.
    """
    for number in lineage(of_trial, attempt):
        folder = AttemptPaths(attempt_folder(of_trial, number)).checkpoints
        for stored in checkpoints_in(folder):
            yield number, stored


def gone_on_from(of_trial: Path, ref: CheckpointRef) -> Iterator[tuple[int, StoredCheckpoint]]:
    """Yield the checkpoints that an attempt may go on from, the best choice first.

    They are those of `checkpoints_of`. If one was copied from another trial, what the trial itself
    has written after that does not count.

    Args:
        of_trial: The trial's folder.
        ref: The trial's latest checkpoint.
    """
    for attempt, stored in checkpoints_of(of_trial, ref.attempt):
        is_later = (attempt, stored.number, stored.again) > (ref.attempt, ref.number, ref.again)
        if not (ref.again > 1 and is_later):
            yield attempt, stored


def lineage(of_trial: Path, attempt: int) -> Iterator[int]:
    """Yield an attempt, the one that it has gone on from, the one before that, and so on."""
    while True:
        yield attempt
        before = restored_from(AttemptPaths(attempt_folder(of_trial, attempt)))
        if before is None or before.attempt >= attempt:
            return
        attempt = before.attempt


def restored_from(paths: AttemptPaths) -> CheckpointRef | None:
    """Return the checkpoint that an attempt has gone on from; None if it began anew."""
    try:
        data = json.loads(paths.restored_from.read_text(encoding="utf-8"))
        attempt, number, reports = (int(data[name]) for name in ("attempt", "number", "reports"))
        return CheckpointRef(attempt, number, reports, int(data.get("again", 1)))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def note_restored_from(paths: AttemptPaths, ref: CheckpointRef) -> None:
    """Write down which checkpoint an attempt goes on from.

    Raises:
        OSError: If it cannot be written.
    """
    text = {"attempt": ref.attempt, "number": ref.number, "reports": ref.reports}
    if ref.again > 1:
        text["again"] = ref.again
    write_aside(paths.restored_from, json.dumps(text) + "\n")


def latest_of(paths: AttemptPaths, attempt: int) -> CheckpointRef | None:
    """Return the latest checkpoint that an attempt has written, and whose manifest can be read."""
    for stored in checkpoints_in(paths.checkpoints):
        with contextlib.suppress(CheckpointUnusableError):
            manifest = read_manifest(stored.path)
            if not manifest.is_copy:
                return CheckpointRef(attempt, stored.number, manifest.reports)
    return None


def best_of(stored: Iterable[StoredCheckpoint], wanted: Objective | None) -> Path | None:
    """Return the folder of the one with the best metric, or of the latest if none has a metric.

    Args:
        stored: Some of a trial's, the latest first.
        wanted: What 'best' goes by; None for the first of the defaults that was reported.
    """
    return best_among(_whole(stored), wanted)


def best_of_trial(folder: Path, attempt: int, wanted: Objective | None) -> Path | None:
    """Return the folder of the best checkpoint of a trial; None if it has none on this machine.

    Args:
        folder: The one of its latest attempt.
        attempt: That attempt's number.
        wanted: See `best_of`.
    """
    found = checkpoints_of(trial_folder(folder, attempt), attempt)
    return best_of([stored for _, stored in found], wanted)


def checkpoint_to_log(info: AttemptInfo, outcome: Outcome) -> Path | None:
    """Return the checkpoint that MLflow is to have: of a trial that asks for it and has ended."""
    rules = info.trial.checkpoint
    goes_on = outcome.state is TrialState.ERROR or outcome.ended_by in GOES_ON_AFTER
    if goes_on or not rules.log:
        return None
    return best_of_trial(info.folder, info.attempt, rules.objective)


def superfluous(
    stored: Sequence[StoredCheckpoint], rules: CheckpointRules, spared: Collection[Path] = ()
) -> list[Path]:
    """Return the folders of those that need not be kept. A damaged one does not count as kept.

    Args:
        stored: A trial's, the latest first.
        rules: Which ones are kept.
        spared: Those that are kept in any case: an attempt has begun from one.
    """
    if rules.keep is None:
        return []
    return superfluous_among([each.path for each in stored], _whole(stored), rules, spared)


def new_aside(folder: Path, number: int) -> Path:
    """Make the folder in which a checkpoint is written, aside.

    Raises:
        OSError: If it cannot be made.
    """
    aside = folder / f".{number:06d}.{secrets.token_hex(4)}.writing"
    aside.mkdir(parents=True)
    return aside


def copy_aside(folder: Path) -> Path:
    """Return the folder in which a copy of a checkpoint is written, aside: the same each time.

    So what has arrived before the writing was broken off need not be written again.
    """
    number = folder.name.partition("_")[0]
    return folder.with_name(f".{number}.{zlib.crc32(folder.name.encode()):08x}.writing")


def put_in_place(aside: Path, folder: Path, number: int, again: int = 1) -> Path:
    """Give a checkpoint that is whole its name; returns its folder.

    Args:
        aside: Where it is.
        folder: The attempt's folder of checkpoints.
        number: `training_iteration` of its report.
        again: Which one of that report it is at least.

    Raises:
        OSError: If it cannot be renamed.
    """
    while os.path.lexists(final := folder / _name_of(number, again)):
        again += 1
    aside.rename(final)
    return final


def _name_of(number: int, again: int) -> str:
    return f"{number:06d}_{again}" if again > 1 else f"{number:06d}"


def remove(path: Path) -> None:
    """Remove a checkpoint; it has no longer its name once its first file has gone.

    A folder that cannot be removed stays.
    """
    number = path.name.partition("_")[0]
    aside = path.with_name(f".{number}.{secrets.token_hex(4)}.removing")
    with contextlib.suppress(OSError):
        path.rename(aside)
        shutil.rmtree(aside)


def remove_leftovers(folder: Path) -> None:
    """Remove what a process that has died was just writing, or removing."""
    for name in _names_in(folder):
        if _ASIDE.fullmatch(name):
            shutil.rmtree(folder / name, ignore_errors=True)


def _names_in(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - the names are what is looked at
    except OSError:
        return []


def _whole(stored: Iterable[StoredCheckpoint]) -> dict[Path, Manifest]:
    """The manifests of those that are not damaged, by folder, in the same order."""
    manifests: dict[Path, Manifest] = {}
    for each in stored:
        manifest = each.whole()
        if manifest:
            manifests[each.path] = manifest
    return manifests
