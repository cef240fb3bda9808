"""The Prefect tasks of a trial's process: `run_trial`, and `monitor` in a thread beside it."""

from __future__ import annotations

import contextlib
import contextvars
import copy
import functools
import logging
import os
import socket
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.context import TaskRunContext
from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger
from prefect.logging.handlers import APILogWorker
from prefect.logging.loggers import PrefectLogAdapter
from prefect.settings import PREFECT_UI_URL
from prefect.states import Cancelled, Completed, Failed
from prefect.task_engine import run_task_sync

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.disk import TAKES_NOTHING
from tune_tasks.model.failure import Failure
from tune_tasks.model.files import AttemptPaths, trial_folder
from tune_tasks.model.timeouts import LOG_FLUSH_S
from tune_tasks.model.trial import EndedBy, Outcome, TrialState
from tune_tasks.recording.client import RecorderClient
from tune_tasks.servers.mlflow_client import run_page
from tune_tasks.trial.attempt import Assignment, run_train
from tune_tasks.trial.fetching import Depots
from tune_tasks.trial.interrupter import Interrupter
from tune_tasks.trial.log_capture import LogCapture
from tune_tasks.trial.monitor import Monitor
from tune_tasks.trial.recorder_depot import RecorderDepot
from tune_tasks.trial.recorder_link import RecorderLink
from tune_tasks.trial.reports import TrialReports
from tune_tasks.trial.restoring import Restored, restore
from tune_tasks.trial.storage_depot import StorageDepot


@task(name="run_trial", task_run_name="{name}", cache_policy=NO_CACHE, retries=0)
def run_trial(name: str, assignment: Assignment, recorder: RecorderClient) -> State[dict[str, Any]]:
    """Run one attempt of a trial, in a Ray worker.

    `train()` has the worker's main thread, the monitor a second one.

    Args:
        name: The trial's name, and the task run's.
        assignment: What to run.
        recorder: The sweep's recorder.

    Returns:
        Completed, with the name "Stopped" if `train()` did not end by itself; Cancelled; or Failed.
        The message is the reason, the data hold the Outcome.
    """
    paths = AttemptPaths(assignment.folder)
    logger = _logger()
    with contextlib.ExitStack() as stack:
        try:
            paths.create(assignment.trial.config)
            log = stack.enter_context(LogCapture(paths.log, logger))
            restored = _restored(assignment, paths, recorder)
            reports = TrialReports(
                assignment.trial,
                paths.results,
                uuid.uuid4().hex,
                restored,
                assignment.milestones,
            )
        except OSError as exc:
            return unbegun_state(paths, exc)
        info = _announcement(assignment, restored)
        link = RecorderLink(recorder, paths, _storage(assignment, restored))
        outcome = _run_watched(assignment, info, reports, paths, link, log)
        log.forward(last=True)
    if outcome.error:
        logger.error("%s", outcome.error)
    if log.lines or outcome.error:
        _flush_logs()
    return final_state(outcome)


def _restored(
    assignment: Assignment, paths: AttemptPaths, recorder: RecorderClient
) -> Restored | None:
    """Prepare the attempt's files, in a thread: it may have to ask the recorder (`RayRecorder`)."""
    if assignment.checkpoint is None:
        return restore(paths, assignment.attempt, None)
    depot = RecorderDepot(recorder, f"{assignment.trial.key}/{assignment.attempt}")
    depots = Depots(_storage(assignment) or depot, depot)
    with ThreadPoolExecutor(1, "restoring") as thread:
        return thread.submit(
            restore, paths, assignment.attempt, assignment.checkpoint, depots
        ).result()


def _storage(assignment: Assignment, restored: Restored | None = None) -> StorageDepot | None:
    if assignment.storage is None:
        return None
    return StorageDepot(
        assignment.storage,
        trial_folder(assignment.folder, assignment.attempt),
        assignment.attempt,
        assignment.trial.checkpoint,
        restored.ref if restored else None,
    )


def _run_watched(
    assignment: Assignment,
    info: AttemptInfo,
    reports: TrialReports,
    paths: AttemptPaths,
    link: RecorderLink,
    log: LogCapture,
) -> Outcome:
    interrupter = _interrupter()
    watch = Monitor(
        info, reports, paths, link, interrupt=interrupter.interrupt, forward_log=log.forward
    )
    thread = threading.Thread(
        target=contextvars.copy_context().run,
        args=(_watch, watch, info.task_run_id),
        name="monitor",
        daemon=True,
    )
    thread.start()
    watch.wait_until_ready()
    page = run_page(watch.environment)
    if page:
        _logger().info("MLflow run: %s", page)
    outcome = run_train(assignment, reports, interrupter, watch.environment)
    try:
        paths.write_outcome(outcome)
    except OSError as exc:
        # No reason to fail: the recorder and the task run's state say the same.
        logging.getLogger(__name__).warning("%s: %s", paths.outcome, exc)
    watch.finish(outcome)
    thread.join()
    return watch.outcome or outcome


def _watch(watch: Monitor, task_run_id: str) -> None:
    """The body of the monitor's thread.

    The monitor runs as a Prefect task, so that users see it. It runs without one if Prefect cannot
    do that: no trial stays unwatched.
    """
    try:
        if task_run_id:
            run_task_sync(
                monitor,
                task_run_id=monitor_id(uuid.UUID(task_run_id)),
                parameters={"name": watch.name, "watch": watch},
            )
    except Exception as exc:  # noqa: BLE001 - no trial stays unwatched: see above
        logging.getLogger(__name__).warning("the monitor runs without a task run: %s", exc)
    if not watch.ended:
        watch.run()


def imported() -> None:
    """Do nothing. To find this function Ray imports the module, with all that a trial needs."""


def monitor_id(task_run_id: uuid.UUID) -> uuid.UUID:
    """The id of the monitor's task run.

    It follows from the trial's, because the driver has to close both if the process dies.
    """
    return uuid.uuid5(task_run_id, "monitor")


@task(name="monitor", task_run_name="monitor {name}", cache_policy=NO_CACHE, retries=0)
def monitor(name: str, watch: Monitor) -> State[None]:
    """Enforce the stop criteria of one attempt, in a thread of its process."""
    return Completed(message=watch.run())


_NAMES = {EndedBy.RETURNED: "Completed", EndedBy.PAUSED: "Paused"}


def final_state(outcome: Outcome) -> State[dict[str, Any]]:
    """The Prefect state for an outcome."""
    data = {"outcome": outcome.to_json()}
    if outcome.state is TrialState.ERROR:
        return Failed(message=outcome.error_summary, data=data)
    if outcome.ended_by is EndedBy.CANCELLED:
        return Cancelled(message=outcome.stop_reason, data=data)
    name = _NAMES.get(outcome.ended_by, "Stopped")
    return Completed(name=name, message=outcome.stop_reason, data=data)


def unbegun_state(paths: AttemptPaths, problem: OSError) -> State[dict[str, Any]]:
    """The Prefect state of an attempt whose files could not be made.

    Nobody has watched the attempt, and the recorder does not know it. If the disk takes nothing
    the driver starts the trial again once it does, and the trial is not an error.
    """
    cause = f"the trial's files cannot be made in {paths.folder}: {problem.strerror or problem}"
    if problem.errno in TAKES_NOTHING:
        outcome = Outcome(TrialState.ERROR, EndedBy.NO_SPACE, cause, cause)
        return Cancelled(
            message=f"{outcome.error_summary}; it is started again",
            data={"outcome": outcome.to_json()},
        )
    failure = Failure.of(problem)
    outcome = Outcome.failed(failure, cause, 0)
    return Failed(message=outcome.error_summary, data={"unbegun": outcome.to_json()})


def _announcement(assignment: Assignment, restored: Restored | None) -> AttemptInfo:
    import ray

    context = TaskRunContext.get()
    task_run_id = str(context.task_run.id) if context else ""
    ui = PREFECT_UI_URL.value()
    return AttemptInfo(
        # User code may change its config while the monitor's thread sends this.
        trial=copy.deepcopy(assignment.trial),
        attempt=assignment.attempt,
        folder=assignment.folder,
        pid=os.getpid(),
        hostname=socket.gethostname(),
        node=ray.get_runtime_context().get_node_id(),
        task_run_id=task_run_id,
        task_run_url=f"{ui}/runs/task-run/{task_run_id}" if ui and task_run_id else "",
        started_at=time.time(),
        restored_from=restored.ref if restored else None,
    )


@functools.cache
def _interrupter() -> Interrupter:
    """The process's only interrupter, because its signal handler is installed for good."""
    return Interrupter()


def _logger() -> logging.LoggerAdapter[Any]:
    """The task run's logger, which is not in the tree of loggers; a silent one without Prefect.

    It tells Prefect what the script has printed. If the logger were in the tree, and the script
    logged to the console, these lines would be printed once more and logged again, without end. And
    a script that configures logging may disable every logger of the tree.
    """
    apart = logging.Logger("prefect.task_runs", logging.INFO)
    try:
        adapter: Any = get_run_logger()
    except MissingContextError:
        apart.addHandler(logging.NullHandler())
        return logging.LoggerAdapter(apart, {})
    apart.handlers = list(logging.getLogger(apart.name).handlers)
    return PrefectLogAdapter(apart, adapter.extra)


def _flush_logs() -> None:
    """Send the trial's lines before its task run ends.

    Prefect's thread sends them every two seconds. Nothing sends the last ones if Ray ends the
    worker, which it may do at any time between two trials.
    """
    with contextlib.suppress(Exception):
        APILogWorker.drain_all(timeout=LOG_FLUSH_S, at_exit=False)
