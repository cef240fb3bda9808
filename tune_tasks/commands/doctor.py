"""`tune-tasks doctor`: checks the installation, and ends what dead sweeps have left behind."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from tune_tasks.commands.checks.clocks import clock_of_disk
from tune_tasks.commands.checks.finding import Finding, Level
from tune_tasks.commands.checks.folder import folder_findings
from tune_tasks.commands.checks.left_overs import LeftOvers, ask_servers, idle_sweeps, tidy_up
from tune_tasks.commands.checks.reach import mlflow_findings, prefect_findings, ray_findings
from tune_tasks.commands.checks.versions import version_findings
from tune_tasks.commands.command import EXIT_FAILED, EXIT_OK
from tune_tasks.commands.output import print_json_list, print_warnings
from tune_tasks.commands.sweep_arguments import add_local_dir, results_of
from tune_tasks.errors import ServiceError
from tune_tasks.servers.prefect import prefect_server, server_now

HELP = "check the installation, and what dead sweeps have left behind"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `Command`."""
    add_local_dir(parser)
    parser.add_argument(
        "--address", help="the Ray cluster that sweeps are to join (default: RAY_ADDRESS)"
    )
    parser.add_argument(
        "--fix",
        action="store_true",
        help="end the records and processes of sweeps that no driver has in hand",
    )
    parser.add_argument("--json", action="store_true", help="as a JSON list")


def run(args: argparse.Namespace) -> int:
    """See `Command`."""
    findings: list[Finding] = []
    for finding in _findings(args):
        findings.append(finding)
        if not args.json:
            print(finding.line(), flush=True)
    if args.json:
        print_json_list(map(asdict, findings), sys.stdout)
    has_problem = any(finding.level is Level.PROBLEM for finding in findings)
    return EXIT_FAILED if has_problem else EXIT_OK


def _findings(args: argparse.Namespace) -> Iterator[Finding]:
    results = results_of(args)
    cwd = Path.cwd()
    yield from version_findings()
    yield from folder_findings(results)
    clock = clock_of_disk(results)
    if clock:
        yield clock
    yield from prefect_findings()
    yield from mlflow_findings(cwd)
    yield from ray_findings(args.address)
    yield from _left_overs(results, cwd, fix=args.fix).findings()


def _left_overs(results: Path, cwd: Path, *, fix: bool) -> LeftOvers:
    left = idle_sweeps(results, cwd)
    with _prefect(starts_one=bool(left.dead)) as away:
        left = ask_servers(left, away)
        if fix:
            print_warnings(tidy_up(left))
            left = ask_servers(idle_sweeps(results, cwd), away)
    return left


@contextlib.contextmanager
def _prefect(*, starts_one: bool) -> Iterator[str]:
    """Have the Prefect server that sweeps would use; yields why it cannot be asked.

    Args:
        starts_one: Whether to start our own if there is none. What it has to tell is in its
            database.
    """
    with contextlib.ExitStack() as stack:
        away = ""
        try:
            api_url, said = server_now()
            if api_url or starts_one:
                stack.enter_context(prefect_server())()
            else:
                away = said
        except ServiceError as exc:
            away = str(exc)
        yield away
