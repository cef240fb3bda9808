"""`tune-tasks ui`: shows Prefect's and MLflow's pages on what the runs wrote."""

from __future__ import annotations

import argparse

from tune_tasks.commands.command import EXIT_OK

HELP = "show Prefect's and MLflow's pages on what the runs wrote"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `Command`."""
    parser.add_argument("--no-browser", action="store_true", help="print the addresses only")


def run(args: argparse.Namespace) -> int:
    """See `Command`."""
    # Here, because no other command needs browsers, or what reads MLflow's store
    from tune_tasks.commands.pages import serve

    serve(open_browser=not args.no_browser)
    return EXIT_OK
