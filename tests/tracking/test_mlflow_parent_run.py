"""What MLflow is told of how a sweep stands, and of how it ended; with a real store."""

import shutil
from dataclasses import replace

import pytest

from tune_tasks.model.objective import Objective
from tune_tasks.model.stopping import parse_criterion
from tune_tasks.result import TrainingResult
from tune_tasks.testing.samples import (
    EXPERIMENT,
    RETURNED,
    make_attempt,
    make_rows,
    make_summary,
    make_sweep,
)
from tune_tasks.tracking.mlflow import MlflowTracker

pytestmark = pytest.mark.services


@pytest.fixture
def tracker(folder, initialised_store):
    shutil.copy(initialised_store, folder / "mlflow.db")
    tracker = MlflowTracker(f"sqlite:///{folder}/mlflow.db")
    tracker.begin(make_sweep(folder), again=False)
    tracker.prepare()
    return tracker


def told(tracker, folder):
    """The parent run's own tags and metrics."""
    (experiment,) = make_summary(folder).experiments
    run_id = tracker.located(experiment).mlflow_run_id
    data = tracker._client.get_run(run_id).data
    return {k: v for k, v in data.tags.items() if k.startswith("tune_tasks.")}, data.metrics


def test_a_late_word_of_how_it_stood_does_not_replace_how_it_ended(tracker, folder):
    """The feeder may hear of a report late, and know of no better metric than that report's."""
    info = make_attempt(folder)
    tracker.open_attempt(info)
    rows = make_rows(info, [TrainingResult(1, mean_loss=1.0)])
    summary = make_summary(folder, [info])
    (experiment,) = summary.experiments
    (trial,) = experiment.trials
    ended = replace(
        experiment,
        trials=[replace(trial, last_result={"mean_accuracy": 0.9})],
        objective=Objective("mean_accuracy", "max"),
    )
    tracker.close_sweep(replace(summary, experiments=[ended]))
    at_the_end = told(tracker, folder)
    assert at_the_end[0]["tune_tasks.metric"] == "mean_accuracy"
    tracker.log(info, rows)
    assert told(tracker, folder) == at_the_end


def test_several_objectives_have_their_front_and_its_knee(folder, initialised_store):
    """An infeasible trial is neither, and `best` finds the others."""
    shutil.copy(initialised_store, folder / "mlflow.db")
    tracker = MlflowTracker(f"sqlite:///{folder}/mlflow.db")
    sweep = make_sweep(folder, num_trials=4)
    info = replace(
        sweep.experiments[EXPERIMENT],
        objective=Objective("mean_accuracy", "max"),
        others=(Objective("mean_loss", "min"),),
        constraints=(parse_criterion("mean_loss", "<= 5"),),
    )
    tracker.begin(replace(sweep, experiments={EXPERIMENT: info}), again=False)
    tracker.prepare()
    pairs = [(0.5, 1.0), (0.8, 2.0), (0.9, 5.0), (0.99, 6.0)]
    attempts = [make_attempt(folder, index) for index in range(4)]
    for attempt, (accuracy, loss) in zip(attempts, pairs, strict=True):
        tracker.open_attempt(attempt)
        report = TrainingResult(1, mean_accuracy=accuracy, mean_loss=loss)
        tracker.log(attempt, make_rows(attempt, [report]))
        tracker.close_attempt(attempt, RETURNED)
    tags, metrics = told(tracker, folder)
    assert tags["tune_tasks.front"] == "2,1,0"
    assert tags["tune_tasks.best_trial"] == "script_1"
    assert (metrics["best/mean_accuracy"], metrics["best/mean_loss"]) == (0.8, 2.0)
    last = tracker._client.get_run(tracker.run_id(attempts[3].key)).data.tags
    assert last["tune_tasks.infeasible"] == "mean_loss 6 is not <= 5"
