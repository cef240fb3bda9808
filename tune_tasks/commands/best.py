"""`tune-tasks best`: prints the best trial of an experiment as a spec that runs it again."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from tune_tasks.commands.argument_types import Once
from tune_tasks.commands.command import EXIT_OK
from tune_tasks.errors import UsageError
from tune_tasks.model.objective import Objective
from tune_tasks.spec.loading import load_spec

HELP = "print the best trial of the last sweep as a spec that runs it again"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `Command`."""
    of_what = parser.add_mutually_exclusive_group(required=True)
    of_what.add_argument(
        "-f",
        "--file",
        action=Once,
        help="spec file, YAML or JSON: the best trial of each of its experiments",
    )
    of_what.add_argument("--experiment", help="the experiment's name")
    parser.add_argument(
        "--all",
        action="store_true",
        help="of all sweeps of the experiment (default: of the last one)",
    )
    parser.add_argument("--metric", help="what to go by (default: what the last sweep went by)")
    parser.add_argument(
        "--mode", choices=("max", "min"), help="of --metric (default: min for a loss, else max)"
    )
    parser.add_argument("--json", action="store_true", help="as one JSON document")


def run(args: argparse.Namespace) -> int:
    """See `Command`."""
    # Here, because no other command needs what reads MLflow's store
    from tune_tasks.commands.best_spec import best_json, best_trials, spec_of

    if args.mode and not args.metric:
        raise UsageError("--mode without --metric: name the metric that 'best' goes by")
    names = [args.experiment]
    if args.file:
        names = list(load_spec(args.file).experiments)
    wanted = Objective.of_spec(args.metric, args.mode)
    cwd = Path.cwd()
    found = best_trials(names, cwd, wanted=wanted, all_sweeps=args.all)
    if args.json:
        print(json.dumps({each.experiment: best_json(each, cwd) for each in found}, indent=2))
    else:
        print("\n".join(spec_of(each, cwd) for each in found), end="")
    return EXIT_OK
