"""Identifies the code that a sweep runs: a checksum of what was kept of it, and its git commit."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from zlib import crc32

from tune_tasks.model.snapshot import Snapshot
from tune_tasks.model.text import left_out

_GIT_S = 10.0
_MOST_FILES = 1_000
_SHOWN = 5
_ANOTHER_REPOSITORY = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")
"""Variables that name another repository than the folder's; git sets them for its hooks."""


@dataclass(frozen=True)
class CodeVersion:
    """A version of the code.

    Attributes:
        sha256: Of the script and the Python files beside it and below, their paths and contents.
        git_commit: The commit that is checked out; None outside of a repository.
        git_dirty: Whether the Python files differ from those of the commit; None if that is not
            known.
        files: Short checksums by path, of the files that are nearest to the script.
    """

    sha256: str
    git_commit: str | None = None
    git_dirty: bool | None = None
    files: Mapping[str, str] = field(default_factory=dict, repr=False)

    def as_json(self) -> dict[str, str | bool | None]:
        """The version as `--json` prints it."""
        return {name: getattr(self, name) for name in ("sha256", "git_commit", "git_dirty")}


def version_of(snapshot: Snapshot) -> CodeVersion:
    """Return the version of kept code; asks git, if there is one."""
    files = _checksums(snapshot)
    commit = _git(snapshot.folder, "rev-parse", "--verify", "HEAD")
    if not commit:
        return CodeVersion(snapshot.digest, files=files)
    return CodeVersion(snapshot.digest, commit, _is_dirty(snapshot), files)


def edits_since(then: CodeVersion, now: Snapshot) -> str | None:
    """Return which files differ from an earlier version, for people; None if none does."""
    if then.sha256 == now.digest:
        return None
    before = then.files.items()
    after = _checksums(now).items()
    changed = sorted({name for name, _ in before ^ after}) if before else []
    return ", ".join([*changed[:_SHOWN], *left_out(len(changed), _SHOWN)]) or "some file"


def _checksums(snapshot: Snapshot) -> dict[str, str]:
    nearest = islice(snapshot.sources.items(), _MOST_FILES)
    return {name: f"{crc32(source):08x}" for name, source in nearest}


def _is_dirty(snapshot: Snapshot) -> bool | None:
    scripts = [f":(literal){name}" for name in snapshot.sources if not name.endswith(".py")]
    changes = _git(
        snapshot.folder, "status", "--porcelain", "--untracked-files=all", "--", "*.py", *scripts
    )
    return None if changes is None else bool(changes)


def _git(folder: Path, *args: str) -> str | None:
    """Return git's answer; None if there is no git, or no repository."""
    command = ["git", "-C", str(folder), *args]
    try:
        done = subprocess.run(  # noqa: S603 - nothing of it is the user's but the folder
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_GIT_S,
            env=_gits_environment(),
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _gits_environment() -> dict[str, str]:
    variables = {
        name: value for name, value in os.environ.items() if name not in _ANOTHER_REPOSITORY
    }
    # `git status` would write its index otherwise, and collide with the user's own git
    variables["GIT_OPTIONAL_LOCKS"] = "0"
    return variables
