"""How a driver begins: with a new sweep, or with one that an earlier driver has begun.

A sweep is resumed because somebody asks for it, or because Prefect executes a deployment's run
again, by its Retry or its Resume.
"""

from __future__ import annotations

import dataclasses
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tune_tasks.errors import UsageError
from tune_tasks.sweep.history import History
from tune_tasks.sweep.journal import journal_path, journals_in, read_history, read_sweep
from tune_tasks.sweep.journal_entries import SweepEntry
from tune_tasks.sweep.request import Request

LAST = "last"
"""In place of a sweep's id: the last one of the spec that is unfinished."""

_OF_THE_SPEC = ("spec", "spec_file", "num_trials", "seed", "stop")
_SHOWN = 5


@dataclass(frozen=True)
class Beginning:
    """How this driver begins.

    Attributes:
        request: What is asked for; a sweep that is resumed without a spec brings its own.
        sweep: The sweep's id.
        drawn_seed: The seed of the experiments that the spec gives none.
        path: The sweep's journal.
        earlier: What an earlier driver has written there; None if the sweep is a new one.
        retry_failed: Whether failed trials are given another attempt.
    """

    request: Request
    sweep: str
    drawn_seed: int
    path: Path
    earlier: History | None = None
    retry_failed: bool = False


def beginning_of(request: Request, deployed_run: str = "") -> Beginning:
    """Find out how a driver is to begin. Changes nothing.

    Args:
        request: What is asked for.
        deployed_run: The flow run, if it is a deployment's, which Prefect may execute again.

    Raises:
        UsageError: If the sweep that is to be resumed is not there, or cannot be read.
    """
    begun = _begun_by(request.results, deployed_run) if deployed_run else None
    if begun:
        return _going_on(request, begun, retry_failed=True)
    if request.resume:
        return _going_on(request, _wanted(request), retry_failed=request.retry_failed)
    sweep = f"{time.strftime('%Y-%m-%d_%H-%M-%S')}_{secrets.token_hex(2)}"
    path = journal_path(request.results, sweep)
    return Beginning(request, sweep, secrets.randbelow(2**31), path)


def _begun_by(results: Path, flow_run_id: str) -> Path | None:
    for path in journals_in(results):
        if read_sweep(path).flow_run_id == flow_run_id:
            return path
    return None


def _going_on(request: Request, path: Path, *, retry_failed: bool) -> Beginning:
    earlier = read_history(path)
    sweep = earlier.sweep
    if request.spec is None and request.spec_file is None:
        request = _with_spec_of(request, sweep)
    return Beginning(request, sweep.sweep, sweep.drawn_seed, path, earlier, retry_failed)


def _with_spec_of(request: Request, sweep: SweepEntry) -> Request:
    theirs: dict[str, Any] = {name: sweep.request[name] for name in _OF_THE_SPEC}
    ours = {name: getattr(request, name) for name in _OF_THE_SPEC}
    given = {name: value for name, value in ours.items() if value is not None}
    return dataclasses.replace(request, **{**theirs, **given})


def _wanted(request: Request) -> Path:
    journals = journals_in(request.results)
    if request.resume != LAST:
        return _named(request, journals)
    for path in journals:
        if _is_of(request, read_sweep(path)) and read_history(path).unfinished:
            return path
    raise UsageError(f"--resume: there is no unfinished sweep of this spec in {request.results}")


def _named(request: Request, journals: list[Path]) -> Path:
    for path in journals:
        if path.parent.name == request.resume:
            return path
    last = ", ".join(path.parent.name for path in journals[:_SHOWN])
    has = f"the last ones are {last}" if last else "it has none"
    raise UsageError(f"--resume: no sweep {request.resume!r} in {request.results}; {has}")


def _is_of(request: Request, sweep: SweepEntry) -> bool:
    """Whether a sweep is one of the spec that was given; if none was given, any is."""
    if request.spec_file:
        theirs = sweep.request["spec_file"]
        is_same = theirs and Path(sweep.cwd, theirs) == Path(request.spec_file).absolute()
        return bool(is_same)
    return request.spec is None or list(request.spec) == list(sweep.given)
