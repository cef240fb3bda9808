"""Which version of the code a sweep runs.

What was kept of it, and the commit that it comes from.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tune_tasks.model.snapshot import Snapshot

_GIT_S = 10.0
# As a hook of git's has them
_OF_ANOTHER_REPOSITORY = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")


@dataclass(frozen=True)
class CodeVersion:
    """A version of the code.

    Attributes:
        sha256: Of the script and the Python files beside it and below, their paths and contents.
        git_commit: The commit that was checked out; None outside of a repository.
        git_dirty: Whether the Python files are not those of the commit; None where that is not
            known.
    """

    sha256: str
    git_commit: str | None = None
    git_dirty: bool | None = None


def version_of(snapshot: Snapshot) -> CodeVersion:
    """The version of kept code; asks git, where there is one."""
    commit = _git(snapshot.folder, "rev-parse", "--verify", "HEAD")
    if not commit:
        return CodeVersion(snapshot.digest)
    scripts = [f":(literal){name}" for name in snapshot.sources if not name.endswith(".py")]
    changes = _git(
        snapshot.folder, "status", "--porcelain", "--untracked-files=all", "--", "*.py", *scripts
    )
    return CodeVersion(snapshot.digest, commit, None if changes is None else bool(changes))


def _git(folder: Path, *args: str) -> str | None:
    """What git answers; None where there is none, or no repository."""
    environment = {
        name: value for name, value in os.environ.items() if name not in _OF_ANOTHER_REPOSITORY
    }
    environment["GIT_OPTIONAL_LOCKS"] = "0"
    command = ["git", "-C", str(folder), *args]
    try:
        done = subprocess.run(  # noqa: S603 - nothing of it is the user's but the folder
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_GIT_S,
            env=environment,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
