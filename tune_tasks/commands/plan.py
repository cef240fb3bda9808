"""`tune-tasks plan`: shows the trials that a spec stands for, and executes nothing of it."""

from __future__ import annotations

import argparse
import sys

from tune_tasks.commands.command import EXIT_OK
from tune_tasks.commands.output import print_json_list, print_warnings
from tune_tasks.commands.spec_arguments import add_spec_arguments, request_of
from tune_tasks.model.text import one_line
from tune_tasks.model.trial import shown_name
from tune_tasks.sweep.plan import Plan, PlannedExperiment

HELP = "show what would run, in order, without running it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `Command`."""
    add_spec_arguments(parser)
    parser.add_argument("--json", action="store_true", help="as a JSON list")


def run(args: argparse.Namespace) -> int:
    """See `Command`."""
    plan = request_of(args).plan({})
    print_warnings(plan.warnings)
    if args.json:
        print_json_list(plan.as_json(), sys.stdout)
    else:
        _print_for_people(plan)
    return EXIT_OK


def _print_for_people(plan: Plan) -> None:
    for experiment in plan.experiments:
        _print_experiment(experiment)
    for trial in plan.trials():
        print(f" - {shown_name(trial.name, trial.index)}")


def _print_experiment(experiment: PlannedExperiment) -> None:
    first = experiment.trials[0]
    size = f"{len(experiment.trials)} trials of {first.resources}"
    seed = f"seed {experiment.seed}"
    if experiment.seed != experiment.spec.seed:
        seed += " (drawn for this plan; a run draws its own)"
    print(f"{one_line(experiment.name)}: {size}, {seed}")
    stop = ", ".join(map(str, first.stop)) or "when train() returns"
    print(f"  stop: {stop}")
