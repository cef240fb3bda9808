"""`tune-tasks run`: runs the trials of a spec, and says how they ended."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import io
import sys
from pathlib import Path
from typing import TextIO

from tune_tasks.commands.argument_types import not_negative
from tune_tasks.commands.command import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK
from tune_tasks.commands.output import drop_unread, print_json
from tune_tasks.commands.spec_arguments import (
    add_failed_argument,
    add_resume_argument,
    add_spec_arguments,
    expect_resumed,
    in_the_sweeps_folder,
    request_of,
)
from tune_tasks.commands.supervisor import Began, DeadDriver, supervise
from tune_tasks.flows import as_tune
from tune_tasks.results.summary import Summary
from tune_tasks.results.words import how_to_go_on, report_lines, where_to_look
from tune_tasks.spec.loading import text_of_spec
from tune_tasks.sweep.beginning import beginning_of
from tune_tasks.sweep.display import make_display, put
from tune_tasks.sweep.launch import AsFlow, launch
from tune_tasks.sweep.nothing_left import nothing_left
from tune_tasks.sweep.request import Request, Session

HELP = "run the trials of a spec"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `Command`."""
    add_spec_arguments(parser)
    _add_resume_arguments(parser)
    _add_failure_arguments(parser)
    add_ray_arguments(parser)
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
    with in_the_sweeps_folder(_request(args)) as request:
        return _supervised(args, request, as_flow)


def _supervised(args: argparse.Namespace, request: Request, as_flow: AsFlow) -> int:
    def drive(began: Began, dead: DeadDriver | None) -> int:
        if dead:
            return _run(args, request.going_on(dead.sweep), as_flow, began)
        ended = nothing_left(request, {}, args.spec_text)
        return _show_ended(args, ended) if ended else _run(args, request, as_flow, began)

    args.spec_text = None
    if args.owns_process:
        # Another driver may go on with the sweep later, and the file may have been edited by then.
        args.spec_text = _spec_text(request)
        return supervise(drive, functools.partial(close, args))
    return drive(lambda _journal: None, None)


def _spec_text(request: Request) -> str | None:
    """What the spec's file says now; None if the sweep has none."""
    brings_none = request.spec is None and request.spec_file is None
    if request.resume and brings_none:
        request = beginning_of(request).request
    return text_of_spec(request.spec_file) if request.spec_file else None


def _run(args: argparse.Namespace, request: Request, as_flow: AsFlow, began: Began) -> int:
    out = sys.stdout
    # With --json the document is alone on standard output
    status_out = sys.stderr if args.json else out
    summary = run_and_show(
        args, request, as_flow, Session(spec_text=args.spec_text, began=began), status_out
    )
    if args.json:
        print_json(summary.as_json(), out)
    return exit_code(summary)


def _show_ended(args: argparse.Namespace, summary: Summary) -> int:
    """Print how a sweep ended of which nothing is left to run; returns the exit code."""
    status_out = sys.stderr if args.json else sys.stdout
    put(f"nothing is left to run of the sweep {summary.sweep}", status_out)
    _print_end(summary, status_out)
    if args.json:
        print_json(summary.as_json(), sys.stdout)
    return exit_code(summary)


def close(args: argparse.Namespace, journal: Path) -> int:
    """Close the records of a sweep whose drivers have died; prints and returns how it stands."""
    from tune_tasks.sweep.abandoned import close_records

    out = sys.stdout
    status_out = sys.stderr if args.json else out
    summary = close_records(journal, make_display("classic", status_out).warn)
    _print_end(summary, status_out)
    if args.json:
        print_json(summary.as_json(), out)
    return exit_code(summary)


def run_and_show(
    args: argparse.Namespace,
    request: Request,
    as_flow: AsFlow,
    session: Session,
    out: TextIO,
) -> Summary:
    """Run a sweep, and show people how it stands and how it ended.

    Args:
        args: What they have asked for.
        request: What to run.
        as_flow: Which flow it is a run of.
        session: What the flow is to know; gets its display here.
        out: Where they see it.
    """
    form = "classic" if args.classic or args.json else "auto"
    session.display = make_display(form, out)
    # Ray prints what it has to say of a dead worker to standard output, whatever its log level.
    rays_out = out if args.verbose else io.StringIO()
    with contextlib.redirect_stdout(rays_out):
        try:
            summary = launch(request, session, as_flow)
        finally:
            session.display.close()
    _print_end(summary, out)
    drop_unread(out)
    return summary


def exit_code(summary: Summary) -> int:
    """The exit code that says how a sweep ended."""
    if summary.interrupted:
        return EXIT_INTERRUPTED
    return EXIT_OK if summary.ended_well else EXIT_FAILED


def _add_resume_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("to go on with a sweep that was interrupted")
    add_resume_argument(group)
    add_failed_argument(group)
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


def add_ray_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say where trials run, and where their files go."""
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
    group.add_argument(
        "--storage",
        metavar="URL",
        help=(
            "where checkpoints, logs and what a trial leaves in its folder go from every machine,"
            " e.g. s3://bucket/folder (default: to this machine)"
        ),
    )


def _add_output_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what to show")
    group.add_argument(
        "--json", action="store_true", help="one JSON document at the end, alone on standard output"
    )
    add_status_arguments(group)


def add_status_arguments(group: argparse._ArgumentGroup) -> None:
    """Add the arguments that say how the status is shown."""
    group.add_argument(
        "--classic", action="store_true", help="the == Status == block also on a terminal"
    )
    group.add_argument("-v", "--verbose", action="store_true", help="show what Ray and Prefect say")


def _request(args: argparse.Namespace) -> Request:
    flags = {"--failed": args.retry_failed, "--accept-changes": args.accept_changes}
    expect_resumed(args, flags)
    return dataclasses.replace(
        request_of(args),
        address=args.address,
        num_cpus=args.num_cpus,
        num_gpus=args.num_gpus,
        local_dir=args.local_dir,
        storage=args.storage,
        verbose=args.verbose,
        keep_going=args.keep_going,
        resume=args.resume,
        retry_failed=args.retry_failed,
        accept_changes=args.accept_changes,
    )


def _print_end(summary: Summary, out: TextIO) -> None:
    end = [*report_lines(summary), summary.one_line(), *how_to_go_on(summary)]
    lines = [*end, "", *where_to_look(summary)]
    put("\n".join(lines), out)
