"""The report of an experiment at its sweep's end, in Markdown, with pictures.

It says which trial is the best, what stopped the trials, and what failed. The driver writes it into
the experiment's folder; the trackers and Prefect's run view show its text.
"""

from __future__ import annotations

import base64
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tune_tasks.model.failure import FailureCause
from tune_tasks.model.files import REPORT, write_aside
from tune_tasks.model.text import left_out, one_line
from tune_tasks.model.trial import EndedBy, TrialState
from tune_tasks.results.exchanges import exchange_lines
from tune_tasks.results.failures import FailureGroup, groups_of_failures
from tune_tasks.results.leaderboard import headline, leaderboard
from tune_tasks.results.markdown import table
from tune_tasks.results.plots import draw
from tune_tasks.results.schedule import schedule_lines
from tune_tasks.results.search_report import search_lines
from tune_tasks.results.search_view import search_view
from tune_tasks.results.summary import ExperimentSummary, Summary
from tune_tasks.results.trials import TrialSummary
from tune_tasks.results.words import first_few, indices_text, trials_text, why_no_best
from tune_tasks.spec.yaml_1_2 import dump_yaml

_LISTED = 20
_GROUPS = 20
_PICTURE = re.compile(r"^!\[([^\]\n]*)\]\((\w+\.png)\)$", re.MULTILINE)
_PICTURE_SECTION = re.compile(rf"^## .*\n\n{_PICTURE.pattern[1:]}\n*", re.MULTILINE)
_OBSERVED = re.compile(r"^(.+) \S+ (>=|<=|==|>|<) (\S+)( after .*)?$")


class ReportPaths:
    """The report's files, in a folder beside the trials'."""

    def __init__(self, experiment_folder: Path) -> None:
        self.text = experiment_folder / REPORT
        self.folder = self.text.parent

    def read(self) -> str:
        """Return the written text."""
        return self.text.read_text(encoding="utf-8")

    def picture(self, title: str) -> Path:
        """Return the file of a picture."""
        name = re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")
        return self.folder / f"{name}.png"


def write_report(summary: Summary, experiment: ExperimentSummary) -> None:
    """Write the report and its pictures. Runs in the driver, before the trackers close the sweep.

    Raises:
        OSError: If the folder cannot be written.
    """
    paths = ReportPaths(experiment.logdir)
    paths.folder.mkdir(parents=True, exist_ok=True)
    lines = list(report_text(summary, experiment))
    # First without its pictures: drawing takes seconds, and the text is what counts.
    _write(paths, lines)
    files = {}
    for title, picture in draw(experiment).items():
        paths.picture(title).write_bytes(picture)
        files[title] = paths.picture(title).name
    _write(paths, [*lines, *_pictures(files)])


def _write(paths: ReportPaths, lines: Sequence[str]) -> None:
    write_aside(paths.text, "\n".join(lines) + "\n")


def with_pictures_inside(paths: ReportPaths) -> str:
    """Return the written report with its pictures as data, for a page that has no files."""

    def embedded(match: re.Match[str]) -> str:
        title, name = match.groups()
        file = paths.folder / name
        if not file.exists():
            return match[0]
        data = base64.b64encode(file.read_bytes()).decode()
        return f"![{title}](data:image/png;base64,{data})"

    return _PICTURE.sub(embedded, paths.read())


def without_pictures(paths: ReportPaths) -> str:
    """Return the written report for a page that shows no pictures."""
    return _PICTURE_SECTION.sub("", paths.read())


def report_text(summary: Summary, experiment: ExperimentSummary) -> Iterator[str]:
    """Yield the lines of the report without its pictures."""
    yield f"# {one_line(experiment.name)}"
    yield ""
    yield f"Sweep `{summary.sweep}`: {headline(experiment)}."
    yield ""
    if summary.interrupted:
        yield "**Interrupted** before every trial had ended."
        yield ""
    if summary.ended_early:
        yield f"**Ended early**: {summary.ended_early}."
        yield ""
    yield from _best(experiment)
    yield from schedule_lines(experiment.best())
    yield from exchange_lines(experiment.listed)
    yield from _front(experiment)
    search = search_view(experiment)
    if search:
        yield from search_lines(search, experiment.objective)
    yield from _trials(experiment)
    yield from _infeasible(experiment)
    yield from _stopped(experiment)
    yield from _failures(experiment)


def _best(experiment: ExperimentSummary) -> Iterator[str]:
    best = experiment.best()
    if best is None:
        yield f"No best trial: {why_no_best(experiment)}."
        yield ""
        return
    link = ""
    if best.mlflow_url:
        link = f" ([MLflow run]({best.mlflow_url}))"
    yield "## Best trial"
    yield ""
    pairs = ((each, best.metric(each.metric)) for each in experiment.objectives)
    values = ", ".join(f"{one_line(each.metric)} **{value:.6g}**" for each, value in pairs)
    yield f"`{best.shown_name}` with {values}{link}"
    yield ""
    if experiment.others:
        yield "It is the knee of the front: of the trials that no other one dominates, the one that"
        yield "is nearest to the best of each objective."
        yield ""
    yield "```yaml"
    yield dump_yaml(best.shown_config).rstrip()
    yield "```"
    yield ""


def _front(experiment: ExperimentSummary) -> Iterator[str]:
    front = experiment.front()
    if not front:
        return
    yield "## The trials of the front"
    yield ""
    metrics = [each.metric for each in experiment.objectives]
    yield from table(
        ("trial", *map(one_line, metrics), "config"),
        (_front_row(trial, metrics) for trial in front[:_LISTED]),
    )
    if len(front) > _LISTED:
        yield from left_out(len(front), _LISTED)
        yield ""


def _front_row(trial: TrialSummary, metrics: Sequence[str]) -> list[str]:
    values = (f"{trial.metric(name):.6g}" for name in metrics)
    return [trial.shown_name, *values, one_line(str(trial.shown_searched))]


def _trials(experiment: ExperimentSummary) -> Iterator[str]:
    rows = leaderboard(experiment).rows
    yield "## Trials"
    yield ""
    yield from table(rows[0], (row.values() for row in rows[:_LISTED]))
    if experiment.size > _LISTED:
        yield f"The first {_LISTED} of {experiment.size}; the leaderboard has more."
        yield ""


def _infeasible(experiment: ExperimentSummary) -> Iterator[str]:
    infeasible = experiment.infeasible
    if not infeasible:
        return
    allowed = ", ".join(f"`{one_line(str(each))}`" for each in experiment.constraints)
    yield "## Not allowed"
    yield ""
    yield f"{trials_text(infeasible)} of {experiment.done} that ended did not keep to {allowed}:"
    yield ""
    for trial in infeasible[:_LISTED]:
        yield f"- `{trial.shown_name}`: {trial.infeasible}"
    yield from left_out(len(infeasible), _LISTED, "- … {} more")
    yield ""


def _stopped(experiment: ExperimentSummary) -> Iterator[str]:
    ended = [trial for trial in experiment.listed if trial.state is TrialState.TERMINATED]
    if ended:
        yield "## What stopped them"
        yield ""
        yield from _grouped([(_what_stopped(trial), trial) for trial in ended])
    for metric in experiment.unmet:
        name = one_line(metric)
        yield f"- `stop.{name}` never triggered: no trial reported `{name}`"
    yield ""


def _what_stopped(trial: TrialSummary) -> str:
    """Return the reason without the values of the one trial: `mean_accuracy >= 0.99`."""
    if trial.ended_by is EndedBy.SCHEDULER:
        return "the scheduler"
    reason = trial.stop_reason or ""
    match = _OBSERVED.match(reason)
    if match is None:
        return reason
    metric, comparison, bound, _ = match.groups()
    return f"`{metric} {comparison} {bound}`"


def _failures(experiment: ExperimentSummary) -> Iterator[str]:
    failed = experiment.failed
    if not failed:
        return
    yield "## Failures"
    yield ""
    yield from _failure_lines(failed)
    yield ""
    yield f"The tracebacks are in `error.txt` of the trials' folders, under `{experiment.logdir}`."
    yield ""


def _failure_lines(failed: Sequence[TrialSummary]) -> Iterator[str]:
    """Yield a line for each cause with its trials, and why some were not tried again."""
    groups = groups_of_failures(failed)
    for group in groups[:_GROUPS]:
        which = indices_text(group.indices)
        yield f"- {trials_text(group.trials)}: {_cause(group)}`{group.error}` ({which})"
    rest = sum(len(group.trials) for group in groups[_GROUPS:])
    if rest:
        yield f"- {rest} × something else"
    for trial in failed[:_GROUPS]:
        if trial.not_tried_again:
            yield f"- `{trial.shown_name}` was not tried again: {trial.not_tried_again}"


def _cause(group: FailureGroup) -> str:
    """Return the cause if it is no exception, which names itself."""
    if group.cause is FailureCause.EXCEPTION:
        return ""
    return f"{group.cause.replace('_', ' ')}, "


def _grouped(pairs: Sequence[tuple[str, TrialSummary]]) -> Iterator[str]:
    """Yield a line for each cause with its trials, the most frequent cause first."""
    groups: dict[str, list[TrialSummary]] = defaultdict(list)
    for cause, trial in pairs:
        groups[cause].append(trial)
    ordered = sorted(groups.items(), key=lambda group: -len(group[1]))
    for cause, trials in ordered[:_GROUPS]:
        names = first_few([f"`{trial.shown_name}`" for trial in trials])
        yield f"- {len(trials)} × {cause}: {names}"
    rest = sum(len(trials) for _, trials in ordered[_GROUPS:])
    if rest:
        yield f"- {rest} × something else"


def _pictures(files: Mapping[str, str]) -> Iterator[str]:
    for title, file in files.items():
        yield f"## {title}"
        yield ""
        yield f"![{title}]({file})"
        yield ""
