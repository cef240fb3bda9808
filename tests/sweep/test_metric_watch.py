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


def test_a_field_that_is_empty_at_first_is_no_mistake():
    watching = watch(metric="mean_loss")
    assert (
        said(watching, reported(mean_loss=None, info={"lr": 1.0}), reported(2, mean_loss=1)) == []
    )


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


def test_an_attempt_that_is_to_go_on_says_nothing():
    watching = watch(constraints={"latency": "<= 5"})
    paused = Outcome(TrialState.TERMINATED, EndedBy.PAUSED, "paused", reports=1)
    assert said(watching, reported(mean_loss=0.5), ended(paused, latency=None)) == []


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
        ("maen_score", "mean_score", True),
        ("f1_macro", "f1_micro", False),
        ("eval_loss", "val_loss", False),
        ("best_accuracy", "test_accuracy", False),
        ("mean_accuracy", "max_accuracy", False),
        ("train_loss", "train_loss_ema", False),
        ("val_loss_a", "val_loss_b", False),
        ("gan_loss_G", "gan_loss_D", False),
        ("reward_mean", "reward_median", False),
        ("valAccuracyMacro", "valAccuracyMicro", False),
        ("val_rmse", "val_rmae", False),
        ("loss", "lost_loss", False),
        ("验证损失", "训练损失", False),
        ("验证集准确率", "验证集精确率", False),
        ("потеря", "ПОТЕРЯ", True),
        ("_", "-", False),
    ],
)
def test_two_names_are_one_only_if_they_are_very_near(name, other, is_slip):
    assert slip_of(name, {"info": {other: 1.0}}) == (other if is_slip else None)


def test_a_metric_whose_best_value_was_judged_was_there():
    watching = watch(metric="val_loss")
    events = [reported(info={"loss": 1.0}), at_milestone("val_loss", 0.4), ended(val_loss=None)]
    assert said(watching, *events) == []


@pytest.mark.parametrize(("value", "kind"), [("0.5", "str"), (True, "bool")])
def test_a_metric_that_is_no_number_is_said_to_be_none(value, kind):
    watching = watch(metric="solved")
    assert said(watching, reported(info={"solved": value}), ended(solved=None)) == [
        f"e: metric 'solved' is reported as a {kind}: it is no number"
    ]


ASHA = {"metric": "mean_loss", "scheduler": {"asha": {"time_attr": "epoch", "max_t": 9}}}


def test_what_says_how_far_a_trial_is_and_is_misspelt_is_said_at_the_first_report():
    assert said(watch(**ASHA), reported(mean_loss=1.0, info={"epochs": 1})) == [
        "e: time_attr 'epoch' is in none of the first report's metrics; did you mean 'epochs'? it"
        " reports: mean_loss, epochs"
    ]


def test_if_it_is_in_no_report_nobody_is_judged():
    assert said(watch(**ASHA), reported(mean_loss=1.0), ended(mean_loss=1.0)) == [
        "e: time_attr 'epoch' is in no report of the first trial that has ended (e/0): nobody is"
        " judged; it reports: mean_loss"
    ]
    reports = [reported(mean_loss=1.0), at_milestone("mean_loss", 1.0), ended(mean_loss=1.0)]
    assert said(watch(**ASHA), *reports) == []
