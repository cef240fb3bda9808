"""A metric that no trial reports is said early, once, and with what was meant."""

import math

import pytest

from tests.sweep.drivers import FAILED, WELL, train
from tune_tasks.model.milestones import Reached
from tune_tasks.model.misnamed import slip_of
from tune_tasks.model.trial import EndedBy, Outcome, TrialState
from tune_tasks.spec.loading import spec_from_data
from tune_tasks.sweep.events import AttemptEnded, MilestonesReached, Reported, Ticked
from tune_tasks.sweep.metric_watch import MetricWatch
from tune_tasks.sweep.planning import make_plan

CUT = Outcome(TrialState.TERMINATED, EndedBy.BUDGET, "budget: 2 s are over")


def watch(**keys):
    spec = {"e": {"num_trials": 2, "config": {"lr": 1}, **keys}}
    return MetricWatch(make_plan(spec_from_data(spec), callables={"e": train}).experiments)


def said(watching, *events):
    return [line for event in events for line in watching.heard(event)]


def reported(number=1, index=0, info=None, **fields):
    row = {"training_iteration": number, "time_total_s": 1.0, "info": info, **fields}
    return Reported(1.0, f"e/{index}", 1, number, row)


def ended(outcome=WELL, **metrics):
    return AttemptEnded(9.0, "e/0", 1, outcome, metrics)


def at_milestone(metric, best=None):
    return MilestonesReached(2.0, "e/0", 1, 3, (Reached(0, 3.0, 3.0, best, best, best, metric),))


def test_a_misspelt_metric_is_said_at_the_first_report_and_once():
    watching = watch(metric="mean_acuracy")
    first = said(watching, Ticked(0.0), reported(mean_accuracy=0.5, info={"lr": 1.0}))
    assert first == [
        "e: metric 'mean_acuracy' is in none of the first report's metrics; did you mean"
        " 'mean_accuracy'? it reports: mean_accuracy, lr"
    ]
    later = [reported(2, 1), at_milestone("mean_acuracy"), ended(mean_acuracy=None)]
    assert said(watching, *later) == []


@pytest.mark.parametrize(
    "keys",
    [
        {"constraints": {"model_sise": "<= 5"}},
        {"objectives": {"mean_loss": "min", "model_sise": "min"}},
        {"stop": {"model_sise": 5}},
    ],
)
def test_so_is_that_of_a_constraint_an_objective_and_a_criterion(keys):
    first = said(watch(**keys), reported(mean_loss=1.0, info={"model_size": 3}))
    assert len(first) == 1
    assert "'model_sise'" in first[0]
    assert "did you mean 'model_size'?" in first[0]


def test_one_that_is_reported_now_and_then_is_no_mistake():
    watching = watch(metric="val_loss")
    rare = reported(5, info={"train_loss": 1.0, "val_loss": math.nan})
    quiet = [reported(info={"train_loss": 1.0}), rare, ended(val_loss=None)]
    assert said(watching, *quiet) == []


def test_one_that_is_not_there_at_the_first_milestone_counts_as_the_worst():
    watching = watch(metric="val_loss")
    assert said(watching, reported(info={"train_loss": 1.0}), at_milestone("val_loss")) == [
        "e: metric 'val_loss' is in no report of the first trial that is judged by it (e/0, at 3),"
        " and counts as the worst value; did you mean 'train_loss'? it reports: train_loss"
    ]


def test_one_that_is_not_there_at_the_first_end_is_said_then():
    watching = watch(metric="f1")
    quiet = [reported(mean_loss=1.0), ended(FAILED, f1=None), ended(CUT, f1=None)]
    assert said(watching, *quiet) == []
    assert said(watching, ended(f1=None), ended(f1=None)) == [
        "e: metric 'f1' is not in the last report of the first trial that has ended (e/0), and"
        " trials are compared by their last reports; it reports: mean_loss"
    ]


def test_what_names_no_metric_is_not_warned_of():
    assert said(watch(stop={"f1": 5}), reported(mean_loss=1.0), ended()) == []


@pytest.mark.parametrize(
    ("name", "other", "is_slip"),
    [
        ("top5_acuracy", "top5_accuracy", True),
        ("valLoss", "val_loss", True),
        ("val-loss", "val_loss", True),
        ("val_loss", "train_loss", False),
        ("top1", "top5", False),
        ("accuracy", "mean_accuracy", False),
    ],
)
def test_two_names_are_one_only_if_they_are_very_near(name, other, is_slip):
    assert slip_of(name, {"info": {other: 1.0}}) == (other if is_slip else None)
