"""The ends of a sweep's flow runs: what a driver tells Prefect, or whoever finds that it has not.

A driver cannot tell how its sweep has ended if it dies, or if Prefect's server is away then. What
is told later comes from the journal and the files.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from tune_tasks.model.text import one_line
from tune_tasks.model.trial import attempt_name
from tune_tasks.results.summary import Summary
from tune_tasks.sweep.dead_drivers import close_flow_runs, end_flow_run, running_flow_runs
from tune_tasks.sweep.past import PastSweep
from tune_tasks.sweep.task_runs import TaskRuns
from tune_tasks.trial.task import run_trial

DIED = "its driver has died"


def end_state(summary: Summary) -> State[Any]:
    """The state in which a sweep that has come to its end leaves its flow run."""
    said = summary.one_line()
    if summary.interrupted:
        return Cancelled(message=f"Interrupted: {said}")
    if summary.ended_well:
        return Completed(message=said)
    return Failed(message=said)


def untold_flow_runs(past: PastSweep) -> list[str]:
    """The flow runs of a sweep that run for Prefect, although no driver has the sweep in hand.

    Raises:
        ServiceError: If the server does not answer.
    """
    return running_flow_runs({d.flow_run_id: d.time for d in past.history.drivers()})


def tell_ends(past: PastSweep, flow_run_ids: Collection[str], died: str = DIED) -> None:
    """Have Prefect know how flow runs of a sweep have ended. Raises nothing if it is away.

    Args:
        past: The sweep, which no driver has in hand.
        flow_run_ids: Those of its flow runs that have not ended for Prefect.
        died: What to say of those whose driver has died.
    """
    last = past.history.drivers()[-1].flow_run_id
    close_flow_runs([run for run in flow_run_ids if run != last], died)
    if last not in flow_run_ids:
        return
    _tell_task_runs(past, last)
    summary = past.summary()
    if past.is_dead and summary.ended_early:
        close_flow_runs([last], died)
    else:
        end_flow_run(last, end_state(summary))


def _tell_task_runs(past: PastSweep, flow_run_id: str) -> None:
    task_runs = TaskRuns(flow_run_id)
    for attempt in past.ended(flow_run_id):
        info = attempt.info
        if info.task_run_id:
            trial = info.trial
            task = run_trial.with_options(tags=[one_line(trial.experiment), trial.alg])
            name = attempt_name(trial, info.attempt)
            task_runs.ended(name, task, UUID(info.task_run_id), attempt.outcome)
    task_runs.tell_missing()
