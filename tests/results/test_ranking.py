"""Which trial is the best, and by which metric."""

import math
from dataclasses import replace

import pytest

from tests.results.samples import ERROR, PENDING, TERMINATED, experiment, summary, trial
from tune_tasks.model.objective import Objective
from tune_tasks.results.leaderboard import headline, leaderboard
from tune_tasks.results.words import report_lines


@pytest.mark.parametrize(
    ("trials", "metric", "mode", "chosen"),
    [
        ([], None, None, (None, "max")),
        ([trial(0)], None, None, (None, "max")),
        ([trial(0, mean_loss=1)], None, None, ("mean_loss", "min")),
        ([trial(0, mean_loss=1, mean_accuracy=1)], None, None, ("mean_accuracy", "max")),
        ([trial(0, mean_loss=1), trial(1, episode_reward_mean=1, mean_accuracy=1)], None, None, ("episode_reward_mean", "max")),
        ([trial(0, mean_loss=1, mean_accuracy=math.nan)], None, None, ("mean_loss", "min")),
        ([trial(0, mean_loss=1)], "my_metric", None, ("my_metric", "max")),
        ([trial(0, mean_loss=1)], "val_loss", None, ("val_loss", "min")),
        ([trial(0, mean_loss=1)], "val_loss", "max", ("val_loss", "max")),
        ([], "my_metric", "min", ("my_metric", "min")),
    ],
)  # fmt: skip
def test_the_metric_that_best_goes_by(trials, metric, mode, chosen):
    found = experiment(*trials, metric=metric, mode=mode)
    assert (found.metric, found.mode) == chosen


@pytest.mark.parametrize(
    ("trials", "keys", "best"),
    [
        (
            [trial(0, mean_accuracy=0.5), trial(1, mean_accuracy=0.9), trial(2, mean_accuracy=0.7)],
            {},
            1,
        ),
        ([trial(0, mean_loss=0.5), trial(1, mean_loss=0.1), trial(2, mean_loss=0.7)], {}, 1),
        ([trial(0, info={"m": 3}), trial(1, info={"m": 1})], {"metric": "m", "mode": "min"}, 1),
        ([trial(0, mean_loss=1), trial(1, mean_loss=1)], {}, 0),
        ([trial(0, mean_accuracy=1), trial(1, mean_accuracy=1)], {}, 0),
        (
            [
                trial(0, mean_loss=math.nan),
                trial(1, mean_loss=-math.inf),
                trial(2, mean_loss=5),
                trial(3),
            ],
            {},
            2,
        ),
        ([trial(0, ERROR, mean_loss=0.1), trial(1, mean_loss=5)], {}, 1),
        ([trial(0, ERROR, mean_loss=0.1)], {}, None),
        ([trial(0), trial(1)], {}, None),
        ([trial(0, mean_loss=1)], {"metric": "never"}, None),
        ([], {}, None),
    ],
)
def test_best(trials, keys, best):
    made = experiment(*trials, **keys)
    assert (made.best().index if made.best() else None) == best
    assert (
        summary(made).best() == summary(experiment(name="other"), made).best("exp") == made.best()
    )
    assert summary(made).best("no such") is None


def test_an_infeasible_trial_is_never_the_best():
    made = experiment(trial(0, mean_loss=1), replace(trial(1, mean_loss=0), infeasible="size 9"))
    assert made.best().index == 0
    assert [each.index for each in made.infeasible] == [1]
    assert [each.index for each in made.ranking()] == [0, 1]
    assert experiment(*made.trials[1:]).best() is None


def of_two(*trials):
    """By accuracy and by latency."""
    first, other = Objective("mean_accuracy", "max"), Objective("ms", "min")
    return replace(experiment(*trials, metric=first.metric), others=(other,))


def of(index, accuracy, ms, state=TERMINATED):
    return trial(index, state, mean_accuracy=accuracy, info={"ms": ms})


def test_of_several_objectives_the_best_is_the_knee_of_the_front():
    made = of_two(of(0, 0.5, 1), of(1, 0.9, 2), of(2, 0.95, 9), of(3, 0.8, 3))
    assert [each.index for each in made.front()] == [2, 1, 0]
    assert made.best().index == 1
    assert made.best_words() == "mean_accuracy 0.9, ms 2"
    assert [each.index for each in made.ranking()] == [1, 0, 2, 3]


def test_what_has_failed_is_infeasible_or_lacks_a_value_is_not_on_the_front():
    made = of_two(
        of(0, 0.9, 1, ERROR),
        replace(of(1, 0.9, 1), infeasible="ms 1 is not < 1"),
        trial(2, mean_accuracy=0.99),
        of(3, 0.5, 5),
        of(4, 0.9, math.nan),
    )
    assert [each.index for each in made.front()] == [3]
    assert made.best().index == 3
    assert of_two(*made.trials[:3]).best() is None
    assert experiment(*made.trials).front() == []


def test_one_objective_has_no_front_in_the_document():
    shown = summary(of_two(of(0, 0.5, 1), of(1, 0.9, 2))).as_json()["experiments"]["exp"]
    assert (shown["objectives"], shown["front"]) == ({"mean_accuracy": "max", "ms": "min"}, [1, 0])
    shown = summary(experiment(trial(0, mean_loss=1))).as_json()["experiments"]["exp"]
    assert (shown["objectives"], shown["front"]) == ({"mean_loss": "min"}, [])


def test_the_leaderboard_marks_the_front_and_its_knee():
    made = of_two(of(0, 0.5, 1), of(1, 0.9, 2), of(2, 0.95, 9), of(3, 0.8, 3), trial(4, PENDING))
    marks = [row["front"] for row in leaderboard(made).rows]
    assert marks == ["knee", "front", "front", "", ""]
    assert headline(made) == "4/5 done, best mean_accuracy 0.9, ms 2, 3 on the front"


def test_the_words_at_the_end_have_the_front():
    lines = list(report_lines(summary(of_two(of(0, 0.5, 1), of(1, 0.9, 2)))))
    assert lines[1].endswith(
        "_lr=0 with mean_accuracy 0.5, ms 1, the knee of the front of 2 trials"
    )
    assert lines[3:6] == [
        "  front:",
        "    script_1_lr=1:\tmean_accuracy 0.9, ms 2",
        "    script_0_lr=0:\tmean_accuracy 0.5, ms 1",
    ]
