"""`tune-tasks sync`: delivers to the trackers and Prefect what they lack of a sweep."""

from __future__ import annotations

import argparse

from tune_tasks.commands.command import EXIT_FAILED, EXIT_OK
from tune_tasks.commands.output import print_warnings
from tune_tasks.commands.sweep_arguments import add_sweep, journal_of
from tune_tasks.errors import ServiceError

HELP = "deliver to MLflow, TensorBoard and Prefect what they lack of a sweep"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `Command`."""
    add_sweep(parser)


def run(args: argparse.Namespace) -> int:
    """See `Command`."""
    # Here, because no other command needs the trackers
    from tune_tasks.sweep.delivery import deliver_sweep, tell_prefect

    path = journal_of(args)
    delivery = deliver_sweep(path)
    lacking = [f"{tracker} lacks results ({what})" for tracker, what in delivery.missing.items()]
    was_told = False
    try:
        was_told = tell_prefect(path)
    except ServiceError as exc:
        lacking.append(f"Prefect was not told how the sweep has ended: {exc}")
    if lacking:
        print_warnings(
            [*lacking, "what is missing is in the files; `tune-tasks sync` may be tried again"]
        )
        return EXIT_FAILED
    if was_told:
        print(f"{path.parent.name}: Prefect was told how the sweep has ended")
    print(f"{path.parent.name}: MLflow and TensorBoard have everything")
    for experiment in delivery.summary.experiments:
        if experiment.page:
            print(f"MLflow, compared:   {experiment.page}")
    return EXIT_OK
