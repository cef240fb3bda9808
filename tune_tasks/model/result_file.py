"""The one writer and the readers of an attempt's `result.json`.

Nothing keeps a script from writing a `result.json` of its own, or a person from removing it. Lines
that are not reports are skipped and counted. Reports that are gone cannot be brought back: the
writer says so, and the trial is an error.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tune_tasks.errors import ReportError
from tune_tasks.model.files import RESULTS
from tune_tasks.result import PROGRESS_METRICS, REPORTED_METRICS, non_finite_metrics

_BEGINNING = b'{"timesteps_total": '
_WITHIN = b', "training_iteration": '
_REQUIRED = ("timesteps_total", "timestamp", *PROGRESS_METRICS)
MOST_STEPS = 2**63
"""`timesteps_total` is less: trackers keep a step in 64 bits."""
_RECENT = 100
_READ_BYTES = 4_000_000
_ROWS_AT_ONCE = 1_000
_END_BYTES = 64_000
_NOT_FINITE = (b"NaN", b"Infinity")
_NOT_THERE = (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError)
_GONE = (
    "and the reports up to then are gone; have whatever else writes into the trial's folder use"
    " another name"
)


@dataclass(frozen=True)
class Progress:
    """What has been reported so far.

    Attributes:
        reports: Number of reports kept.
        size: Bytes of `result.json`, up to the end of the last report.
        last: The last report as it stands in `result.json`, without `config`.
        non_finite: Number of values so far that were NaN or infinite.
        foreign_lines: Lines of `result.json` that are not reports: something else has written
            them. Known to readers only.
    """

    reports: int = 0
    size: int = 0
    last: Mapping[str, Any] | None = None
    non_finite: int = 0
    foreign_lines: int = 0


@dataclass(frozen=True)
class ReadRows:
    """The next reports of a file.

    Attributes:
        rows: The reports.
        end: The offset behind them.
    """

    rows: list[dict[str, Any]]
    end: int


class ResultFile:
    """The writer of an attempt's `result.json`; several threads need a lock around it.

    Args:
        path: The file.
        size: The end of the reports that it begins with: those up to a checkpoint.

    Attributes:
        size: The end of the last report in the file.
        problem: Why there can be no more reports: those that were kept are gone. None while all is
            well.
    """

    def __init__(self, path: Path, size: int = 0) -> None:
        self.size = size
        self.problem: str | None = None
        self._path = path
        self._last = b""
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)

    def append(self, line: bytes) -> None:
        """Write a report, a line with its end.

        Raises:
            ReportError: If the earlier reports are gone: the file was overwritten, truncated or
                removed.
            OSError: If the line cannot be written.
        """
        before = os.fstat(self._file)
        if before.st_size != self.size or before.st_nlink == 0:
            self._check(before)
            if self._ends_within_a_line(before):
                line = b"\n" + line
        written = os.write(self._file, line)
        if written < len(line):
            # Take the half line back, so that the file stays readable
            os.ftruncate(self._file, before.st_size)
            raise OSError(
                f"only {written} of {len(line)} bytes of the report could be written: is the disk"
                " full?"
            )
        # The file's own offset, because something else may have written behind our last report
        self.size = os.lseek(self._file, 0, os.SEEK_CUR)
        self._last = line

    def duplicate(self) -> int:
        """Return another descriptor of the file, to be closed; one thread may sync it alone."""
        return os.dup(self._file)

    def close(self) -> None:
        """Close the file, after a last look whether every report is there: see `problem`."""
        # OSError: a script may have closed every file that it finds open
        with contextlib.suppress(ReportError, OSError):
            self._check(os.fstat(self._file), is_last=True)
        with contextlib.suppress(OSError):
            os.close(self._file)

    def _check(self, status: os.stat_result, *, is_last: bool = False) -> None:
        self.problem = self.problem or self._found(status, is_last=is_last)
        if self.problem:
            raise ReportError(self.problem)

    def _found(self, status: os.stat_result, *, is_last: bool) -> str | None:
        if (is_last or status.st_nlink == 0) and not self._is_at_its_path(status):
            return f"{RESULTS} was removed, moved or replaced by something else, {_GONE}"
        last_at = self.size - len(self._last)
        if os.pread(self._file, len(self._last), last_at) != self._last:
            return f"{RESULTS} was overwritten by something else, {_GONE}"
        return None

    def _ends_within_a_line(self, status: os.stat_result) -> bool:
        """Return whether something else has written half a line."""
        return status.st_size > 0 and os.pread(self._file, 1, status.st_size - 1) != b"\n"

    def _is_at_its_path(self, status: os.stat_result) -> bool:
        try:
            return os.path.samestat(self._path.stat(), status)
        except OSError:
            return False


def parse_report(line: bytes) -> dict[str, Any] | None:
    """Return the report that a line of `result.json` is; None if it is not a report."""
    if not _is_like_a_report(line):
        return None
    try:
        row: dict[str, Any] = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if _is_a_report(row) else None


def read_rows(path: Path, offset: int, size: int, limit: int) -> ReadRows:
    """Read the next reports of a file; lines that are not reports are left out.

    Args:
        path: The file. A file that has gone holds nothing.
        offset: Where to begin: at the beginning of a line.
        size: Where to end: at the end of a line.
        limit: How many lines to look at, at most.
    """
    try:
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(min(size - offset, _READ_BYTES))
            if not data.endswith(b"\n"):
                data += file.readline()
    except _NOT_THERE:
        return ReadRows([], offset)
    lines = data.splitlines(keepends=True)[:limit]
    rows = [row for row in map(parse_report, lines) if row]
    return ReadRows(rows, offset + sum(map(len, lines)))


def all_rows(path: Path, size: int) -> Iterator[dict[str, Any]]:
    """Read every report of a file, in order, up to a size in bytes."""
    offset = 0
    while offset < size:
        read = read_rows(path, offset, size, _ROWS_AT_ONCE)
        yield from read.rows
        if read.end == offset:  # it has gone
            return
        offset = read.end


def read_progress(path: Path) -> Progress:
    """Read what a `result.json` holds, without a line that a dying process did not finish."""
    reports = 0
    size = 0
    non_finite = 0
    foreign_lines = 0
    end = 0
    # Every line is looked at, but few are parsed, because there may be millions
    recent: deque[bytes] = deque(maxlen=_RECENT)
    try:
        with path.open("rb") as file:
            for line in file:
                end += len(line)
                if _is_like_a_report(line):
                    reports += 1
                    size = end
                    recent.append(line)
                    if any(text in line for text in _NOT_FINITE):
                        non_finite += len(non_finite_metrics(parse_report(line) or {}))
                elif not (line.isspace() or _is_unfinished(line)):
                    foreign_lines += 1
    except OSError:
        return Progress()
    return Progress(reports, size, _last_report(recent), non_finite, foreign_lines)


def read_last_report(path: Path) -> Progress:
    """Read the last report that a `result.json` holds, and nothing else: quick in a long file."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _END_BYTES))
            lines = file.read().splitlines(keepends=True)
    except OSError:
        return Progress()
    last = _last_report(lines)
    return Progress(reports=1, last=last) if last else Progress()


def _last_report(lines: Sequence[bytes]) -> dict[str, Any] | None:
    """Return the last report among lines, without its config."""
    row = next(filter(None, map(parse_report, reversed(lines))), None)
    if row:
        row.pop("config", None)
    return row


def _is_like_a_report(line: bytes) -> bool:
    """Return whether a line has what every report has: a look that is quicker than parsing it."""
    return line.startswith(_BEGINNING) and line.endswith(b"}\n") and _WITHIN in line


def _is_unfinished(line: bytes) -> bool:
    return line.startswith(_BEGINNING) and not line.endswith(b"\n")


def _is_a_report(row: Mapping[str, Any]) -> bool:
    has_required = all(_is_number(row.get(name)) for name in _REQUIRED)
    reported = [row[name] for name in REPORTED_METRICS if row.get(name) is not None]
    has_info = isinstance(row.get("info", {}), dict)
    is_whole = has_required and has_info and all(map(_is_number, reported))
    return is_whole and 0 <= row["timesteps_total"] < MOST_STEPS


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
