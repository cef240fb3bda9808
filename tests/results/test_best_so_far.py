"""How the best became better, and the line on it."""

import pytest

from tune_tasks.model.objective import Objective
from tune_tasks.model.trial import TrialState
from tune_tasks.results.best_so_far import BestSoFar, EndedTrial, Improvement, ended_trial

LOSS = Objective("mean_loss", "min")
TERMINATED, ERROR, RUNNING = TrialState.TERMINATED, TrialState.ERROR, TrialState.RUNNING


def trials(*values):
    return [EndedTrial(index, 0.0, value) for index, value in enumerate(values)]


@pytest.mark.parametrize(
    ("values", "mode", "expected"),
    [
        ([], "min", []),
        ([None, None], "min", []),
        ([3, 4, 2, None, 2, 1], "min", [(1, 0, 3), (3, 2, 2), (6, 5, 1)]),
        ([3, 4, 2, None, 5], "max", [(1, 0, 3), (2, 1, 4), (5, 4, 5)]),
    ],
)
def test_improvements(values, mode, expected):
    best = BestSoFar.of(trials(*values), Objective("m", mode))
    assert list(best.improvements) == [Improvement(*each) for each in expected]


def test_the_order_is_that_of_the_last_reports():
    best = BestSoFar.of([EndedTrial(0, 9.0, 1.0), EndedTrial(1, 5.0, 2.0)], LOSS)
    assert [each.index for each in best.improvements] == [1, 0]


def test_the_line():
    def words(*values):
        return BestSoFar.of(trials(*values), LOSS).words(LOSS, 40)

    assert words() == words(None) == ""
    assert words(3.0, 0.5) == "best ended trial: mean_loss 0.5 (trial 1 of 40)"
    assert words(0.5, 0.5) == "best ended trial: mean_loss 0.5 (trial 0 of 40), 1 has ended since"
    assert words(1, 2, None, 3).endswith("(trial 0 of 40), 3 have ended since")


@pytest.mark.parametrize(
    ("state", "last", "expected"),
    [
        (TERMINATED, {"mean_loss": 1.0, "timestamp": 5.0}, EndedTrial(3, 5.0, 1.0)),
        (ERROR, {"mean_loss": 1.0, "timestamp": 5.0}, EndedTrial(3, 5.0, None)),
        (TERMINATED, {"mean_loss": float("nan"), "timestamp": 5.0}, EndedTrial(3, 5.0, None)),
        (TERMINATED, None, None),
        (RUNNING, {"mean_loss": 1.0, "timestamp": 5.0}, None),
    ],
)
def test_which_trials_count(state, last, expected):
    assert ended_trial(3, state, last, LOSS) == expected


def test_an_infeasible_trial_has_ended_and_is_never_the_best():
    last = {"mean_loss": 1.0, "timestamp": 5.0}
    assert ended_trial(3, TERMINATED, last, LOSS, "size 6 is not <= 5") == EndedTrial(3, 5.0, None)
