"""`tune-tasks serve`: stores a spec in a deployment, and runs it in this process until Ctrl-C."""

from __future__ import annotations

import argparse

from tune_tasks.commands.command import EXIT_OK
from tune_tasks.commands.deployment_arguments import add_deployment_arguments, drafted

HELP = "the same, with this process to run it until Ctrl-C: no work pool, no worker"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `Command`."""
    add_deployment_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """See `Command`."""
    draft = drafted(args)
    # Here, because it imports Prefect, which a draft with a mistake does not need
    from tune_tasks.commands.prefect_deployment import serve

    serve(draft)
    return EXIT_OK
