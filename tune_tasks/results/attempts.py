"""The attempts of a sweep's trials: why each started, how it ended, and how that is said. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tune_tasks.model.local_time import iso_time, local_time
from tune_tasks.model.text import left_out, one_line
from tune_tasks.model.trial import Resources, TrialState, last_line
from tune_tasks.results.document import streamed
from tune_tasks.results.leaderboard import duration
from tune_tasks.results.summary import Summary
from tune_tasks.results.trials import TrialSummary

_LISTED = 20

AttemptsOf = Callable[[TrialSummary], "Sequence[AttemptSummary]"]
"""The attempts of a trial, in order."""


@dataclass(frozen=True)
class AttemptSummary:
    """One attempt of a trial.

    Attributes:
        number: 1, 2, …
        state: PENDING if its process has not begun.
        cause: Why it started.
        started_at: In seconds since the epoch.
        ended_at: The same; None if it has not ended, or if nobody has seen when.
        ended_by: What ended it; None if it has not ended.
        stop_reason: The same for people.
        error: Traceback or cause if the state is ERROR.
        checkpoint: What it went on from; None if it began anew.
        resources: What it was given, if that was not what the spec says.
        searched: What it has tried, by dotted path, if others of its trial have tried something
            else: a member of a population.
        logdir: Its folder.
        storage: The address of its files in the sweep's storage; None without a storage.
    """

    number: int
    state: TrialState
    cause: str
    started_at: float
    ended_at: float | None
    ended_by: str | None
    stop_reason: str | None
    error: str | None
    reports: int
    checkpoint: Mapping[str, Any] | None
    resources: Resources | None
    logdir: str
    storage: str | None = None
    searched: Mapping[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        """The attempt as `show --json` prints it."""
        return {
            "number": self.number,
            "state": str(self.state),
            "cause": self.cause,
            "started": iso_time(self.started_at),
            "ended": iso_time(self.ended_at),
            "ended_by": self.ended_by,
            "stop_reason": self.stop_reason,
            "error": self.error,
            "reports": self.reports,
            "checkpoint": self.checkpoint,
            "resources": asdict(self.resources) if self.resources else None,
            "searched": dict(self.searched) if self.searched is not None else None,
            "logdir": self.logdir,
            "storage": self.storage,
        }


def document_with_attempts(summary: Summary, attempts_of: AttemptsOf) -> dict[str, Any]:
    """Return the document of a sweep, with every attempt of every trial in place of their number.

    Its lists of trials are iterators: there may be a million.
    """

    def with_attempts(trial: TrialSummary) -> dict[str, Any]:
        attempts = [attempt.as_json() for attempt in attempts_of(trial)]
        return {**trial.as_json(), "attempts": attempts}

    return streamed(summary, with_attempts)


def attempt_lines(summary: Summary, attempts_of: AttemptsOf) -> Iterator[str]:
    """Yield the attempts of a sweep for people."""
    for experiment in summary.experiments:
        begun = [trial for trial in experiment.listed if trial.attempts]
        if begun:
            yield f"== {one_line(experiment.name)}: attempts =="
        for trial in begun[:_LISTED]:
            yield f" - {trial.shown_name}"
            yield from map(_line, attempts_of(trial))
        yield from left_out(len(begun), _LISTED, "   … {} more")


def _line(attempt: AttemptSummary) -> str:
    """Return `1  18:54:26  first start; 34 reports; TERMINATED after 3 s: train() returned`."""
    parts = [attempt.cause]
    if attempt.checkpoint:
        parts[0] += f", from {_checkpoint(attempt.checkpoint)}"
    if attempt.resources:
        parts.append(str(attempt.resources))
    if attempt.searched:
        parts.append(", ".join(f"{path}={value}" for path, value in attempt.searched.items()))
    parts.append("1 report" if attempt.reports == 1 else f"{attempt.reports} reports")
    parts.append(_end(attempt))
    began = local_time(attempt.started_at)
    if attempt.storage:
        parts.append(f"files in {attempt.storage}")
    return f"     {attempt.number}  {began}  {'; '.join(parts)}"


def _end(attempt: AttemptSummary) -> str:
    if attempt.ended_by is None:
        return str(attempt.state)
    why = attempt.stop_reason
    if attempt.state is TrialState.ERROR:
        why = last_line(attempt.error or "")
    took = ""
    if attempt.ended_at is not None:
        took = f" after {duration(attempt.ended_at - attempt.started_at)}"
    return f"{attempt.state}{took}: {why}"


def _checkpoint(checkpoint: Mapping[str, Any]) -> str:
    return f"checkpoint {checkpoint['number']} of attempt {checkpoint['attempt']}"
