"""How a sweep stands while it runs."""

import math
from pathlib import Path

import pytest

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.trial import EndedBy, Outcome, Trial, TrialState
from tune_tasks.tracking.standing import Standing

ENDED = Outcome(TrialState.TERMINATED, EndedBy.RETURNED, "train() returned")
FAILED = Outcome(TrialState.ERROR, EndedBy.ERROR, "ValueError: bad")


def attempt(index, number=1, max_failures=0):
    trial = Trial("exp", index, f"trial_{index}", "script", {}, {}, 0, max_failures=max_failures)
    return AttemptInfo(trial, number, Path("/logs"))


def best_of(standing):
    best = standing.best()
    return (best.name, best.metric(standing.metric[0])) if best else None


def test_the_best_goes_by_the_latest_report_of_trials_that_run_or_have_ended():
    standing = Standing(None, None)
    assert (standing.metric, standing.best(), standing.done) == ((None, "max"), None, 0)
    standing.report(attempt(0), {"mean_loss": 2.0})
    assert (standing.metric, best_of(standing)) == (("mean_loss", "min"), ("trial_0", 2.0))
    standing.report(attempt(0), {"mean_loss": 1.0})
    standing.end(attempt(0), ENDED)
    standing.report(attempt(1), {"mean_loss": 0.5})
    assert (best_of(standing), standing.done) == (("trial_1", 0.5), 1)
    standing.report(attempt(1), {"mean_loss": 3.0})
    assert best_of(standing) == ("trial_0", 1.0)


def test_a_default_that_comes_first_takes_the_place_of_a_later_one():
    standing = Standing(None, None)
    standing.report(attempt(0), {"mean_loss": 1.0})
    standing.end(attempt(0), ENDED)
    standing.report(attempt(1), {"mean_loss": 9.0, "mean_accuracy": 0.1})
    assert (standing.metric, best_of(standing)) == (("mean_accuracy", "max"), ("trial_1", 0.1))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_never_counts(value):
    standing = Standing("info.score", "max")
    standing.report(attempt(0), {"info": {"score": value}})
    assert standing.best() is None
    standing.report(attempt(1), {"info": {"score": -5}})
    assert best_of(standing) == ("trial_1", -5)


def test_a_trial_that_failed_is_done_but_not_the_best():
    standing = Standing("mean_loss", None)
    standing.report(attempt(0), {"mean_loss": 0.1})
    standing.report(attempt(1), {"mean_loss": 0.2})
    standing.end(attempt(0), FAILED)
    assert (best_of(standing), standing.done) == (("trial_1", 0.2), 1)


def test_a_trial_that_is_tried_again_is_not_done():
    standing = Standing("mean_loss", None)
    standing.report(attempt(0, 1, max_failures=1), {"mean_loss": 0.1})
    standing.report(attempt(0, 2, max_failures=1), {"mean_loss": 0.3})
    standing.end(attempt(0, 1, max_failures=1), FAILED)
    assert (best_of(standing), standing.done) == (("trial_0", 0.3), 0)
    standing.end(attempt(0, 2, max_failures=1), FAILED)
    assert (best_of(standing), standing.done) == (None, 1)


def test_the_same_told_twice_changes_nothing():
    standing = Standing("mean_loss", None)
    for _ in range(2):
        standing.report(attempt(0), {"mean_loss": 0.1})
        standing.end(attempt(0), ENDED)
        standing.end(attempt(0), ENDED)
        assert (best_of(standing), standing.done) == (("trial_0", 0.1), 1)


def test_of_equal_trials_the_first_is_the_best():
    standing = Standing("mean_accuracy", None)
    for index in (2, 0, 1):
        standing.report(attempt(index), {"mean_accuracy": 1.0})
        standing.end(attempt(index), ENDED)
    assert best_of(standing) == ("trial_0", 1.0)
