"""The report of an experiment at its sweep's end, in Markdown.

The best trial, what stopped what, what failed, pictures.

Written into the experiment's folder by the driver; the trackers and Prefect's run view show its
text.
"""

from __future__ import annotations

import base64
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tune_tasks.model.files import write_aside
from tune_tasks.model.text import one_line
from tune_tasks.model.trial import TrialState
from tune_tasks.results.leaderboard import headline, leaderboard
from tune_tasks.results.plots import draw
from tune_tasks.results.summary import ExperimentSummary, Summary, TrialSummary, why_no_best
from tune_tasks.spec.source import dump_yaml

_LISTED = 20
_NAMED = 5
_GROUPS = 20
_PICTURE = re.compile(r"^!\[([^\]\n]*)\]\((\w+\.png)\)$", re.MULTILINE)
_PICTURE_SECTION = re.compile(rf"^## .*\n\n{_PICTURE.pattern[1:]}\n*", re.MULTILINE)
_OBSERVED = re.compile(r"^(.+) \S+ (>=|<=|==|>|<) (\S+)( after .*)?$")


class ReportPaths:
    """The report's files, in a folder beside the trials'."""

    def __init__(self, experiment_folder: Path) -> None:
        self.folder = experiment_folder / "report"
        self.text = self.folder / "report.md"

    def read(self) -> str:
        """The written text."""
        return self.text.read_text(encoding="utf-8")

    def picture(self, title: str) -> Path:
        """The file of a picture."""
        return self.folder / f"{re.sub(r'[^a-z0-9]+', '_', title.lower()).strip('_')}.png"


def write_report(summary: Summary, experiment: ExperimentSummary) -> None:
    """Write the report and its pictures. Runs in the driver, before the trackers close the sweep.

    Raises:
        OSError: If the folder cannot be written.
    """
    paths = ReportPaths(experiment.logdir)
    paths.folder.mkdir(parents=True, exist_ok=True)
    lines = list(report_text(summary, experiment))
    _write(paths, lines)
    files = {}
    for title, picture in draw(experiment).items():
        paths.picture(title).write_bytes(picture)
        files[title] = paths.picture(title).name
    _write(paths, [*lines, *_pictures(files)])


def _write(paths: ReportPaths, lines: Sequence[str]) -> None:
    write_aside(paths.text, "\n".join(lines) + "\n")


def with_pictures_inside(paths: ReportPaths) -> str:
    """The written report with its pictures as data, for a page that has no files beside it."""

    def embedded(match: re.Match[str]) -> str:
        if not (paths.folder / match[2]).exists():
            return match[0]
        data = base64.b64encode((paths.folder / match[2]).read_bytes()).decode()
        return f"![{match[1]}](data:image/png;base64,{data})"

    return _PICTURE.sub(embedded, paths.read())


def without_pictures(paths: ReportPaths) -> str:
    """The written report for a page that shows none."""
    return _PICTURE_SECTION.sub("", paths.read())


def report_text(summary: Summary, experiment: ExperimentSummary) -> Iterator[str]:
    """The report without its pictures, line by line."""
    yield from (
        f"# {one_line(experiment.name)}",
        "",
        f"Sweep `{summary.sweep}`: {headline(experiment)}.",
        "",
    )
    if summary.interrupted:
        yield from ("**Interrupted** before every trial had ended.", "")
    if summary.ended_early:
        yield from (f"**Ended early**: {summary.ended_early}.", "")
    yield from _best(experiment)
    yield from _trials(experiment)
    yield from _stopped(experiment)
    yield from _failures(experiment)


def _best(experiment: ExperimentSummary) -> Iterator[str]:
    best = experiment.best()
    value = experiment.best_value()
    if best is None or experiment.metric is None or value is None:
        yield from (f"No best trial: {why_no_best(experiment)}.", "")
        return
    link = f" ([MLflow run]({best.mlflow_url}))" if best.mlflow_url else ""
    yield from (
        "## Best trial",
        "",
        (f"`{best.shown_name}` with {one_line(experiment.metric)} **{value:.6g}**{link}"),
        "",
    )
    yield from ("```yaml", dump_yaml(best.shown_config).rstrip(), "```", "")


def _trials(experiment: ExperimentSummary) -> Iterator[str]:
    rows = leaderboard(experiment).rows
    yield from ("## Trials", "", _table_line(rows[0]), _table_line(["---"] * len(rows[0])))
    yield from (_table_line(row.values()) for row in rows[:_LISTED])
    if len(experiment.trials) > _LISTED:
        yield from (
            "",
            f"The first {_LISTED} of {len(experiment.trials)}; the leaderboard has more.",
        )
    yield ""


def _table_line(cells: Sequence[Any] | Any) -> str:
    return (
        "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
    )


def _stopped(experiment: ExperimentSummary) -> Iterator[str]:
    ended = [trial for trial in experiment.trials if trial.state is TrialState.TERMINATED]
    if ended:
        yield from ("## What stopped them", "")
        yield from _grouped([(_criterion(trial.stop_reason or ""), trial) for trial in ended])
    for name in experiment.unmet:
        yield f"- `stop.{one_line(name)}` never triggered: no trial reported `{one_line(name)}`"
    yield ""


def _criterion(reason: str) -> str:
    """The reason without the values of the one trial: `mean_accuracy >= 0.99`."""
    match = _OBSERVED.match(reason)
    return f"`{match[1]} {match[2]} {match[3]}`" if match else reason


def _failures(experiment: ExperimentSummary) -> Iterator[str]:
    failed = experiment.failed
    if not failed:
        return
    yield from ("## Failures", "")
    yield from _grouped([(f"`{trial.error_summary}`", trial) for trial in failed])
    yield from (
        "",
        f"The tracebacks are in `error.txt` of the trials' folders, under `{experiment.logdir}`.",
        "",
    )


def _grouped(pairs: Sequence[tuple[str, TrialSummary]]) -> Iterator[str]:
    groups: dict[str, list[TrialSummary]] = defaultdict(list)
    for cause, trial in pairs:
        groups[cause].append(trial)
    ordered = sorted(groups.items(), key=lambda group: -len(group[1]))
    for cause, trials in ordered[:_GROUPS]:
        names = ", ".join(f"`{trial.shown_name}`" for trial in trials[:_NAMED]) + (
            ", …" if len(trials) > _NAMED else ""
        )
        yield f"- {len(trials)} × {cause}: {names}"
    if rest := sum(len(trials) for _, trials in ordered[_GROUPS:]):
        yield f"- {rest} × something else"


def _pictures(files: Mapping[str, str]) -> Iterator[str]:
    for title, file in files.items():
        yield from (f"## {title}", "", f"![{title}]({file})", "")
