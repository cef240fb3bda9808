"""`tune-tasks validate`: checks a spec, and executes nothing of it."""

from __future__ import annotations

import argparse

from tune_tasks.commands.command import EXIT_OK
from tune_tasks.commands.output import print_warnings
from tune_tasks.commands.spec_arguments import add_spec_arguments, request_of
from tune_tasks.model.text import one_line

HELP = "check a spec without running it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `Command`."""
    add_spec_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """See `Command`."""
    plan = request_of(args).plan({})
    print_warnings(plan.warnings)
    for experiment in plan.experiments:
        print(f"{one_line(experiment.name)}: valid, {len(experiment.trials)} trials")
    return EXIT_OK
