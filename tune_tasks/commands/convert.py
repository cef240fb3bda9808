"""`tune-tasks convert`: prints another tool's sweep file, or one of 2017, as a spec."""

from __future__ import annotations

import argparse
from pathlib import Path

from tune_tasks.commands.command import EXIT_OK
from tune_tasks.convert.conversion import converted
from tune_tasks.spec.loading import text_of_spec

HELP = "print a W&B sweep, a Determined experiment or a file of 2017 as a spec"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `Command`."""
    parser.add_argument("file", metavar="FILE", help="YAML or JSON; its kind is found from it")


def run(args: argparse.Namespace) -> int:
    """See `Command`."""
    text = text_of_spec(args.file)
    print(converted(Path(args.file), text), end="")
    return EXIT_OK
