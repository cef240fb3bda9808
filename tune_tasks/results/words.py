"""What a sweep came to, in words: the lines that the command prints at its end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tune_tasks.model.files import ERROR, REPORT, RESULTS
from tune_tasks.model.misnamed import meant_and_reported
from tune_tasks.model.objective import DEFAULT_OBJECTIVES, Objective
from tune_tasks.model.text import left_out, one_line
from tune_tasks.model.trial import TrialState, count
from tune_tasks.result import metric as metric_of
from tune_tasks.results.failures import groups_of_failures
from tune_tasks.results.ranking import Scored
from tune_tasks.results.search_view import search_view
from tune_tasks.results.trials import TrialSummary, not_started

if TYPE_CHECKING:
    from tune_tasks.results.summary import ExperimentSummary, Summary

_LISTED = 20
_NAMED = 5
_CONFIG_LENGTH = 1_000


def sum_up(summary: Summary) -> str:
    """Return a line such as `10 trials: 9 TERMINATED, 1 ERROR; failed: script_3`."""
    counts = summary.counts()
    states = ", ".join(f"{counts[state]} {state}" for state in TrialState if counts[state])
    plural = "" if counts.total() == 1 else "s"
    parts = [f"{counts.total()} trial{plural}: {states}"]
    if summary.failed:
        parts.append(f"failed: {_names(summary.failed)}")
    lost = [trial for experiment in summary.experiments for trial in experiment.lost]
    if lost:
        parts.append(f"without their reports: {_names(lost)}")
    if summary.ended_early:
        parts.append(f"ended early: {summary.ended_early}")
    parts += _used_up(summary)
    return "; ".join(parts)


def _used_up(summary: Summary) -> Iterator[str]:
    """Yield what has used up the budgets, with the experiment's name if there are several."""
    for experiment in summary.experiments:
        if experiment.used_up:
            name = f"{one_line(experiment.name)}: " if len(summary.experiments) > 1 else ""
            yield f"{name}{experiment.used_up}"


def _names(trials: Sequence[TrialSummary]) -> str:
    return first_few([trial.shown_name for trial in trials])


def first_few(names: Sequence[str]) -> str:
    """Return the first five names, and `…` if there are more."""
    text = ", ".join(names[:_NAMED])
    if len(names) > _NAMED:
        text += ", …"
    return text


def trials_text(trials: Sequence[object]) -> str:
    """Return a text such as `3 trials`."""
    return "1 trial" if len(trials) == 1 else f"{len(trials)} trials"


def indices_text(indices: Sequence[int]) -> str:
    """Return a text such as `trials 0, 1, 2`, of many the first ones."""
    plural = "" if len(indices) == 1 else "s"
    more = ", …" if len(indices) > _LISTED else ""
    return f"trial{plural} {', '.join(map(str, indices[:_LISTED]))}{more}"


def values_text(trial: Scored, objectives: Iterable[Objective]) -> str:
    """Return a trial's values of objectives, for people: `val_loss 0.25, latency_ms 3`."""
    values = ((each, trial.metric(each.metric)) for each in objectives)
    return ", ".join(each.words(value) for each, value in values if value is not None)


def report_lines(summary: Summary) -> Iterator[str]:
    """Yield the end of a sweep for people.

    For each experiment: the best trial with its config, what to try next, why the trials stopped,
    what failed.
    """
    for experiment in summary.experiments:
        yield f"== {one_line(experiment.name)} =="
        yield from _best_lines(experiment)
        yield from _next_lines(experiment)
        yield from _stopped_lines(experiment)
        yield from _failed_lines(experiment)
        yield from _file_lines(experiment)
        for metric in experiment.unmet:
            name = one_line(metric)
            yield f"Warning: stop.{name} never triggered: no trial reported {name!r}"


def _best_lines(experiment: ExperimentSummary) -> Iterator[str]:
    best = experiment.best()
    if best is None:
        yield f"No best trial: {why_no_best(experiment)}"
        return
    front = experiment.front()
    knee = f", the knee of the front of {trials_text(front)}" if front else ""
    yield f"Best trial: {best.shown_name} with {experiment.best_words()}{knee}"
    config = best.shown_searched or best.shown_config
    yield f"  config: {one_line(str(config), _CONFIG_LENGTH)}"
    if front:
        yield "  front:"
    for trial in front[:_LISTED]:
        yield f"    {trial.shown_name}:\t{values_text(trial, experiment.objectives)}"
    yield from left_out(len(front), _LISTED, "    … {} more")


def _next_lines(experiment: ExperimentSummary) -> Iterator[str]:
    search = search_view(experiment)
    for step in search.next if search else ():
        yield f"To try next: {step}"


def why_no_best(experiment: ExperimentSummary) -> str:
    """Return why no trial of an experiment is the best, for people."""
    reports = [trial.last_result for trial in experiment.listed if trial.last_result]
    if reports and all(report.get("episodes_total") == 0 for report in reports):
        return (
            "no episode has ended: let the trials go on for longer, or bound their episodes"
            " (`horizon` in `config`)"
        )
    for objective in experiment.objectives or DEFAULT_OBJECTIVES:
        reason = _why_none_is_best_by(objective.metric, experiment.listed)
        if reason:
            return reason
    if experiment.metric:
        names = [objective.metric for objective in experiment.objectives]
        lacking = next((name for name in names if _is_in_none(name, reports)), names[0])
        known = meant_and_reported(lacking, reports[0], "they report") if reports else ""
        return f"no trial reported a number as {lacking!r}{known}"
    return "no trial reported a metric to go by (set `metric` and `mode` in the spec)"


def _is_in_none(name: str, reports: Iterable[Mapping[str, Any]]) -> bool:
    return all(metric_of(report, name) is None for report in reports)


def _why_none_is_best_by(name: str, trials: Iterable[TrialSummary]) -> str | None:
    """Return why no trial is the best by a metric; None if no trial reported the metric."""
    reporting = [t for t in trials if metric_of(t.last_result or {}, name) is not None]
    if not reporting:
        return None
    if all(trial.metric(name) is None for trial in reporting):
        if all(trial.non_finite >= trial.reports for trial in reporting):
            return f"{one_line(name)} was never finite"
        return f"{one_line(name)} was not finite in the last report of any trial"
    if all(trial.state is TrialState.ERROR for trial in reporting):
        return f"every trial that reported {one_line(name)} failed"
    infeasible = [trial.infeasible for trial in reporting if trial.infeasible]
    if infeasible:
        return f"no trial is feasible: {infeasible[0]}, for example"
    return None


def _stopped_lines(experiment: ExperimentSummary) -> Iterator[str]:
    for trial in experiment.listed[:_LISTED]:
        if trial.state is not TrialState.ERROR:
            yield f" - {trial.shown_name}:\t{_stopped_text(trial, experiment.used_up)}"
    yield from _more(experiment.size, "")


def _stopped_text(trial: TrialSummary, used_up: str | None) -> str:
    text = f"{trial.state}, {trial.stop_reason or _where_it_stands(trial, used_up)}"
    if trial.non_finite:
        text += f" ({trial.non_finite} values not finite)"
    if trial.infeasible:
        text += f"; infeasible: {trial.infeasible}"
    return text


def _where_it_stands(trial: TrialSummary, used_up: str | None) -> str:
    if trial.state is TrialState.RUNNING:
        return f"{count(trial.reports, 'report')} so far"
    return not_started(used_up)


def _failed_lines(experiment: ExperimentSummary) -> Iterator[str]:
    """Yield what failed: a trial with an error of its own by its name, those alike together."""
    groups = groups_of_failures(experiment.failed)
    for group in groups[:_LISTED]:
        first = group.trials[0]
        what = first.shown_name if len(group.trials) == 1 else trials_text(group.trials)
        which = "" if len(group.trials) == 1 else f" ({indices_text(group.indices)})"
        yield f" - {what}:\tERROR, {group.error}{which}"
        yield f"     traceback: {first.logdir}/{ERROR}"
    yield from left_out(len(groups), _LISTED, "   … {} more errors")
    for trial in experiment.failed[:_LISTED]:
        if trial.not_tried_again:
            yield f"   {trial.shown_name} was not tried again: {trial.not_tried_again}"


def _file_lines(experiment: ExperimentSummary) -> Iterator[str]:
    """Yield what something else has done to the trials' files, unless the trial's error says so."""
    trials = [trial for trial in experiment.listed if RESULTS not in trial.error_summary]
    lacking = [trial for trial in trials if trial.missing]
    for trial in lacking[:_LISTED]:
        files = f"{', '.join(trial.missing)} in {trial.logdir}"
        yield f"Warning: {trial.shown_name}: something else has removed or truncated {files}"
    yield from _more(len(lacking), " lack files")
    written_into = [trial for trial in trials if trial.foreign_lines]
    for trial in written_into[:_LISTED]:
        yield (
            f"Warning: {trial.shown_name}: something else writes into its {RESULTS}; skipped"
            f" {_lines(trial.foreign_lines)} that are not reports"
        )
    yield from _more(len(written_into), " with such lines")


def _more(count: int, what: str) -> Iterator[str]:
    """Yield a line on the trials that a list of the first ones leaves out, if there are any."""
    yield from left_out(count, _LISTED, f"   … {{}} more{what}")


def _lines(count: int) -> str:
    return "1 line" if count == 1 else f"{count} lines"


def how_to_go_on(summary: Summary) -> Iterator[str]:
    """Yield what runs the trials that were left, and those that have failed."""
    resume = f"tune-tasks run --resume {summary.sweep}"
    failed = " --failed" if summary.failed else ""
    if summary.ended_early:
        again = "the trials that failed again, and " if summary.failed else ""
        yield f"Once that is mended, `{resume}{failed}` runs {again}those that are left."
    elif summary.interrupted:
        more = f"; with{failed} the trials that failed have another attempt" if failed else ""
        yield f"`{resume}` goes on with it{more}."
    elif failed:
        yield f"`{resume}{failed}` gives the trials that failed another attempt."
    if any(map(_has_left, summary.experiments)):
        yield f"With a larger budget in the spec `{resume} --accept-changes` goes on."


def _has_left(experiment: ExperimentSummary) -> bool:
    """Whether a budget has kept trials from starting, or has ended some."""
    reason = experiment.used_up
    if reason is None:
        return False
    is_cut = any((trial.stop_reason or "").startswith(reason) for trial in experiment.listed)
    return is_cut or experiment.counts()[TrialState.PENDING] > 0


def where_to_look(summary: Summary) -> Iterator[str]:
    """Yield the addresses of a sweep's views, and the files of its reports."""
    for experiment in summary.experiments:
        if (report := experiment.logdir / REPORT).is_file():
            yield f"Report:             {report}"
    if summary.prefect_url:
        yield f"Prefect flow run:   {summary.prefect_url}"
    names = ", ".join(one_line(experiment.name) for experiment in summary.experiments)
    yield f"MLflow experiments: {names} in {summary.tracking_uri}"
    for experiment in summary.experiments:
        if experiment.page:
            yield f"MLflow, compared:   {experiment.page}"
    for experiment in summary.experiments:
        yield f"TensorBoard:        tensorboard --logdir {experiment.logdir}"
    yield (
        "`tune-tasks ui` shows Prefect's and MLflow's pages again: a server that the sweep started"
        " has ended with it."
    )
