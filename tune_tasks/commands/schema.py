"""`tune-tasks schema`: prints the JSON Schema of a spec file."""

from __future__ import annotations

import argparse
import json

from tune_tasks.commands.command import EXIT_OK
from tune_tasks.spec.json_schema import json_schema

HELP = "print the JSON Schema of a spec file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `Command`; this one takes none."""


def run(args: argparse.Namespace) -> int:
    """See `Command`."""
    print(json.dumps(json_schema(), indent=2))
    return EXIT_OK
