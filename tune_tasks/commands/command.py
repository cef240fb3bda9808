"""What the command line expects of a command's module, and the exit codes that commands share."""

from __future__ import annotations

import argparse
from typing import Protocol

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_INTERRUPTED = 130


class Command(Protocol):
    """A module of this room that is a command.

    Every such module is imported at each start of `tune-tasks`, so none may import Ray, Prefect or
    MLflow at its top: those take seconds, and `--help` and mistakes are to be answered at once.

    Attributes:
        HELP: What the command does, as the list of commands has it.
    """

    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments to its parser."""

    def run(self, args: argparse.Namespace) -> int:
        """Run the command; returns the exit code.

        Raises:
            TuneError: If it cannot be run; the command line prints the error and exits with its
                code.
        """
