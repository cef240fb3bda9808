"""Searches to be shown, of trials of which it is known what matters in them."""

import random
from pathlib import Path

from tune_tasks.model.objective import Objective
from tune_tasks.model.trial import START_UP, TRY_FIRST, EndedBy, TrialState
from tune_tasks.results.summary import ExperimentSummary
from tune_tasks.results.trials import TrialSummary
from tune_tasks.search.dimension import Dimension

LR = Dimension("lr", "lr", "loguniform", (1e-5, 1e-1))
DROPOUT = Dimension("dropout", "dropout", "uniform", (0.0, 0.6))
LOSS = Objective("mean_loss", "min")


def proposer(index):
    """One trial of `try_first`, then 16 to begin with."""
    if index == 0:
        return TRY_FIRST
    return START_UP if index < 17 else "tpe"


def searched_trial(index, point, loss, **given):
    """A trial that has ended after as many seconds as its index says."""
    last = {"timesteps_total": 10, "training_iteration": 9, "timestamp": 100.0 + index}
    fields = {
        "experiment": "exp",
        "name": f"script_{index}",
        "index": index,
        "config": {},
        "searched": {},
        "state": TrialState.TERMINATED,
        "stop_reason": "train() returned",
        "last_result": {**last, "mean_loss": loss},
        "attempts": 1,
        "point": point,
        "proposed_by": proposer(index),
        "ended_by": EndedBy.RETURNED,
    }
    return TrialSummary(**{**fields, **given})


def search(*trials, dimensions=(LR, DROPOUT), objective=LOSS, logdir="/logs"):
    return ExperimentSummary(
        "exp", list(trials), Path(logdir), objective, dimensions=dimensions, search="tpe"
    )


def drawn_trials(count, loss, dimensions=(LR, DROPOUT), **given):
    """Random trials, with what `loss` says of their points."""
    rng = random.Random(3)
    for index in range(count):
        point = {each.name: each.scale.at(rng.random()) for each in dimensions}
        yield searched_trial(index, point, loss(point), **given)
