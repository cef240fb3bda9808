"""The arguments of `deploy` and `serve`: what a deployment runs, and when."""

from __future__ import annotations

import argparse

from tune_tasks.commands.argument_types import Once, positive
from tune_tasks.commands.deployment import Draft, Timing, draft, parse_parameters
from tune_tasks.commands.output import print_warnings
from tune_tasks.sweep.request import Request


def add_deployment_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments from which `drafted` makes a draft."""
    _add_what(parser)
    _add_when(parser)


def drafted(args: argparse.Namespace) -> Draft:
    """Return the draft of a deployment that these arguments make, and print its warnings.

    Raises:
        BadInputError: If the spec, a parameter, the name or the schedule is wrong.
    """
    timing = Timing(args.cron, args.interval, args.rrule, args.timezone)
    request = Request(spec_file=args.file, **parse_parameters(args.param))
    made = draft(request, timing, name=args.name, tags=args.tag, paused=args.paused)
    print_warnings(made.warnings)
    return made


def _add_what(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what to run")
    group.add_argument(
        "-f",
        "--file",
        action=Once,
        required=True,
        help="spec file; its content goes into the deployment",
    )
    group.add_argument(
        "--name", help="the deployment's (default: the spec file's, without its suffix)"
    )
    group.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="parameter of its runs, the value as JSON, e.g. num_trials=20; may be given again",
    )
    group.add_argument(
        "--tag",
        action="append",
        default=[],
        help="tag of the deployment and its runs; may be given again",
    )


def _add_when(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "when; at most one of the first three, without any only when asked to"
    )
    group.add_argument("--cron", help="e.g. '0 2 * * *': every night at two")
    group.add_argument(
        "--interval", type=positive, metavar="SECONDS", help="from one start to the next"
    )
    group.add_argument("--rrule", help="recurrence rule, e.g. 'FREQ=WEEKLY;BYDAY=MO'")
    group.add_argument("--timezone", help="of the schedule, e.g. Europe/Berlin (default: UTC)")
    group.add_argument("--paused", action="store_true", help="with its schedule switched off")
