"""Small experiments to sum up."""

from pathlib import Path

from tune_tasks.model.objective import Objective
from tune_tasks.model.trial import TrialState
from tune_tasks.results.ranking import objective_of
from tune_tasks.results.summary import ExperimentSummary, Summary
from tune_tasks.results.trials import TrialSummary

TERMINATED, ERROR, PENDING = TrialState.TERMINATED, TrialState.ERROR, TrialState.PENDING


def trial(index, state=TERMINATED, *, info=None, **metrics):
    result = None
    if metrics or info:
        result = {"timesteps_total": 10, **metrics}
    if info:
        result["info"] = info
    return TrialSummary(
        experiment="exp",
        name=f"script_{index}_lr={index}",
        index=index,
        config={"lr": index, "fixed": 1},
        searched={"lr": index},
        state=state,
        stop_reason=None if state is PENDING else "train() returned",
        last_result=result,
        logdir=f"/logs/{index}",
        error="Traceback …\nValueError: bad" if state is ERROR else None,
    )


def experiment(*trials, name="exp", metric=None, mode=None, **keys):
    objective = objective_of(Objective.of_spec(metric, mode), trials)
    return ExperimentSummary(name, list(trials), Path("/logs"), objective, **keys)


def summary(*experiments):
    return Summary("a-sweep", list(experiments))
