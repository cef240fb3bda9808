"""`tune-tasks plan`: shows the trials that a spec stands for, and executes nothing of it."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from tune_tasks.commands.command import EXIT_OK
from tune_tasks.commands.output import print_json_list, print_warnings
from tune_tasks.commands.spec_arguments import (
    add_failed_argument,
    add_resume_argument,
    add_spec_arguments,
    expect_resumed,
    in_the_sweeps_folder,
    request_of,
)
from tune_tasks.commands.sweep_arguments import add_local_dir
from tune_tasks.model.text import one_line
from tune_tasks.model.trial import Trial, shown_name
from tune_tasks.results.words import trials_text
from tune_tasks.sweep.beginning import Beginning, beginning_of
from tune_tasks.sweep.budget_so_far import budgets_so_far
from tune_tasks.sweep.cost_sources import past_costs
from tune_tasks.sweep.costs import Cost, cost_of
from tune_tasks.sweep.history import History
from tune_tasks.sweep.outlook import outlook
from tune_tasks.sweep.own_searchers import not_from_a_file
from tune_tasks.sweep.plan import Plan, PlannedExperiment
from tune_tasks.sweep.warm_words import warm_lines

HELP = "show what would run, in order, without running it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `Command`."""
    add_spec_arguments(parser)
    group = parser.add_argument_group("what an edited spec keeps, and drops, of a sweep")
    add_resume_argument(group)
    add_failed_argument(group)
    add_local_dir(group)
    parser.add_argument(
        "--costs",
        metavar="SWEEP",
        help="say how many hours it may take, with iterations as long as in that sweep (an id, the"
        " beginning of one, or `last`: the last that has the experiment)",
    )
    parser.add_argument("--json", action="store_true", help="as a JSON list")


def run(args: argparse.Namespace) -> int:
    """See `Command`."""
    expect_resumed(args, {"--failed": args.retry_failed})
    request = dataclasses.replace(
        request_of(args),
        local_dir=args.local_dir,
        resume=args.resume,
        retry_failed=args.retry_failed,
    )
    with in_the_sweeps_folder(request) as request:
        beginning = beginning_of(request)
        plan = beginning.shown_plan({})
        print_warnings([*plan.warnings, *not_from_a_file(plan)])
        again = _tried_again(beginning)
        costs = _costs(args.costs, plan, request.results, again)
        if args.json:
            print_json_list((_with_cost(trial, costs) for trial in plan.as_json()), sys.stdout)
        else:
            _print_for_people(plan, _budgets(plan, beginning.earlier), costs, again)
    return EXIT_OK


def _budgets(plan: Plan, earlier: History | None) -> dict[str, str]:
    """By experiment, its budget in words, and how far it is used if the sweep goes on."""
    budgets = {e.name: e.spec.budgeted() for e in plan.experiments}
    words = {name: ", ".join(budget.words()) for name, budget in budgets.items() if budget}
    for name, use in budgets_so_far(plan, earlier).items() if words and earlier else ():
        words[name] += f"; so far {use.words}"
        if use.used_up:
            words[name] += f"; {use.used_up}, no further trial is started"
    return words


def _tried_again(beginning: Beginning) -> set[str]:
    """The keys of the trials that have failed, if these are given another attempt."""
    earlier = beginning.earlier
    if earlier is None or not beginning.retry_failed:
        return set()
    return earlier.ended() - earlier.ended(retry_failed=True)


def _costs(
    source: str | None, plan: Plan, results: Path, again: Collection[str]
) -> dict[str, Cost]:
    if source is None:
        return {}
    past = past_costs(results, source, [e.name for e in plan.experiments])
    return {e.name: cost_of(plan, e, past.get(e.name), again) for e in plan.experiments}


def _with_cost(trial: dict[str, Any], costs: Mapping[str, Cost]) -> dict[str, Any]:
    """Return a trial as it is printed, with the seconds that it may take if that was asked for."""
    if trial["experiment"] not in costs or trial.get("change") == "dropped":
        return trial
    return {**trial, "at_most_s": costs[trial["experiment"]].trial_s}


def _print_for_people(
    plan: Plan,
    budgets: Mapping[str, str],
    costs: Mapping[str, Cost],
    tried_again: Collection[str],
) -> None:
    for experiment in plan.experiments:
        _print_experiment(experiment, is_resumed=bool(plan.edits))
        if experiment.name in budgets:
            print(f"  budget: {budgets[experiment.name]}")
        if experiment.name in costs:
            print(f"  {costs[experiment.name].words()}")
    for name, edit in plan.edits.items():
        print("\n".join(edit.lines(name)))
    for trial in filter(plan.is_known, plan.trials()):
        again = plan.tries_again(trial)
        source = f" (as {again.source})" if again else ""
        print(
            f" - {shown_name(trial.name, trial.index)}{source}{_change(plan, trial, tried_again)}"
        )
    for experiment in plan.experiments:
        unknown = experiment.unknown()
        if unknown:
            name = one_line(experiment.name)
            algorithm = experiment.spec.searching().algorithm
            print(f" - {name}: {unknown} more, proposed by {algorithm} from results")
    for begun, why in plan.dropped():
        print(f" - {shown_name(begun.name, begun.index)}: dropped, {why}")


def _change(plan: Plan, trial: Trial, tried_again: Collection[str]) -> str:
    """What a sweep that goes on does with a trial; nothing to say if it is a new one."""
    if not plan.edits:
        return ""
    begun = plan.begun(trial)
    if begun is None:
        return ": new"
    if trial.key in tried_again:
        return ": kept, has failed, and has another attempt"
    return ": kept, has ended" if begun.has_ended else ": kept, goes on"


def _print_experiment(experiment: PlannedExperiment, *, is_resumed: bool) -> None:
    first = experiment.trials[0]
    size = f"{trials_text(experiment.trials)} of {first.resources}"
    seed = f"seed {experiment.seed}"
    if experiment.seed != experiment.spec.seed and not is_resumed:
        seed += " (drawn for this plan; a run draws its own)"
    print(f"{one_line(experiment.name)}: {size}, {seed}")
    stop = ", ".join(map(str, first.stop)) or "when train() returns"
    print(f"  stop: {stop}")
    compared_by = experiment.spec.compared_by()
    if compared_by.first and not compared_by.others:
        print(f"  metric: {one_line(compared_by.first.metric)} {compared_by.first.mode}")
    if compared_by.others:
        each = (f"{one_line(one.metric)} {one.mode}" for one in compared_by.each)
        print(f"  objectives: {', '.join(each)}")
    if compared_by.constraints:
        print(f"  constraints: {', '.join(map(str, compared_by.constraints))}")
    for line in (*outlook(experiment), *warm_lines(experiment)):
        print(f"  {line}")
