"""Runs a sweep in this process, from a request to a summary.

Prefect's server, Ray and the imports are started side by side; then the flow runs.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tune_tasks.cluster.nodes import local_cluster
from tune_tasks.errors import ServiceError, UsageError
from tune_tasks.model.disk import expect_writable
from tune_tasks.results.summary import Summary
from tune_tasks.servers.mlflow_client import default_tracking_uri, expect_usable
from tune_tasks.servers.prefect import prefect_server
from tune_tasks.sweep.beginning import beginning_of, folder_elsewhere
from tune_tasks.sweep.journal import expect_free
from tune_tasks.sweep.own_searchers import own_searchers
from tune_tasks.sweep.plan import Plan
from tune_tasks.sweep.request import Request, Session, after_the_sweep, session_of_flow

if TYPE_CHECKING:
    from prefect import Flow

AsFlow = Callable[[Request], "tuple[Flow[..., Any], dict[str, Any]]"]
"""Which flow a request is run as, and with which parameters; called when Ray is there."""

_FLUSH_S = 10.0
_RETRIES = 2
_BAD_MOMENTS = {HTTPStatus.INTERNAL_SERVER_ERROR.value, HTTPStatus.GATEWAY_TIMEOUT.value}


def launch(request: Request, session: Session, as_flow: AsFlow) -> Summary:
    """Run a sweep as a flow run of this process. Everything that can be checked first is.

    Args:
        request: What to run.
        session: What its caller holds.
        as_flow: Which flow it is a run of: `flows.as_tune` or `flows.as_train`.

    Raises:
        BadInputError: If the request is wrong.
        ServiceError: If Prefect or Ray cannot be started or reached.
    """
    session.plan = check(request, session)
    problem = None
    try:
        problem = _launched(request, session, as_flow)
    except (Exception, KeyboardInterrupt) as exc:
        if session.summary is None:
            raise
        session.display.warn(after_the_sweep(exc))
    if session.summary is None:
        raise session.error or ServiceError(f"the flow run did not come to its end: {problem}")
    if problem:
        session.display.warn(
            f"Prefect was not told how the sweep ended ({problem});"
            f" `tune-tasks sync {session.summary.sweep}` tells it once the server is back"
        )
    return session.summary


def _launched(request: Request, session: Session, as_flow: AsFlow) -> str | None:
    """Start what a sweep needs, and run the flow; returns what hindered it."""
    with prefect_server(session.display.warn) as wait_for_prefect:
        from tune_tasks.cluster.connect import connect, warm_up
        from tune_tasks.recording.actor import start_recorder
        from tune_tasks.sweep.preparation import ray_options

        with connect(ray_options(request)) as cluster:
            cwd = Path.cwd()
            session.request = request
            recorder = start_recorder(default_tracking_uri(cwd), cwd, cpus=cluster.cpu)
            session.recorder = recorder
            warm_up(cluster)
            address = wait_for_prefect()
            signs_in = " (`tune-tasks ui` signs a browser in, once)" if address.sign_in_url else ""
            session.display.note(f"Prefect: {address.ui_url}{signs_in}")
            token = session_of_flow.set(session)
            try:
                with _quiet_prefect(request.verbose):
                    problem = _problem_of(*as_flow(request))
                    _send_what_is_left()
            finally:
                session_of_flow.reset(token)
                # Prefect's threads keep copies of the context, and the session in it, as long as
                # this process lives.
                session.plan = None
                recorder.release()
    return problem


def _problem_of(flow: Flow[..., Any], parameters: dict[str, Any]) -> str | None:
    """Run the flow; returns what hindered it, if it was neither the sweep nor its trials."""
    from prefect.settings import (
        PREFECT_CLIENT_MAX_RETRIES,
        PREFECT_CLIENT_RETRY_EXTRA_CODES,
        temporary_settings,
    )

    # By default a Prefect that is away is waited for a minute; trials and driver wait for seconds.
    # By default Prefect's client asks again after a 502 or a 503 only; a proxy may also answer with
    # a 500 or a 504, which must not end a sweep.
    patience = {
        PREFECT_CLIENT_MAX_RETRIES: _RETRIES,
        PREFECT_CLIENT_RETRY_EXTRA_CODES: PREFECT_CLIENT_RETRY_EXTRA_CODES.value() | _BAD_MOMENTS,
    }
    try:
        with temporary_settings(patience):
            state: Any = flow(**parameters, return_state=True)
    except Exception as exc:  # noqa: BLE001 - the sweep's summary stands without a Prefect that has gone
        return f"{type(exc).__name__}: {exc}"
    return f"{state.name}: {state.message}" if state.is_crashed() else None


def check(request: Request, session: Session) -> Plan:
    """Check everything that can be seen without starting anything; returns the plan.

    Raises:
        BadInputError: If anything is wrong.
    """
    elsewhere = folder_elsewhere(request)
    if elsewhere:
        raise UsageError(
            f"the sweep that is to be resumed began in the working directory {elsewhere}, to which"
            " its files are relative: resume it from there"
        )
    session.beginning = session.beginning or beginning_of(request)
    if session.beginning.earlier:
        expect_free(session.beginning.path)
    plan = session.beginning.plan(session.callables, session.spec_text)
    own_searchers(plan, session.searcher)
    is_connected = "ray" in sys.modules and sys.modules["ray"].is_initialized()
    if request.ray_address is None and not is_connected:
        plan.expect_to_fit(local_cluster(request.num_cpus, request.num_gpus))
    expect_writable(request.results)
    expect_usable(default_tracking_uri(Path.cwd()))
    if session.beginning.earlier is None:
        plan.expect_storages()
    return plan


def _send_what_is_left() -> None:
    """Have Prefect send its logs and events: at the process's end our server is gone."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    APILogWorker.drain_all(timeout=_FLUSH_S)
    EventsWorker.drain_all(timeout=_FLUSH_S)


@contextlib.contextmanager
def _quiet_prefect(verbose: bool) -> Iterator[None]:
    """Keep what Prefect logs from the console; the server has it all the same."""
    from prefect.logging.configuration import ensure_logging_setup
    from prefect.logging.handlers import PrefectConsoleHandler

    ensure_logging_setup()
    loggers = [
        logging.getLogger(),
        *(x for x in logging.Logger.manager.loggerDict.values() if isinstance(x, logging.Logger)),
    ]
    handlers = {h for x in loggers for h in x.handlers if isinstance(h, PrefectConsoleHandler)}
    levels = {handler: handler.level for handler in handlers}
    for handler in handlers if not verbose else ():
        handler.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for handler, level in levels.items():
            handler.setLevel(level)
