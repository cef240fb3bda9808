"""The failed trials of an experiment, those that failed alike together. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tune_tasks.model.failure import Failure, FailureCause
from tune_tasks.model.text import one_line
from tune_tasks.results.trials import TrialSummary


@dataclass(frozen=True)
class FailureGroup:
    """Trials that failed alike: but for addresses, paths and numbers with the same error.

    Attributes:
        cause: What has made them fail.
        error: The error of the first, in one line.
        trials: In the experiment's order.
    """

    cause: FailureCause
    error: str
    trials: Sequence[TrialSummary]

    @property
    def indices(self) -> list[int]:
        """The indices of the trials."""
        return [trial.index for trial in self.trials]

    def as_json(self) -> dict[str, Any]:
        """The group as `--json` prints it."""
        return {"cause": str(self.cause), "error": self.error, "trials": self.indices}


def groups_of_failures(trials: Sequence[TrialSummary]) -> list[FailureGroup]:
    """Return the failed trials in groups, the largest first."""
    groups: dict[tuple[str, str], list[TrialSummary]] = {}
    for trial in trials:
        failure = _failure(trial)
        groups.setdefault((failure.cause, failure.alike), []).append(trial)
    made = [
        FailureGroup(FailureCause(cause), group[0].error_summary, group)
        for (cause, _), group in groups.items()
    ]
    return sorted(made, key=lambda group: -len(group.trials))


def _failure(trial: TrialSummary) -> Failure:
    return trial.failure or Failure(FailureCause.EXCEPTION, one_line(trial.error_summary))
