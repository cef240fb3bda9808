"""Tells MLflow how a sweep stands in one experiment, and how it ended: in the sweep's parent run.

While the sweep runs, what is told comes from the reports and ends that the tracker handles anyhow.
MLflow is read only by a restarted recorder, and once: it asks how far it had told.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Set
from functools import partial
from typing import TYPE_CHECKING

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.objective import Objective
from tune_tasks.model.text import showable
from tune_tasks.model.trial import EndedBy, Outcome, TrialState
from tune_tasks.results.summary import ExperimentSummary
from tune_tasks.servers.mlflow_client import without_password
from tune_tasks.tracking.info import SweepInfo
from tune_tasks.tracking.mlflow_files import files_at_begin, files_at_end
from tune_tasks.tracking.mlflow_names import best_key
from tune_tasks.tracking.mlflow_pages import ExperimentPages
from tune_tasks.tracking.mlflow_params import flat_params
from tune_tasks.tracking.mlflow_runs import TAG_LENGTH, MlflowRuns, milliseconds
from tune_tasks.tracking.mlflow_standing import (
    Standing,
    metrics_of,
    standing_at_end,
    standing_now,
)
from tune_tasks.tracking.mlflow_tags import (
    FRONT_TAG,
    front_tag,
    objective_in,
    objective_tags,
    sweep_note,
)
from tune_tasks.tracking.running_best import RunningBest
from tune_tasks.tracking.steps import Step, Steps

if TYPE_CHECKING:
    from mlflow.entities import Metric

logger = logging.getLogger(__name__)

_TELL_S = 5.0
_BY = "by "
_BEST_TAGS = ("tune_tasks.best_trial", "tune_tasks.best_run_id")


def parent_key(experiment: str) -> str:
    """Return our key of a sweep's parent run in an experiment."""
    return f"{experiment}/parent"


class ParentRun:
    """A sweep's parent run in one experiment.

    Knows what MLflow was told, so that nothing is told twice: neither with every report, nor by a
    restarted recorder, which hears of every trial's end once more. Several threads may use it.

    Attributes:
        experiment_id: MLflow's id of the experiment.
        run_id: MLflow's id of the parent run.

    Args:
        runs: The runs of the sweep.
        sweep: The sweep.
        name: The experiment's name.
        experiment_id: MLflow's id of the experiment.
        run_id: MLflow's id of the parent run.
        again: Whether an earlier recorder may have told something of it.
        on_done: Called whenever MLflow has taken something.
    """

    def __init__(
        self,
        runs: MlflowRuns,
        sweep: SweepInfo,
        name: str,
        experiment_id: str,
        run_id: str,
        *,
        again: bool,
        on_done: Callable[[], object],
    ) -> None:
        self.experiment_id = experiment_id
        self.run_id = run_id
        self._info = sweep.experiments[name]
        self._key = parent_key(name)
        self._pages = ExperimentPages(runs, sweep.sweep, self._info, experiment_id)
        self._runs = runs
        self._sweep = sweep
        self._again = again
        self._steps = Steps(on_done)
        self._running = RunningBest(self._info.objective, self._info.constraints, self._info.others)
        self._changing = threading.Lock()
        self._params_before: Set[str] = frozenset()
        self._goes_by: tuple[Objective, bool, bool] | None = None
        self._told_objective: Objective | None = None
        self._told_done = 0
        self._told_best: float | None = None
        self._told_front: tuple[int, ...] = ()
        self._told_tags: dict[str, str] = {}
        self._told_at = time.monotonic()
        # What was sent last, and when: if the answer is lost, the same is sent, which MLflow knows.
        self._sent = Standing()
        self._sent_at = 0.0
        # Held during requests.
        self._telling = threading.Lock()
        self._has_ended = False

    def begin(self, info: AttemptInfo) -> None:
        """Know of a new attempt, which takes the place of the trial's earlier ones."""
        with self._changing:
            self._running.begin(info)

    def report(self, info: AttemptInfo, row: Mapping[str, object]) -> None:
        """Take an attempt's latest report, and tell what is new."""
        with self._changing:
            self._running.report(info, row)
        self.tell()

    def end_attempt(self, info: AttemptInfo, outcome: Outcome) -> None:
        """Take an attempt's end, and tell what is new."""
        with self._changing:
            self._running.end(info, outcome)
        self.tell()

    def tell(self) -> None:
        """Tell how the sweep stands: at each trial's end, and now and then if it got better.

        No trial's data depend on this, so a failure is only logged, and nobody waits for another
        thread that is telling: the next call makes up for it.
        """
        if not self._telling.acquire(blocking=False):
            return
        try:
            # What comes late must not replace what was told at the end.
            if not self._has_ended:
                self._steps.in_order(self._beginning())
                self._tell()
                files = files_at_begin(self._runs, self.run_id, self._sweep, self._info)
                self._steps.in_order(files)
        except Exception as exc:  # noqa: BLE001 - see above
            reason = without_password(str(exc))
            logger.warning("MLflow: cannot tell how the sweep stands: %s", reason)
        finally:
            self._telling.release()

    def end(self, experiment: ExperimentSummary, status: str) -> list[Exception]:
        """Tell how the sweep ended: status and tags first, files last.

        What was done is not done again if this is called again.

        Returns:
            What has failed.
        """
        with self._telling:
            self._has_ended = True
            return self._steps.each(self._ending(experiment, status))

    def _beginning(self) -> Iterator[Step]:
        if self._again:
            yield "go on", self._go_on
        params = flat_params(self._info.constants) | {"sweep.seed": str(self._info.seed)}
        # MLflow refuses another value: after an edit of the spec the run keeps those it began with.
        new = {name: value for name, value in params.items() if name not in self._params_before}
        yield from self._runs.param_steps(self.run_id, new)

    def _go_on(self) -> None:
        """Go on with a run of which an earlier recorder has told something, and perhaps its end."""
        self._runs.client.update_run(self.run_id, status="RUNNING")
        data = self._runs.client.get_run(self.run_id).data
        self._params_before = set(data.params)
        self._told_done = int(data.metrics.get("trials_done", 0))
        self._told_objective = objective_in(data.tags)
        if self._told_objective:
            self._told_best = data.metrics.get(best_key(self._told_objective))
        # A recorder that dies in the middle of a batch has told the metrics, and not the tags.
        known = (*_BEST_TAGS, FRONT_TAG)
        self._told_tags = {key: data.tags[key] for key in known if key in data.tags}

    def _tell(self) -> None:
        with self._changing:
            objective = self._running.objective
            standing = standing_now(self._running, objective, self._info.others, self._runs.ids)
        if objective and objective != self._told_objective:
            self._steps.in_order(self._going_by(objective))
        if self._is_news(standing, objective):
            self._log(standing, objective)

    def _is_news(self, standing: Standing, objective: Objective | None) -> bool:
        if standing.done != self._told_done:
            # There are fewer if a restarted recorder has not heard of every end yet.
            return standing.done > self._told_done
        got_better = objective is not None and objective.better(standing.value, self._told_best)
        if self._info.others:
            # Whatever is new on the front may have moved its knee.
            got_better = standing.front != self._told_front
        return got_better and time.monotonic() - self._told_at >= _TELL_S

    def _ending(self, experiment: ExperimentSummary, status: str) -> Iterator[Step]:
        yield "standing at the end", partial(self._tell_end, experiment)
        yield "status", partial(self._terminate, status)
        yield "unknown", partial(self._runs.end_unknown, self.experiment_id)
        yield "note", partial(self._log_note, experiment)
        objective = experiment.objective
        if objective:
            yield from self._going_by(
                objective,
                incomplete=_lacks_values(experiment, objective),
                grouped=any(t.ended_by is EndedBy.SCHEDULER for t in experiment.listed),
            )
        yield "ghosts", partial(self._runs.drop_ghosts, self.experiment_id, self._key)
        yield from files_at_begin(self._runs, self.run_id, self._sweep, self._info)
        yield from files_at_end(self._runs, self.run_id, experiment)

    def _tell_end(self, experiment: ExperimentSummary) -> None:
        self._steps.in_order(self._beginning())
        objective = experiment.objective
        if objective:
            self._know_objective(objective)
            self._runs.log_tags(self.run_id, objective_tags(objective, self._info.others))
        standing = standing_at_end(experiment, self._runs.ids)
        told = (self._told_done, self._told_best, self._told_front)
        if (standing.done, standing.value, standing.front) != told:
            self._log(standing, objective)
        elif self._tags_of(standing, objective) != self._told_tags:
            self._log_standing([], self._tags_of(standing, objective))

    def _log_note(self, experiment: ExperimentSummary) -> None:
        note = sweep_note(self._sweep, self.experiment_id, experiment)
        self._runs.log_tags(self.run_id, {"mlflow.note.content": note})

    def _log(self, standing: Standing, objective: Objective | None) -> None:
        if standing != self._sent:
            self._sent = standing
            self._sent_at = time.time()
        objectives = (objective, *self._info.others) if objective else ()
        metrics = metrics_of(standing, objectives, milliseconds(self._sent_at))
        self._log_standing(metrics, self._tags_of(standing, objective))
        self._told_done = standing.done
        self._told_best = standing.value
        self._told_front = standing.front
        self._told_at = time.monotonic()

    def _log_standing(self, metrics: list[Metric], tags: dict[str, str]) -> None:
        from mlflow.entities import RunTag

        entities = [RunTag(key, text) for key, text in tags.items()]
        self._runs.client.log_batch(self.run_id, metrics=metrics, tags=entities)
        self._told_tags = tags

    def _tags_of(self, standing: Standing, objective: Objective | None) -> dict[str, str]:
        """The tags that name the best trial."""
        if objective and standing.value is not None:
            values = (standing.trial, standing.run_id)
        elif self._told_best is not None or self._told_tags:
            # The best trial that MLflow knows has failed. MLflow cannot take a metric back, so
            # the tags say that there is no best trial.
            values = ("", "")
        else:
            return {}
        shown = (showable(text)[:TAG_LENGTH] for text in values)
        tags = dict(zip(_BEST_TAGS, shown, strict=True))
        if self._info.others:
            tags[FRONT_TAG] = front_tag(standing.front)
        return tags

    def _going_by(
        self, objective: Objective, *, incomplete: bool = False, grouped: bool = False
    ) -> Iterator[Step]:
        """Yield the steps that have MLflow go by a metric."""
        if self._goes_by != (objective, incomplete, grouped):
            self._steps.forget(_BY)
            self._goes_by = (objective, incomplete, grouped)
        tags = objective_tags(objective, self._info.others)
        yield f"{_BY}tags", partial(self._runs.log_tags, self.run_id, tags)
        for name, step in self._pages.steps(objective, incomplete=incomplete, grouped=grouped):
            yield f"{_BY}{name}", step
        yield f"{_BY}known", partial(self._know_objective, objective)

    def _know_objective(self, objective: Objective) -> None:
        if objective != self._told_objective:
            self._told_objective = objective
            self._told_best = None

    def _terminate(self, status: str) -> None:
        self._runs.client.set_terminated(self.run_id, status, milliseconds(time.time()))


def _lacks_values(experiment: ExperimentSummary, objective: Objective) -> bool:
    """Whether a trial has ended well without a value of the metric."""
    ended = [trial for trial in experiment.listed if trial.state is TrialState.TERMINATED]
    return any(trial.metric(objective.metric) is None for trial in ended)
