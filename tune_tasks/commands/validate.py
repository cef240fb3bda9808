"""`tune-tasks validate`: checks a spec, and executes nothing of it."""

from __future__ import annotations

import argparse
import dataclasses

from tune_tasks.commands.command import EXIT_OK
from tune_tasks.commands.output import print_warnings
from tune_tasks.commands.spec_arguments import add_spec_arguments, request_of
from tune_tasks.commands.sweep_arguments import add_local_dir
from tune_tasks.model.text import one_line
from tune_tasks.results.words import trials_text
from tune_tasks.sweep.own_searchers import not_from_a_file
from tune_tasks.sweep.warm_sources import Shelf

HELP = "check a spec without running it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `Command`."""
    add_spec_arguments(parser)
    add_local_dir(parser.add_argument_group("where `warm_start` looks"))


def run(args: argparse.Namespace) -> int:
    """See `Command`."""
    request = dataclasses.replace(request_of(args), local_dir=args.local_dir)
    plan = request.plan({}, shelf=Shelf(request.results))
    print_warnings([*plan.warnings, *not_from_a_file(plan)])
    for experiment in plan.experiments:
        print(f"{one_line(experiment.name)}: valid, {trials_text(experiment.trials)}")
    return EXIT_OK
