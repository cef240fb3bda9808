"""Whether the results can be written, and have room."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from tune_tasks.commands.checks.finding import Finding, ok, problem, warning
from tune_tasks.errors import UsageError
from tune_tasks.model.disk import expect_writable, nearest_existing

_LITTLE_BYTES = 2**30
_GIB = 2**30


def folder_findings(results: Path) -> Iterator[Finding]:
    """Look at the folder of all results, which need not exist yet."""
    about = "results folder"
    try:
        expect_writable(results)
    except UsageError as exc:
        yield problem(about, str(exc).removeprefix("--local-dir: "), "give another --local-dir")
        return
    yield ok(about, f"{results} can be written")
    usage = shutil.disk_usage(nearest_existing(results))
    yield room_finding(usage.free, usage.total)


def room_finding(free: int, total: int) -> Finding:
    """Whether a disk has room, in bytes."""
    found = f"{free / _GIB:.1f} of {total / _GIB:.1f} GiB free"
    if free < _LITTLE_BYTES:
        return warning("disk", found, "make room: trials wait while there is none")
    return ok("disk", found)
