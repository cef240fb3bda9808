"""`tune-tasks ls`: lists the sweeps of a results folder, the latest first."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TextIO

from tune_tasks.commands.command import EXIT_OK
from tune_tasks.commands.output import print_json_list
from tune_tasks.commands.sweep_arguments import add_local_dir, results_of
from tune_tasks.model.local_time import age, local_time
from tune_tasks.model.text import left_out, one_line
from tune_tasks.model.trial import shown_name
from tune_tasks.model.trial_key import index_of
from tune_tasks.results.standing import ExperimentStanding
from tune_tasks.sweep.journal import journals_in
from tune_tasks.sweep.standing import Standing, standing_of
from tune_tasks.sweep.sweep_state import RESUMABLE, SweepState

HELP = "list the sweeps of a results folder, the latest first"

_STYLES = {
    SweepState.RUNNING: "bold",
    SweepState.FINISHED: "green",
    SweepState.DEAD: "red",
    SweepState.DAMAGED: "red",
}
_NOTES = 20
_NO_TERMINAL = 10_000
"""Columns of a table that is not read on a terminal: nothing is cut."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `Command`."""
    add_local_dir(parser)
    parser.add_argument("--json", action="store_true", help="as a JSON list")


def run(args: argparse.Namespace) -> int:
    """See `Command`."""
    results = results_of(args)
    standings = map(standing_of, journals_in(results))
    if args.json:
        print_json_list((standing.as_json() for standing in standings), sys.stdout)
        return EXIT_OK
    listed = list(standings)
    if listed:
        _print_table(listed, sys.stdout)
        for note in _notes(listed):
            print(note)
    else:
        print(f"no sweep in {results} (the folder is given with --local-dir)")
    return EXIT_OK


def _print_table(standings: Sequence[Standing], out: TextIO) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("sweep", "experiments", "state", "done", "best", "started", "age"):
        table.add_column(column, overflow="fold")
    now = time.time()
    for standing in standings:
        cells = [Text(cell) for cell in _cells(standing, now)]
        table.add_row(*cells, style=_STYLES.get(standing.state))
    width = None if out.isatty() else _NO_TERMINAL
    Console(file=out, width=width, highlight=False).print(table)


def _cells(standing: Standing, now: float) -> list[str]:
    started = since = ""
    if standing.started is not None:
        started = local_time(standing.started)
        since = age(now - standing.started)
    done = f"{standing.done} of {standing.trials}" if standing.experiments else ""
    if standing.failed:
        done += f", {standing.failed} failed"
    return [
        standing.sweep,
        "\n".join(map(one_line, standing.experiments)),
        str(standing.state),
        done,
        "\n".join(map(_best, standing.experiments.values())),
        started,
        since,
    ]


def _notes(standings: Sequence[Standing]) -> Iterator[str]:
    """Yield what is to be known of sweeps beside their numbers."""
    notes = [f"{each.sweep}: {note}" for each in standings if (note := each.note())]
    yield from notes[:_NOTES]
    yield from left_out(len(notes), _NOTES)
    if any(each.state in RESUMABLE for each in standings):
        yield "`tune-tasks run --resume SWEEP` goes on with one that is stopped or dead."


def _best(standing: ExperimentStanding) -> str:
    best = standing.best
    if best is None:
        return "-"
    name = shown_name(best.name, index_of(best.trial))
    values = {best.metric: best.value, **best.others}
    shown = (f"{one_line(key)} {v:.6g}" for key, v in values.items() if v is not None)
    return f"{', '.join(shown)} ({name})"
