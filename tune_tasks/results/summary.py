"""What a sweep came to: every trial's end, and the best trial of each experiment. Pure.

`words` says it to people, `document` to programs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tune_tasks.model.code_version import CodeVersion
from tune_tasks.model.objective import Mode, Objective
from tune_tasks.model.stopping import Criterion
from tune_tasks.model.trial import ENDED, TrialState
from tune_tasks.results.budget_use import BudgetUse
from tune_tasks.results.document import document, table
from tune_tasks.results.ranking import front_of, ranked
from tune_tasks.results.trials import Trials, TrialSummary
from tune_tasks.results.words import sum_up, values_text
from tune_tasks.search.dimension import Dimension

if TYPE_CHECKING:
    import pandas as pd

_LAST = (TrialState.RUNNING, TrialState.PENDING, *ENDED)
"""The order of the trials that have no value of the metric."""


@dataclass(frozen=True)
class ExperimentSummary:
    """One experiment at the sweep's end.

    Attributes:
        trials: All of them, in order. If a sweep has left more than a thousand that were never
            started, the others of these are made each time that they are asked for.
        objective: What 'best' goes by, of several objectives the first; None if no trial reported a
            metric to go by.
        unmet: Criteria's metrics that no trial ever reported.
        mlflow_run_id: The sweep's parent run.
        experiment_url: MLflow's page of the experiment; None if the tracking URI is not a web
            address.
        code: Which version of the code ran, if it was in files.
        view_url: The page that compares the sweep's trials, ready made; also None if no metric was
            reported.
        budget: How far its budget is used; None if it has none.
        unlisted: Trials that were not started and are not among `trials`, in a summary that was
            sent to another process; else 0.
        dimensions: What was searched, of the settings that have domains.
        search: The algorithm that chose their values; empty if there are none.
        constraints: What the last report of a trial has to meet for the trial to be the best.
        others: Of several objectives, those after the first.
    """

    name: str
    trials: Sequence[TrialSummary]
    logdir: Path
    objective: Objective | None = None
    unmet: list[str] = field(default_factory=list)
    mlflow_run_id: str | None = None
    experiment_url: str | None = None
    view_url: str | None = None
    code: CodeVersion | None = None
    unlisted: int = 0
    dimensions: Sequence[Dimension] = ()
    search: str = ""
    budget: BudgetUse | None = None
    constraints: tuple[Criterion, ...] = ()
    others: tuple[Objective, ...] = ()

    @property
    def used_up(self) -> str | None:
        """What has used up its budget and so has ended it; None if nothing has."""
        return self.budget.used_up if self.budget else None

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What 'best' goes by: mostly one objective; none if no trial reported a metric."""
        return (self.objective, *self.others) if self.objective else ()

    @property
    def listed(self) -> Sequence[TrialSummary]:
        """The trials that exist already: every one that was started, and of the others the first.

        What can be said without the others is said from these.
        """
        if isinstance(self.trials, Trials):
            return self.trials.listed
        return self.trials

    @property
    def size(self) -> int:
        """How many trials the experiment has."""
        return len(self.trials) + self.unlisted

    @property
    def metric(self) -> str | None:
        """The metric that 'best' goes by; None if no trial reported one to go by."""
        return self.objective.metric if self.objective else None

    @property
    def mode(self) -> Mode:
        """`max` or `min`: which value of the metric is the best."""
        return self.objective.mode if self.objective else "max"

    @property
    def page(self) -> str | None:
        """The MLflow page to look at first, if there is one."""
        return self.view_url or self.experiment_url

    @property
    def failed(self) -> list[TrialSummary]:
        """The trials that ended in ERROR."""
        return [trial for trial in self.listed if _has_failed(trial)]

    @property
    def lost(self) -> list[TrialSummary]:
        """The trials that ended well and whose reports are no longer on the disk."""
        return [trial for trial in self.listed if trial.lost]

    @property
    def done(self) -> int:
        """How many trials have ended."""
        counts = self.counts()
        return sum(counts[state] for state in ENDED)

    def counts(self) -> Counter[TrialState]:
        """How many trials are in each state."""
        counts = Counter(trial.state for trial in self.listed)
        counts[TrialState.PENDING] += self.size - len(self.listed)
        return counts

    def best(self) -> TrialSummary | None:
        """The trial whose last report has the best value of the metric; None if none has one.

        Of several objectives it is the knee of the front: see `model.front`.
        """
        return next(iter(self.scored()), None)

    def best_value(self) -> float | None:
        """The best trial's value of the (first) metric; None if there is no best trial."""
        best = self.best()
        if best is None or self.objective is None:
            return None
        return best.metric(self.objective.metric)

    def best_words(self) -> str:
        """The best trial's objectives with their values, for people; empty without such a trial."""
        best = self.best()
        return values_text(best, self.objectives) if best else ""

    def scored(self) -> list[TrialSummary]:
        """The trials that have a value of the metric, did not fail and are feasible, best first."""
        if self.objective is None:
            return []
        return ranked(filter(_may_be_best, self.listed), self.objective, self.others)

    def front(self) -> list[TrialSummary]:
        """Of several objectives: the trials that no other one dominates.

        They are in the order of the first objective, the best first. Empty if there is only one.
        """
        if not self.others:
            return []
        return front_of(filter(_may_be_best, self.listed), self.objectives)

    @property
    def infeasible(self) -> list[TrialSummary]:
        """The trials that did not fail, and whose last report is not allowed."""
        return [trial for trial in self.listed if trial.infeasible and not _has_failed(trial)]

    def ranking(self) -> list[TrialSummary]:
        """The listed trials, best first.

        Those without a value come after them: what runs, waits, has ended without one, failed.
        """
        scored = self.scored()
        indices = {trial.index for trial in scored}
        others = [trial for trial in self.listed if trial.index not in indices]
        return scored + sorted(others, key=lambda t: (_LAST.index(t.state), t.index))

    def dataframe(self) -> pd.DataFrame:
        """One row a trial; see `Summary.dataframe`."""
        return table(self.trials)


def _may_be_best(trial: TrialSummary) -> bool:
    return not trial.infeasible and not _has_failed(trial)


def _has_failed(trial: TrialSummary) -> bool:
    return trial.state is TrialState.ERROR


@dataclass(frozen=True)
class Summary:
    """A sweep at its end. Also what `run_experiments` returns.

    Attributes:
        sweep: The sweep's id.
        experiments: In the spec's order.
        interrupted: Whether it was cancelled before all trials had ended.
        ended_early: Why it ended before all trials had, though nobody cancelled it: the disk stayed
            full, or its trials' failures stopped it; None if it did not.
        prefect_url: Page of the flow run.
        tracking_uri: MLflow's.
    """

    sweep: str
    experiments: list[ExperimentSummary]
    interrupted: bool = False
    prefect_url: str = ""
    tracking_uri: str = ""
    ended_early: str | None = None

    @property
    def trials(self) -> list[TrialSummary]:
        """Every trial of every experiment."""
        return [trial for experiment in self.experiments for trial in experiment.trials]

    @property
    def failed(self) -> list[TrialSummary]:
        """The trials that ended in ERROR."""
        return [trial for experiment in self.experiments for trial in experiment.failed]

    @property
    def ended_well(self) -> bool:
        """Whether no trial failed, none was left out, and the reports of all are on the disk."""
        if self.ended_early:
            return False
        return not any(experiment.failed or experiment.lost for experiment in self.experiments)

    def best(self, experiment: str | None = None) -> TrialSummary | None:
        """The best trial of the named experiment; without a name, of the first one."""
        for candidate in self.experiments:
            if experiment in (None, candidate.name):
                return candidate.best()
        return None

    def counts(self) -> Counter[TrialState]:
        """How many trials are in each state."""
        counts: Counter[TrialState] = Counter()
        for experiment in self.experiments:
            counts += experiment.counts()
        return counts

    def dataframe(self) -> pd.DataFrame:
        """One row a trial.

        What was searched as `config/<path>`, the numbers of the last report, state and reason.
        """
        return table(self.trials)

    def as_json(self) -> dict[str, Any]:
        """The document that `--json` prints."""
        return document(self)

    def one_line(self) -> str:
        """`10 trials: 9 TERMINATED, 1 ERROR`, and which failed."""
        return sum_up(self)
