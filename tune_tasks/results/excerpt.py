"""A summary as it is sent to the recorder: without the trials that were never started. Pure.

A million of them would take longer to travel than anybody has patience.
"""

from __future__ import annotations

from dataclasses import replace

from tune_tasks.results.summary import ExperimentSummary, Summary


def excerpt(summary: Summary) -> Summary:
    """Return the summary with its listed trials alone, and the number of the others."""
    return replace(summary, experiments=[_excerpt(e) for e in summary.experiments])


def with_trials_of(summary: Summary, whole: Summary) -> Summary:
    """Return an excerpt with all the trials of the summary that it was made of."""
    pairs = zip(summary.experiments, whole.experiments, strict=True)
    experiments = [
        replace(own, trials=other.trials, unlisted=other.unlisted) for own, other in pairs
    ]
    return replace(summary, experiments=experiments)


def _excerpt(experiment: ExperimentSummary) -> ExperimentSummary:
    listed = experiment.listed
    return replace(experiment, trials=listed, unlisted=experiment.size - len(listed))
