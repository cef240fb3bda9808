"""`tune-tasks deploy`: stores a spec in a deployment, which the workers of a work pool run."""

from __future__ import annotations

import argparse
from pathlib import Path

from tune_tasks.commands.command import EXIT_OK
from tune_tasks.commands.deployment_arguments import add_deployment_arguments, drafted

HELP = "store a spec in a deployment of the Prefect server, scheduled or not"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `Command`."""
    add_deployment_arguments(parser)
    group = parser.add_argument_group("where to run")
    group.add_argument("--pool", help="process work pool (default: the only one there is)")
    group.add_argument(
        "--working-dir",
        help="folder to run in, absolute, of the worker's machine (default: this one)",
    )


def run(args: argparse.Namespace) -> int:
    """See `Command`."""
    draft = drafted(args)
    # Here, because it imports Prefect, which a draft with a mistake does not need
    from tune_tasks.commands.prefect_deployment import deploy

    working_dir = Path(args.working_dir or Path.cwd())
    print(deploy(draft, pool=args.pool, working_dir=working_dir))
    return EXIT_OK
