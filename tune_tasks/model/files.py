"""The files of a trial: their names, and how they are written."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from tune_tasks.model.masking import masked
from tune_tasks.model.trial import Outcome, Trial

PARAMS = "params.json"
ERROR = "error.txt"
RESULTS = "result.json"
"""The file of the reports, which Ray Tune called so in 2017."""
REPORT = Path("report", "report.md")
"""The report of an experiment, in the folder of its trials' folders."""
_LOCKS = Path("/proc/locks")


def attempt_folder(trial_folder: Path, attempt: int) -> Path:
    """Return the folder of attempt 1, 2, … of a trial: the first has the trial's own."""
    return trial_folder / f"attempt_{attempt}" if attempt > 1 else trial_folder


def trial_folder(folder: Path, attempt: int) -> Path:
    """Return the folder of a trial, from the one of its attempt 1, 2, … that is given."""
    return folder.parent if attempt > 1 else folder


class AttemptPaths:
    """The files of one attempt of a trial."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, sweep_dir: Path, trial: Trial, attempt: int) -> AttemptPaths:
        """Return the files of attempt 1, 2, … in the folder of the experiment's sweep."""
        return cls(attempt_folder(sweep_dir / trial.folder, attempt))

    @property
    def params(self) -> Path:
        """The trial's resolved config, its secrets masked."""
        return self.folder / PARAMS

    @property
    def results(self) -> Path:
        """The reports, one JSON object a line."""
        return self.folder / RESULTS

    @property
    def log(self) -> Path:
        """What the trial printed."""
        return self.folder / "trial.log"

    @property
    def error(self) -> Path:
        """The traceback, or why the process died."""
        return self.folder / ERROR

    @property
    def outcome(self) -> Path:
        """How the attempt ended. There is none while it runs, and none if its process died."""
        return self.folder / "outcome.json"

    @property
    def checkpoints(self) -> Path:
        """The folder of the attempt's checkpoints. There is none before the first."""
        return self.folder / "checkpoints"

    @property
    def restored_from(self) -> Path:
        """Which checkpoint the attempt goes on from. There is none if it began anew."""
        return self.folder / "restored_from.json"

    @property
    def copies_mark(self) -> Path:
        """Says that this folder is one of copies. There is none on the trial's own machine."""
        return self.folder / ".copies"

    @property
    def arriving(self) -> Path:
        """The folder of the files that have come by half from another machine."""
        return self.folder / ".arriving"

    def own(self) -> list[Path]:
        """Return every file and folder above, whether it is there or not."""
        return [
            self.params,
            self.results,
            self.log,
            self.error,
            self.outcome,
            self.checkpoints,
            self.restored_from,
            self.copies_mark,
            self.arriving,
        ]

    def create(self, config: Mapping[str, Any]) -> None:
        """Make the folder and write `params.json`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_aside(self.params, params_text(config))

    def write_outcome(self, outcome: Outcome) -> None:
        """Write `error.txt` if there is an error, then `outcome.json`."""
        if outcome.error:
            write_aside(self.error, outcome.error.rstrip() + "\n")
        write_aside(self.outcome, outcome.to_json() + "\n")

    def read_outcome(self) -> Outcome | None:
        """Return the outcome; None if the attempt has written none."""
        try:
            return Outcome.from_json(self.outcome.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None


def params_text(config: Mapping[str, Any]) -> str:
    """Return the text of `params.json` for a resolved config, its secrets masked."""
    return json.dumps(masked(config), indent=2, default=repr) + "\n"


def write_aside(path: Path, content: str | bytes) -> None:
    """Write a file under another name and rename it: readers see all of it or nothing."""
    if isinstance(content, str):
        content = content.encode("utf-8", errors="backslashreplace")
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_bytes(content)
        aside.replace(path)
    except OSError:  # a full disk: half a file would only fill it further
        aside.unlink(missing_ok=True)
        raise


def sync_file(path: Path) -> None:
    """Have what was written to a file on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk; otherwise a new file may be lost with its name."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def try_lock(file: IO[Any], *, shared: bool = False) -> bool:
    """Lock a file until it is closed, unless somebody else has; returns whether it is locked.

    Args:
        file: The file.
        shared: Whether others may have a shared lock, too.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def lock_holder(path: Path) -> int | None:
    """Return the process that has a file locked alone; None if that is not known.

    It is not if the process is on another machine, or in another container. On Linux alone.
    """
    try:
        status = path.stat()
        locks = _LOCKS.read_text().splitlines()
    except OSError:
        return None
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    place = f"{device}:{status.st_ino}"
    for fields in map(str.split, locks):
        if place in fields and {"FLOCK", "WRITE"} <= set(fields):
            pid = int(fields[fields.index(place) - 1])
            return pid if pid > 0 else None
    return None
