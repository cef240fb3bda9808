"""`tune-tasks run`: runs the trials of a spec, and says how they ended."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import sys
from typing import TextIO

from tune_tasks.commands.argument_types import not_negative
from tune_tasks.commands.command import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK
from tune_tasks.commands.output import drop_unread, print_json
from tune_tasks.commands.spec_arguments import (
    add_resume_argument,
    add_spec_arguments,
    request_of,
)
from tune_tasks.commands.supervisor import Began, supervise
from tune_tasks.errors import UsageError
from tune_tasks.flows import as_tune
from tune_tasks.results.summary import Summary
from tune_tasks.results.words import how_to_go_on, report_lines, where_to_look
from tune_tasks.sweep.display import make_display, put
from tune_tasks.sweep.launch import AsFlow, launch
from tune_tasks.sweep.request import Request, Session

HELP = "run the trials of a spec"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `Command`."""
    add_spec_arguments(parser)
    _add_resume_arguments(parser)
    _add_failure_arguments(parser)
    _add_ray_arguments(parser)
    _add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """See `Command`."""
    return run_as(args, as_tune)


def run_as(args: argparse.Namespace, as_flow: AsFlow) -> int:
    """Run a sweep and print how it ended; returns the exit code.

    Args:
        args: Of `run` or `train`, which have the same.
        as_flow: Which flow it is a run of.
    """
    request = _request(args)

    def drive(began: Began, sweep: str | None) -> int:
        going_on = dataclasses.replace(request, resume=sweep, retry_failed=False)
        return _run(args, going_on if sweep else request, as_flow, began)

    if args.owns_process:
        return supervise(drive, lambda _journal: None)
    return drive(lambda _journal: None, None)


def _run(args: argparse.Namespace, request: Request, as_flow: AsFlow, began: Began) -> int:
    out = sys.stdout
    # With --json the document is alone on standard output
    status_out = sys.stderr if args.json else out
    summary = _launched(args, request, as_flow, began, status_out)
    _print_end(summary, status_out)
    drop_unread(status_out)
    if args.json:
        print_json(summary.as_json(), out)
    if summary.interrupted:
        return EXIT_INTERRUPTED
    return EXIT_OK if summary.ended_well else EXIT_FAILED


def _add_resume_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("to go on with a sweep that was interrupted")
    add_resume_argument(group)
    group.add_argument(
        "--failed",
        dest="retry_failed",
        action="store_true",
        help="give its failed trials another attempt, too",
    )
    group.add_argument(
        "--accept-changes",
        action="store_true",
        help="also if the spec was edited: `tune-tasks plan --resume` shows what that changes",
    )


def _add_failure_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what to do about failures, beside the spec's `retry`")
    group.add_argument(
        "--keep-going",
        action="store_true",
        help=(
            "run all trials even if the first three to end have failed with the same error before"
            " any report"
        ),
    )


def _add_ray_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("where to run")
    group.add_argument(
        "--address",
        "--redis-address",
        help="join the Ray cluster there (default: RAY_ADDRESS, else a local one)",
    )
    group.add_argument(
        "--num-cpus", type=not_negative, help="CPUs of a local cluster (default: the machine's)"
    )
    group.add_argument(
        "--num-gpus", type=not_negative, help="GPUs of a local cluster (default: the machine's)"
    )
    group.add_argument(
        "--local-dir",
        default="tune_results",
        help="where the trials' files go (default: tune_results)",
    )


def _add_output_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what to show")
    group.add_argument(
        "--classic", action="store_true", help="the == Status == block also on a terminal"
    )
    group.add_argument(
        "--json", action="store_true", help="one JSON document at the end, alone on standard output"
    )
    group.add_argument("-v", "--verbose", action="store_true", help="show what Ray and Prefect say")


def _request(args: argparse.Namespace) -> Request:
    for flag, is_given in {
        "--failed": args.retry_failed,
        "--accept-changes": args.accept_changes,
    }.items():
        if is_given and not args.resume:
            raise UsageError(f"{flag} is about a sweep that is resumed: give --resume, too")
    return dataclasses.replace(
        request_of(args),
        address=args.address,
        num_cpus=args.num_cpus,
        num_gpus=args.num_gpus,
        local_dir=args.local_dir,
        verbose=args.verbose,
        keep_going=args.keep_going,
        resume=args.resume,
        retry_failed=args.retry_failed,
        accept_changes=args.accept_changes,
    )


def _launched(
    args: argparse.Namespace,
    request: Request,
    as_flow: AsFlow,
    began: Began,
    status_out: TextIO,
) -> Summary:
    form = "classic" if args.classic or args.json else "auto"
    session = Session(display=make_display(form, status_out), began=began)
    # Ray prints what it has to say of a dead worker to standard output, whatever its log level.
    rays_out = status_out if args.verbose else io.StringIO()
    with contextlib.redirect_stdout(rays_out):
        try:
            return launch(request, session, as_flow)
        finally:
            session.display.close()


def _print_end(summary: Summary, out: TextIO) -> None:
    end = [*report_lines(summary), summary.one_line(), *how_to_go_on(summary)]
    lines = [*end, "", *where_to_look(summary)]
    put("\n".join(lines), out)
