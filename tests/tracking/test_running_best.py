"""The best trial of an experiment while its sweep runs."""

import math
from pathlib import Path

import pytest

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.objective import Objective
from tune_tasks.model.stopping import parse_criterion
from tune_tasks.model.trial import EndedBy, Outcome, Trial, TrialState
from tune_tasks.tracking.running_best import RunningBest

ENDED = Outcome(TrialState.TERMINATED, EndedBy.RETURNED, "train() returned")
CANCELLED = Outcome(TrialState.TERMINATED, EndedBy.CANCELLED, "paused")
FAILED = Outcome(TrialState.ERROR, EndedBy.ERROR, "ValueError: bad")


def attempt(index, number=1, max_failures=0):
    trial = Trial("exp", index, f"trial_{index}", "script", {}, {}, 0, max_failures=max_failures)
    return AttemptInfo(trial, number, Path("/logs"))


def best_of(running):
    best = running.best()
    return (best.name, best.metric(running.objective.metric)) if best else None


def test_the_best_goes_by_the_latest_report_of_trials_that_run_or_have_ended():
    running = RunningBest(None)
    assert (running.objective, running.best(), running.done) == (None, None, 0)
    running.report(attempt(0), {"mean_loss": 2.0})
    assert (running.objective, best_of(running)) == (
        Objective("mean_loss", "min"),
        ("trial_0", 2.0),
    )
    running.report(attempt(0), {"mean_loss": 1.0})
    running.end(attempt(0), ENDED)
    running.report(attempt(1), {"mean_loss": 0.5})
    assert (best_of(running), running.done) == (("trial_1", 0.5), 1)
    running.report(attempt(1), {"mean_loss": 3.0})
    assert best_of(running) == ("trial_0", 1.0)


def test_a_default_that_comes_first_takes_the_place_of_a_later_one():
    running = RunningBest(None)
    running.report(attempt(0), {"mean_loss": 1.0})
    running.end(attempt(0), ENDED)
    running.report(attempt(1), {"mean_loss": 9.0, "mean_accuracy": 0.1})
    assert (running.objective, best_of(running)) == (
        Objective("mean_accuracy", "max"),
        ("trial_1", 0.1),
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_never_counts(value):
    running = RunningBest(Objective("info.score", "max"))
    running.report(attempt(0), {"info": {"score": value}})
    assert running.best() is None
    running.report(attempt(1), {"info": {"score": -5}})
    assert best_of(running) == ("trial_1", -5)


def test_a_trial_that_failed_is_done_but_not_the_best():
    running = RunningBest(Objective.of("mean_loss"))
    running.report(attempt(0), {"mean_loss": 0.1})
    running.report(attempt(1), {"mean_loss": 0.2})
    running.end(attempt(0), FAILED)
    assert (best_of(running), running.done) == (("trial_1", 0.2), 1)


def test_a_trial_that_is_tried_again_is_not_done():
    running = RunningBest(Objective.of("mean_loss"))
    running.report(attempt(0, 1, max_failures=1), {"mean_loss": 0.1})
    running.end(attempt(0, 1, max_failures=1), FAILED)
    running.begin(attempt(0, 2, max_failures=1))
    running.report(attempt(0, 2, max_failures=1), {"mean_loss": 0.3})
    assert (best_of(running), running.done) == (("trial_0", 0.3), 0)
    running.end(attempt(0, 2, max_failures=1), FAILED)
    assert (best_of(running), running.done) == (None, 1)


def test_the_same_told_twice_changes_nothing():
    running = RunningBest(Objective.of("mean_loss"))
    for _ in range(2):
        running.report(attempt(0), {"mean_loss": 0.1})
        running.end(attempt(0), ENDED)
        running.end(attempt(0), ENDED)
        assert (best_of(running), running.done) == (("trial_0", 0.1), 1)


def test_of_equal_trials_the_first_is_the_best():
    running = RunningBest(Objective.of("mean_accuracy"))
    for index in (2, 0, 1):
        running.report(attempt(index), {"mean_accuracy": 1.0})
        running.end(attempt(index), ENDED)
    assert best_of(running) == ("trial_0", 1.0)


def test_of_a_trial_that_is_tried_again_the_latest_attempt_alone_counts():
    """Also if nothing had failed: a pause has ended the attempt, or its driver has died."""
    running = RunningBest(Objective.of("mean_loss"))
    running.report(attempt(0), {"mean_loss": 0.1})
    running.report(attempt(1), {"mean_loss": 0.2})
    running.end(attempt(0), CANCELLED)
    assert (best_of(running), running.done) == (("trial_0", 0.1), 1)
    running.begin(attempt(0, 2))
    assert (best_of(running), running.done) == (("trial_1", 0.2), 0)
    running.report(attempt(0), {"mean_loss": 0.1})
    running.end(attempt(0), ENDED)
    assert (best_of(running), running.done) == (("trial_1", 0.2), 0)
    running.report(attempt(0, 2), {"mean_loss": 0.15})
    running.begin(attempt(0, 2))
    running.end(attempt(0, 2), ENDED)
    assert (best_of(running), running.done) == (("trial_0", 0.15), 1)


def test_an_attempt_after_lost_ones_takes_back_that_the_trial_had_failed_for_good():
    """Those that were lost are no failures: there may be more attempts than `max_failures` says."""
    running = RunningBest(Objective.of("mean_loss"))
    running.begin(attempt(0, 2, max_failures=1))
    running.end(attempt(0, 2, max_failures=1), FAILED)
    assert running.done == 1
    running.begin(attempt(0, 3, max_failures=1))
    assert running.done == 0


def test_a_member_that_goes_on_from_another_is_not_done():
    running = RunningBest(Objective.of("mean_loss"))
    running.report(attempt(0), {"mean_loss": 0.5})
    running.end(attempt(0), Outcome(TrialState.TERMINATED, EndedBy.EXPLOITED, "rank 8 of 8"))
    assert running.done == 0
    running.begin(attempt(0, 2))
    assert running.best() is None
    running.report(attempt(0, 2), {"mean_loss": 0.7})
    assert best_of(running) == ("trial_0", 0.7)


def test_a_paused_trial_is_done_once_it_is_not_promoted():
    running = RunningBest(Objective.of("mean_loss"))
    running.report(attempt(0), {"mean_loss": 0.5})
    running.end(attempt(0), Outcome(TrialState.TERMINATED, EndedBy.PAUSED, "paused at 1 iteration"))
    assert (running.done, best_of(running)) == (0, ("trial_0", 0.5))
    running.end(attempt(0), Outcome(TrialState.TERMINATED, EndedBy.SCHEDULER, "not promoted"))
    assert (running.done, best_of(running)) == (1, ("trial_0", 0.5))


def test_an_infeasible_trial_is_not_the_best_while_its_latest_report_is_not_allowed():
    running = RunningBest(Objective.of("mean_loss"), [parse_criterion("size", "<= 5")])
    running.report(attempt(0), {"mean_loss": 0.1, "info": {"size": 6}})
    running.report(attempt(1), {"mean_loss": 0.2, "info": {"size": 5}})
    running.report(attempt(2), {"mean_loss": 0.05})
    assert best_of(running) == ("trial_1", 0.2)
    running.end(attempt(0), ENDED)
    running.end(attempt(1), ENDED)
    assert (best_of(running), running.done) == (("trial_1", 0.2), 2)
    running.report(attempt(2), {"mean_loss": 0.05, "info": {"size": 1}})
    assert best_of(running) == ("trial_2", 0.05)


def test_the_metric_is_chosen_among_those_of_infeasible_trials_too():
    """As at the sweep's end: else 'best' would go by one metric first, and then by another."""
    running = RunningBest(None, [parse_criterion("size", "<= 5")])
    running.report(attempt(0), {"mean_accuracy": 0.1, "info": {"size": 6}})
    assert (running.objective, running.best()) == (Objective("mean_accuracy", "max"), None)


def test_of_several_objectives_the_knee_of_the_front_is_the_best():
    running = RunningBest(Objective("acc", "max"), others=[Objective("ms", "min")])
    for index, (acc, ms) in enumerate([(0.5, 1), (0.8, 3), (0.95, 9), (0.99, None)]):
        running.report(attempt(index), {"info": {"acc": acc, "ms": ms}})
        running.end(attempt(index), ENDED)
    assert [each.index for each in running.front()] == [2, 1, 0]
    assert running.best().index == 1
    running.report(attempt(4), {"info": {"acc": 0.9, "ms": 2}})
    assert ([each.index for each in running.front()], running.best().index) == ([2, 4, 0], 4)
    running.end(attempt(4), FAILED)
    assert ([each.index for each in running.front()], running.best().index) == ([2, 1, 0], 1)


def test_one_objective_has_no_front():
    running = RunningBest(Objective("acc", "max"))
    running.report(attempt(0), {"info": {"acc": 1}})
    assert running.front() == []
