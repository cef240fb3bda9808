"""`tune-tasks rerun`: runs one trial of a sweep again, and says whether it reports the same."""

from __future__ import annotations

import argparse
import contextlib
import functools
import sys
from pathlib import Path

from tune_tasks.commands.command import EXIT_FAILED
from tune_tasks.commands.output import print_warnings
from tune_tasks.commands.run import (
    add_ray_arguments,
    add_status_arguments,
    close,
    exit_code,
    run_and_show,
)
from tune_tasks.commands.supervisor import Began, DeadDriver, supervise
from tune_tasks.commands.sweep_arguments import add_sweep_alone, journal_of
from tune_tasks.errors import UsageError
from tune_tasks.flows import as_tune
from tune_tasks.model.trial import GOES_ON_AFTER, EndedBy, Outcome
from tune_tasks.results.comparison import first_difference
from tune_tasks.results.summary import Summary
from tune_tasks.sweep.beginning import Beginning, beginning_again
from tune_tasks.sweep.display import put
from tune_tasks.sweep.journal import journal_path
from tune_tasks.sweep.past import past_sweep
from tune_tasks.sweep.repeat import Repeat, trial_named
from tune_tasks.sweep.request import Request, Session

HELP = "run one trial of a sweep again, and say whether it reports the same"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `Command`."""
    add_sweep_alone(parser)
    parser.add_argument("trial", metavar="TRIAL", help="its index, `experiment/index`, or its name")
    add_ray_arguments(parser)
    add_status_arguments(parser.add_argument_group("what to show"))
    parser.set_defaults(json=False)


def run(args: argparse.Namespace) -> int:
    """See `Command`."""
    path = journal_of(args)
    history = past_sweep(path).history
    repeat = Repeat(history, trial_named(history, args.trial))
    request = _request(args, path.parents[2])
    # The trial is to find what it found: the files that its config names, and MLflow's store.
    cwd = Path(history.sweep.cwd)
    if not cwd.is_dir():
        raise UsageError(f"the sweep ran in the folder {cwd}, which is not there any more")
    with contextlib.chdir(cwd):
        return _run_again(args, request, repeat)


def _run_again(args: argparse.Namespace, request: Request, repeat: Repeat) -> int:
    beginning = beginning_again(request, repeat)
    _check(beginning, repeat)

    def drive(began: Began, dead: DeadDriver | None) -> int:
        if dead:
            going_on = request.going_on(dead.sweep)
            return _run(args, going_on, Session(began=began), repeat)
        return _run(args, request, Session(began=began, beginning=beginning), repeat)

    if args.owns_process:
        return supervise(drive, functools.partial(close, args))
    return drive(lambda _journal: None, None)


def _request(args: argparse.Namespace, results: Path) -> Request:
    return Request(
        address=args.address,
        num_cpus=args.num_cpus,
        num_gpus=args.num_gpus,
        local_dir=str(results),
        storage=args.storage,
        verbose=args.verbose,
    )


def _check(beginning: Beginning, repeat: Repeat) -> None:
    """Say what is not as it was; raises what is wrong with the spec before anything starts."""
    (experiment,) = beginning.plan({}).experiments
    changed = repeat.code_changed(experiment)
    print_warnings([changed] if changed else [])


def _run(args: argparse.Namespace, request: Request, session: Session, repeat: Repeat) -> int:
    out = sys.stdout
    summary = run_and_show(args, request, as_tune, session, out)
    if summary.interrupted:
        return exit_code(summary)
    difference = _difference(request.results, summary, repeat)
    of_what = f"{repeat.name} of the sweep {repeat.history.sweep.sweep}"
    if difference:
        put(f"It did not report the same as {of_what}: {difference}", out)
        return EXIT_FAILED
    put(f"It reported the same as {of_what}.", out)
    return exit_code(summary)


def _difference(results: Path, summary: Summary, repeat: Repeat) -> str | None:
    """How what has come out differs from what the trial has reported before; None if it does not.

    If one of them was ended by something else than what it has reported, they are compared as far
    as that one came: a scheduler that compares trials has none to compare a single one with.
    """
    key = repeat.entry.trial
    original = past_sweep(journal_path(results, repeat.history.sweep.sweep))
    again = past_sweep(journal_path(results, summary.sweep))
    before, after = original.outcome(key), again.outcome(key)
    reports, repeated = list(original.reports(key)), list(again.reports(key))
    if _is_cut(before):
        repeated = repeated[: len(reports)]
    if _is_cut(after):
        reports = reports[: len(repeated)]
    difference = first_difference(reports, repeated)
    if difference or _is_cut(before) or _is_cut(after):
        return difference
    assert before is not None
    assert after is not None
    if before.state is not after.state:
        return f"it ended as {after.state}, the original as {before.state}"
    return None


def _is_cut(outcome: Outcome | None) -> bool:
    """Whether a trial has not come to its own end."""
    return outcome is None or outcome.ended_by in (*GOES_ON_AFTER, EndedBy.SCHEDULER)
