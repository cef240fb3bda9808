"""The arguments that say which sweep of which results folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from tune_tasks.sweep.lookup import journal_named
from tune_tasks.sweep.request import Request


def add_local_dir(parser: argparse._ActionsContainer) -> None:
    """Add the argument that `results_of` reads."""
    parser.add_argument(
        "--local-dir",
        default="tune_results",
        help="where the trials' files are (default: tune_results)",
    )


def add_sweep(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that `journal_of` reads."""
    add_sweep_alone(parser)
    add_local_dir(parser)


def add_sweep_alone(parser: argparse.ArgumentParser) -> None:
    """Add the argument that names the sweep, for a command that has the results folder already."""
    parser.add_argument("sweep", metavar="SWEEP", help="its id, or the beginning of it; or `last`")


def results_of(args: argparse.Namespace) -> Path:
    """Return the folder of all results, absolute."""
    return Request(local_dir=args.local_dir).results


def journal_of(args: argparse.Namespace) -> Path:
    """Return the journal of the sweep.

    Raises:
        UsageError: If there is no such sweep.
    """
    return journal_named(results_of(args), args.sweep)
