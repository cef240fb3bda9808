"""`tune-tasks show`: says what came out of a sweep, with every attempt of every trial."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from tune_tasks.commands.command import EXIT_OK
from tune_tasks.commands.output import drop_unread, print_json_streamed
from tune_tasks.commands.sweep_arguments import add_sweep, journal_of
from tune_tasks.model.local_time import local_time
from tune_tasks.model.text import left_out, one_line
from tune_tasks.results.attempts import attempt_lines
from tune_tasks.results.words import report_lines, where_to_look
from tune_tasks.sweep.display import put
from tune_tasks.sweep.past import PastSweep, past_sweep
from tune_tasks.sweep.sweep_state import RESUMABLE

_DROPPED = 10
HELP = "say what came out of a sweep, with every attempt of every trial"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `Command`."""
    add_sweep(parser)
    parser.add_argument("--json", action="store_true", help="the document of `run --json`")


def run(args: argparse.Namespace) -> int:
    """See `Command`."""
    past = past_sweep(journal_of(args))
    if args.json:
        print_json_streamed(past.document(), sys.stdout)
        return EXIT_OK
    summary = past.summary()
    lines = [
        *_head(past),
        *report_lines(summary),
        summary.one_line(),
        "",
        *attempt_lines(summary, past.attempts_of),
        "",
        *where_to_look(summary),
    ]
    put("\n".join(lines), sys.stdout)
    drop_unread(sys.stdout)
    return EXIT_OK


def _head(past: PastSweep) -> Iterator[str]:
    yield f"Sweep {past.info.sweep}: {past.state}"
    repeats = past.history.sweep.repeats
    if repeats:
        yield f"  repeats {one_line(repeats.trial)} of {repeats.sweep}"
    dropped = past.history.sweep.dropped
    if dropped:
        some = [one_line(key) for key in dropped[:_DROPPED]]
        listed = ", ".join([*some, *left_out(len(dropped), _DROPPED)])
        yield f"  dropped by an edit of the spec, their results are still there: {listed}"
    for driver in past.history.drivers():
        yield f"  driver: process {driver.pid} on {driver.host}, since {local_time(driver.time)}"
    closed = past.history.closed
    if closed:
        yield f"  ended:  {local_time(closed.time)}"
    if past.state in RESUMABLE:
        yield f"  `tune-tasks run --resume {past.info.sweep}` goes on with it"
    yield ""
