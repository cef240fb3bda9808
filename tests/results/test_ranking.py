"""Which trial is the best, and by which metric."""

import math
from dataclasses import replace

import pytest

from tests.results.samples import ERROR, experiment, summary, trial


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
