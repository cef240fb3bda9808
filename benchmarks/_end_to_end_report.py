"""What `end_to_end.py` says of its runs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

Row = Mapping[str, Any]

OURS = "ours"
_SHARES = (0.25, 0.5, 1.0)
_OF_A_GUESS = 0.9


def read(path: Path) -> list[Row]:
    """The rows of a file, if it is there."""
    return [json.loads(line) for line in path.open()] if path.exists() else []


def show(rows: Sequence[Row], minutes: float) -> None:
    """Tables of the runs of so many minutes, with the seeds that all methods have."""
    runs: dict[str, dict[int, Row]] = {}
    for row in rows:
        if row["minutes"] == minutes:
            runs.setdefault(row["method"], {})[row["seed"]] = row
    seeds = sorted(set.intersection(*map(set, runs.values()))) if runs else []
    print(f"\n{minutes:g} minutes of search, seeds {seeds}; mean ± standard error over seeds\n")
    if seeds:
        common = {name: [each[seed] for seed in seeds] for name, each in runs.items()}
        _show_errors(common, minutes)
        _show_work(common, minutes)


def _show_errors(runs: Mapping[str, Sequence[Row]], minutes: float) -> None:
    spans = [f"after {share * minutes:.3g} min" for share in _SHARES]
    _line("best validation error, %", *spans, "ours / it", "more than ours", "each seed")
    _line(*["---"] * 7)
    ours = _errors(runs.get(OURS, ()), minutes)
    for name, rows in runs.items():
        found = [_errors(rows, minutes, share) for share in _SHARES]
        more = [one - other for one, other in zip(found[-1], ours, strict=False)]
        ratio = f"{fmean(ours) / fmean(found[-1]):.2f}" if ours else "–"
        every = " ".join(f"{error:.2f}" for error in found[-1])
        _line(name, *map(_said, found), ratio, _said(more) if more else "–", every)


def _show_work(runs: Mapping[str, Sequence[Row]], minutes: float) -> None:
    given = f"best {minutes:g} min after the command, %"
    print()
    titles = ["trials", "of them whole", "epochs", "time spent training, %"]
    _line("", *titles, "first trial starts, s", "command ends, s", given)
    _line(*["---"] * 8)
    for name, rows in runs.items():
        counts = [fmean(row[what] for row in rows) for what in ("trials", "whole_trials", "epochs")]
        training = 100 * fmean(row["training"] for row in rows)
        seconds = [fmean(row[what] for row in rows) for what in ("first_start_s", "wall_s")]
        since_command = [100 * _best(row, 60 * minutes) for row in rows]
        figures = [f"{figure:.0f}" for figure in (*counts, training)]
        _line(name, *figures, *(f"{each:.1f}" for each in seconds), _said(since_command))


def _line(*cells: str) -> None:
    print(f"| {' | '.join(cells)} |")


def _errors(rows: Sequence[Row], minutes: float, share: float = 1.0) -> list[float]:
    """In per cent, of each run, after a share of its search."""
    return [100 * _best(row, row["first_start_s"] + share * 60 * minutes) for row in rows]


def _best(row: Row, until: float) -> float:
    """So many seconds after the command was given."""
    return min([error for at, error in row["best"] if at <= until], default=_OF_A_GUESS)


def _said(values: Sequence[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:.2f}"
    return f"{fmean(values):.2f} ± {stdev(values) / math.sqrt(len(values)):.2f}"
