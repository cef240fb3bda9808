"""Reads trials from a table or a document: CSV or JSON, ours, MLflow's, or one made by hand.

Nothing of a file is executed.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from tune_tasks.model.masking import masked_by_path
from tune_tasks.model.objective import Objectives
from tune_tasks.model.paths import dotted
from tune_tasks.model.text import left_out, one_line
from tune_tasks.result import tracked_name
from tune_tasks.search.observation import Fate, Measured
from tune_tasks.spec.search_space import SearchSpace
from tune_tasks.sweep.warm import WarmTrial

_OF_CONFIG = ("config/", "params.", "")
_OF_METRICS = ("metrics.", "")
_STATES = ("state", "status", "Status")
_ENDS = {
    **dict.fromkeys(("TERMINATED", "FINISHED", "COMPLETE", "COMPLETED"), Fate.FINISHED),
    **dict.fromkeys(("ERROR", "FAILED", "FAIL", "CRASHED"), Fate.FAILED),
}
"""The states of trials that have ended, in our words and in those of others."""
_OURS = {"experiment", "index", "name", "config", "stop_reason", "logdir", *_STATES}
"""Columns that are no settings and no metrics."""
_EMPTY = (None, "")
_SHOWN = 5
_NOTE_LENGTH = 200
_FORMS = "the document of `run --json`, a list of mappings, or a mapping with columns and data"


@dataclass(frozen=True)
class Found:
    """The trials of a source.

    Attributes:
        source: For people.
        trials: The oldest one first.
        notes: What people are to know of it.
        metrics: What else trials have reported, for messages.
    """

    source: str
    trials: Sequence[WarmTrial]
    notes: Sequence[str] = ()
    metrics: Sequence[str] = ()


@dataclass
class _Row:
    """A trial of a file."""

    name: str
    values: Mapping[str, Any]
    state: str
    measured: Measured


def read_trials(path: Path, experiment: str, compared_by: Objectives, space: SearchSpace) -> Found:
    """Read the trials of a file.

    Args:
        path: The file, CSV or JSON.
        experiment: Whose trials are wanted, if the file has those of several experiments.
        compared_by: What trials are compared by.
        space: What is searched: columns of other settings are not taken.

    Raises:
        ValueError: If it cannot be read, or its form is another one; says what is wrong.
    """
    reader = _Reader(experiment, compared_by, space)
    try:
        rows = list(reader.of_json(path) if path.suffix == ".json" else reader.of_csv(path))
    except (OSError, UnicodeDecodeError, csv.Error, RecursionError) as exc:
        raise ValueError(f"{path} cannot be read: {exc}") from exc
    except (KeyError, TypeError, AttributeError) as exc:
        raise ValueError(f"{path} has another form than {_FORMS}: {exc!r}") from exc
    trials = list(_trials(path.name, rows))
    notes = [*reader.notes(path.name), *_ignored_rows(path.name, len(rows) - len(trials))]
    return Found(path.name, trials, notes, list(reader.metrics))


def _trials(name: str, rows: Sequence[_Row]) -> Iterator[WarmTrial]:
    for number, row in enumerate(rows, start=1):
        fate = _fate(row)
        if fate is not None and row.values:
            source = row.name or f"row {number}"
            yield WarmTrial(f"{source} of {name}", row.values, fate, *row.measured)


def _fate(row: _Row) -> Fate | None:
    """What has become of a trial; None if it has not ended."""
    if row.state:
        return _ENDS.get(row.state.upper())
    return None if row.measured.value is None else Fate.FINISHED


def _ignored_rows(name: str, count: int) -> Iterator[str]:
    if count:
        yield f"{name}: {count} rows are ignored: they have not ended, or say nothing of the config"


class _Reader:
    """Reads rows; see `read_trials`.

    Attributes:
        metrics: The names of what may be metrics in what was read.
    """

    def __init__(self, experiment: str, compared_by: Objectives, space: SearchSpace) -> None:
        self._experiment = experiment
        self._compared_by = compared_by
        self._space = space
        self._names = [dotted(path) for path in space.searched]
        self._options = space.options_by_name()
        self._columns_seen: dict[str, None] = {}
        self.metrics: dict[str, None] = {}
        self._columns = {metric: list(_columns_of(metric)) for metric in compared_by.metrics()}

    def of_csv(self, path: Path) -> Iterator[_Row]:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            yield from self._of_rows([{k: v for k, v in row.items() if k} for row in rows])

    def of_json(self, path: Path) -> Iterator[_Row]:
        try:
            data = json.loads(path.read_text(encoding="utf-8-sig"))
        except json.JSONDecodeError as exc:
            raise ValueError(f"{path}: no JSON: {exc}") from exc
        if isinstance(data, Mapping) and isinstance(data.get("experiments"), Mapping):
            yield from self._of_document(data["experiments"])
        elif isinstance(data, Mapping) and {"columns", "data"} <= data.keys():
            rows = (zip(data["columns"], row, strict=False) for row in data["data"])
            yield from self._of_rows(list(map(dict, rows)))
        elif isinstance(data, list) and all(isinstance(row, Mapping) for row in data):
            yield from self._of_rows(data)
        else:
            raise ValueError(f"{path}: expected {_FORMS}")

    def _of_document(self, experiments: Mapping[str, Any]) -> Iterator[_Row]:
        name = self._chosen(experiments)
        for trial in experiments[name]["trials"]:
            values = dict(self._space.searched_of(trial["config"] or {}))
            last = trial["last_result"] or {}
            self.metrics |= dict.fromkeys([*last, *(last.get("info") or {})])
            measured = Measured.of(self._compared_by, self._compared_by.values(last))
            if not trial["cancelled"]:
                row = f"{name}/{trial['index']}"
                yield _Row(row, masked_by_path(values), trial["state"], measured)

    def _chosen(self, experiments: Mapping[str, Any]) -> str:
        """The experiment that is meant: that of this name, or the only one."""
        if self._experiment in experiments or len(experiments) != 1:
            return self._experiment_of(list(experiments))
        return next(iter(experiments))

    def _experiment_of(self, names: Sequence[str]) -> str:
        if self._experiment not in names:
            raise ValueError(f"it has no experiment {self._experiment!r}, but {', '.join(names)}")
        return self._experiment

    def _of_rows(self, rows: Sequence[Mapping[str, Any]]) -> Iterator[_Row]:
        named = dict.fromkeys(str(row["experiment"]) for row in rows if "experiment" in row)
        name = self._chosen(named) if named else ""
        for row in rows:
            if row.get("experiment", name) == name or not named:
                yield self._of_row(row)

    def _of_row(self, row: Mapping[str, Any]) -> _Row:
        config = row.get("config")
        values = dict(self._values(row))
        if isinstance(config, Mapping):
            values |= dict(self._space.searched_of(config))
        index = row.get("index", "")
        name = f"{row['experiment']}/{index}" if "experiment" in row and index != "" else ""
        states = (key for key in _STATES if key not in self._names)
        state = next((str(row[key]) for key in states if row.get(key)), "")
        self._columns_seen |= dict.fromkeys(row)
        self.metrics |= dict.fromkeys(map(_plain_name, row))
        return _Row(name, masked_by_path(values), state, self._measured(row))

    def _values(self, row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        for name in self._names:
            keys = (f"{prefix}{name}" for prefix in _OF_CONFIG)
            value = next((row[key] for key in keys if row.get(key) not in _EMPTY), None)
            if value is not None:
                yield name, self._parsed(name, value)

    def _parsed(self, name: str, value: Any) -> Any:
        """A value of a row; a text is what the spec has that looks like it, or what it says."""
        if not isinstance(value, str):
            return value
        alike = (option for option in self._options.get(name, ()) if str(option) == value)
        return next(alike, _said(value))

    def _measured(self, row: Mapping[str, Any]) -> Measured:
        columns = self._columns.items()
        metrics = {metric: _number_in(row, names) for metric, names in columns}
        return Measured.of(self._compared_by, metrics)

    def notes(self, name: str) -> Iterator[str]:
        """Say which columns are not taken."""
        taken = {f"{prefix}{each}" for prefix in _OF_CONFIG for each in self._names}
        ignored = self._columns_seen.keys() - taken - {*chain(*self._columns.values())} - _OURS
        if ignored:
            shown = ", ".join([*sorted(ignored)[:_SHOWN], *left_out(len(ignored), _SHOWN)])
            yield one_line(f"{name}: columns that are ignored: {shown}", _NOTE_LENGTH)


def _columns_of(metric: str) -> Iterator[str]:
    """The names that a column of a metric may have."""
    plain = metric.removeprefix("info.").removeprefix("info/")
    for prefix in _OF_METRICS:
        for name in dict.fromkeys((metric, tracked_name(metric), plain)):
            yield f"{prefix}{name}"


def _number_in(row: Mapping[str, Any], columns: Sequence[str]) -> float | None:
    """The finite number that the first of the columns has that is not empty, or None."""
    value = next((row[key] for key in columns if row.get(key) not in _EMPTY), None)
    try:
        number = float(value)  # type: ignore[arg-type] # None is a TypeError
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _plain_name(column: str) -> str:
    prefixes = (*_OF_CONFIG, *_OF_METRICS)
    return next(column.removeprefix(each) for each in prefixes if column.startswith(each))


def _said(text: str) -> Any:
    """The number, or other value of JSON, that a text says; itself if it says none."""
    for parse in (json.loads, float):
        try:
            return parse(text)
        except (ValueError, RecursionError):
            continue
    return text
