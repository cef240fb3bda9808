"""The leaderboard: order, columns, one line, and what it folds."""

import dataclasses
from pathlib import Path

import pytest

from tune_tasks.model.objective import Objective
from tune_tasks.model.trial import TrialState
from tune_tasks.results.budget_use import BudgetUse
from tune_tasks.results.leaderboard import headline, leaderboard
from tune_tasks.results.summary import ExperimentSummary
from tune_tasks.results.trials import TrialSummary

RUNNING, TERMINATED, ERROR, PENDING = (
    TrialState.RUNNING,
    TrialState.TERMINATED,
    TrialState.ERROR,
    TrialState.PENDING,
)


def trial(index, state=TERMINATED, accuracy=None, **fields):
    row = (
        None
        if accuracy is None
        else {"timesteps_total": 10 * index, "mean_accuracy": accuracy, "mean_loss": 1 - accuracy}
    )
    return TrialSummary("exp", f"trial {index}", index, {}, {}, state, last_result=row, **fields)


def experiment(*trials):
    return ExperimentSummary("exp", list(trials), Path("/logs"), Objective("mean_accuracy", "max"))


MIXED = experiment(
    trial(0, ERROR, 0.99, error="Traceback\nValueError: bad"),
    trial(1, PENDING),
    trial(2, RUNNING),
    trial(
        3,
        TERMINATED,
        0.5,
        stop_reason="train() returned",
        elapsed_s=59.6,
        mlflow_url="http://mlflow/run",
    ),
    trial(4, RUNNING, 0.75, elapsed_s=3700, mlflow_run_id="abc"),
    trial(5),
)


def test_best_first_then_what_runs_waits_ended_without_a_value_and_failed():
    assert [row["trial"] for row in leaderboard(MIXED).rows] == [
        f"trial {index}" for index in (4, 3, 2, 1, 5, 0)
    ]
    least = ExperimentSummary("exp", MIXED.trials, Path("/logs"), Objective("mean_accuracy", "min"))
    assert [row["trial"] for row in leaderboard(least).rows][:2] == ["trial 3", "trial 4"]


def test_a_row():
    rows = {row["trial"]: row for row in leaderboard(MIXED).rows}
    assert rows["trial 3"] == {
        "trial": "trial 3",
        "state": "TERMINATED",
        "mean_accuracy": "0.5",
        "mean_loss": "0.5",
        "timesteps": 30,
        "elapsed": "1 min 00 s",
        "why it ended": "train() returned",
        "MLflow": "[run](http://mlflow/run)",
    }
    assert (rows["trial 4"]["elapsed"], rows["trial 4"]["MLflow"]) == ("1 h 01 min", "abc")
    assert rows["trial 0"]["why it ended"] == "ValueError: bad"
    assert rows["trial 1"] == dict.fromkeys(rows["trial 1"], "") | {
        "trial": "trial 1",
        "state": "PENDING",
    }


def test_texts_of_users_are_cut():
    long = TrialSummary("exp", "x" * 5_000, 7, {}, {}, ERROR, error="ValueError: " + "y" * 5_000)
    row = leaderboard(experiment(long)).rows[0]
    assert (row["trial"], row["why it ended"]) == (
        "x" * 197 + "…_7",
        "ValueError: ".ljust(199, "y") + "…",
    )


def test_one_line_and_progress():
    assert headline(MIXED) == "3/6 done, best mean_accuracy 0.75, 2 running, 1 failed"
    assert leaderboard(MIXED).progress == 50
    assert headline(experiment(trial(0, PENDING))) == "0/1 done"


def test_the_line_has_how_far_a_budget_is_used():
    use = BudgetUse("1.2 of 6 h", 17_000.0)
    waits = dataclasses.replace(experiment(trial(0, PENDING)), budget=use)
    assert headline(waits) == "0/1 done, budget: 1.2 of 6 h"
    over = dataclasses.replace(use, used_up="budget: 6 h are over")
    assert headline(dataclasses.replace(waits, budget=over)) == "0/1 done, budget: 6 h are over"


def test_a_long_list_keeps_the_best_what_runs_and_what_failed():
    done = [trial(index, TERMINATED, index / 1000) for index in range(400)]
    rows = leaderboard(
        experiment(
            *done,
            *(trial(i, RUNNING) for i in range(400, 440)),
            *(trial(i, ERROR) for i in range(440, 500)),
        )
    ).rows
    names = [row["trial"] for row in rows]
    assert names[:50] == [f"trial {index}" for index in range(399, 349, -1)]
    assert names[50:100] == [f"trial {index}" for index in [*range(400, 425), *range(440, 465)]]
    assert rows[100:] == [
        dict.fromkeys(rows[0], "")
        | {"trial": "… 400 more", "state": "15 RUNNING, 350 TERMINATED, 35 ERROR"}
    ]


def test_trials_that_are_not_listed_are_counted():
    listed = [trial(0, TERMINATED, 0.5), *(trial(1 + i, PENDING) for i in range(100))]
    whole = experiment(*listed, *(trial(101 + i, PENDING) for i in range(900)))
    some = dataclasses.replace(experiment(*listed), unlisted=900)
    assert leaderboard(some) == leaderboard(whole)
    assert headline(some) == headline(whole) == "1/1001 done, best mean_accuracy 0.5"


@pytest.mark.parametrize("count", [1, 100])
def test_a_short_list_is_whole(count):
    assert len(leaderboard(experiment(*(trial(i) for i in range(count)))).rows) == count


def test_a_metric_takes_no_column_of_ours():
    row = {"timesteps_total": 1, "info": {"state": 3.0, "trial": 7.0}}
    one = TrialSummary("exp", "name", 0, {}, {}, TERMINATED, last_result=row)
    shown = leaderboard(
        ExperimentSummary("exp", [one], Path("/logs"), Objective("state", "max"))
    ).rows[0]
    assert (shown["trial"], shown["state"], shown["info/state"], shown["info/trial"]) == (
        "name",
        "TERMINATED",
        "3",
        "7",
    )
