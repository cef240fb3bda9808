"""How the best of an experiment became better from trial to trial. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tune_tasks.model.objective import Objective
from tune_tasks.model.trial import ENDED, TrialState


@dataclass(frozen=True)
class EndedTrial:
    """A trial that has ended.

    Attributes:
        index: The trial's.
        at: When it reported last, in seconds since the epoch.
        value: Its value of the metric; None if it has none, is infeasible, or has failed.
    """

    index: int
    at: float
    value: float | None


@dataclass(frozen=True)
class Improvement:
    """A trial that was better than all that had ended before it.

    Attributes:
        ended: How many trials had ended by then, itself included.
        index: The trial's.
        value: Its value of the metric.
    """

    ended: int
    index: int
    value: float


@dataclass(frozen=True)
class BestSoFar:
    """How the best became better.

    Attributes:
        improvements: In order; the last one is the best.
        ended: The trials that have ended after they had reported something, in order.
    """

    improvements: Sequence[Improvement]
    ended: Sequence[EndedTrial]

    @classmethod
    def of(cls, trials: Iterable[EndedTrial], objective: Objective) -> BestSoFar:
        """Follow the trials in the order in which they reported last."""
        ordered = sorted(trials, key=lambda trial: (trial.at, trial.index))
        improvements: list[Improvement] = []
        best: float | None = None
        for number, trial in enumerate(ordered, start=1):
            if trial.value is not None and objective.better(trial.value, best):
                best = trial.value
                improvements.append(Improvement(number, trial.index, trial.value))
        return cls(improvements, ordered)

    @property
    def since(self) -> int:
        """How many trials have ended since the best one did."""
        return len(self.ended) - self.improvements[-1].ended if self.improvements else 0

    def words(self, objective: Objective, size: int) -> str:
        """A line such as `best ended trial: mean_loss 0.07 (trial 12 of 40), 8 have ended since`.

        It is empty if there is no best. An experiment has `size` trials.
        """
        if not self.improvements:
            return ""
        best = self.improvements[-1]
        line = f"best ended trial: {objective.words(best.value)} (trial {best.index} of {size})"
        return f"{line}, {since_text(self.since)}" if self.since else line


def since_text(count: int) -> str:
    """Return a text such as `8 have ended since`."""
    return "1 has ended since" if count == 1 else f"{count} have ended since"


def ended_trial(
    index: int,
    state: TrialState,
    last: Mapping[str, Any] | None,
    objective: Objective,
    infeasible: str | None = None,
) -> EndedTrial | None:
    """A trial as `BestSoFar` takes it; None if it has not ended, or has reported nothing.

    Args:
        index: The trial's.
        state: The trial's.
        last: Its last report as it stands in `result.json`.
        objective: What 'best' goes by.
        infeasible: By what the report is not allowed; None if it is.
    """
    if state not in ENDED or last is None:
        return None
    may_be_best = state is not TrialState.ERROR and not infeasible
    value = objective.value(last) if may_be_best else None
    return EndedTrial(index, last.get("timestamp", 0.0), value)
