"""The flow of a sweep: plan, connect, run the sweep, summarize. Runs in the driver."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import Abort, Pause
from prefect.logging import get_run_logger
from prefect.settings import PREFECT_API_URL
from prefect.states import Cancelled, Failed

from tune_tasks.cluster.connect import connect
from tune_tasks.cluster.nodes import Cluster
from tune_tasks.errors import TuneError, UsageError
from tune_tasks.model.disk import expect_writable
from tune_tasks.model.text import cut_lines, showable
from tune_tasks.recording.actor import start_recorder
from tune_tasks.results.summary import Summary
from tune_tasks.servers.mlflow_client import default_tracking_uri, expect_usable
from tune_tasks.sweep.asking import Asker, proposers
from tune_tasks.sweep.attempts import Attempts
from tune_tasks.sweep.beginning import Beginning, beginning_of
from tune_tasks.sweep.closing import Views
from tune_tasks.sweep.core import Core
from tune_tasks.sweep.core_experiments import core_experiments
from tune_tasks.sweep.dead_drivers import close_task_runs, open_flow_runs, open_task_runs
from tune_tasks.sweep.display import Display, make_display
from tune_tasks.sweep.driver import Sweep
from tune_tasks.sweep.driver_parts import DriverParts, Watches
from tune_tasks.sweep.flow_run_ends import DIED, end_state, tell_ends
from tune_tasks.sweep.history import History
from tune_tasks.sweep.interruption import Interruption, interruptible
from tune_tasks.sweep.journal import HeldError
from tune_tasks.sweep.own_searchers import own_searchers
from tune_tasks.sweep.past import PastSweep
from tune_tasks.sweep.plan import Plan
from tune_tasks.sweep.preparation import (
    KeptCode,
    announce,
    expect_in_reach,
    flow_run_id,
    is_deployed,
    launches,
    name_flow_run,
    ray_options,
    sweep_info,
)
from tune_tasks.sweep.records import Records
from tune_tasks.sweep.request import Request, Session, after_the_sweep, session_of_flow
from tune_tasks.sweep.resume import Taken, records_of, take
from tune_tasks.sweep.run_view import RunView
from tune_tasks.sweep.run_watch import RunWatch
from tune_tasks.sweep.search_checks import expect_plain_choice
from tune_tasks.sweep.space import SpaceWatch
from tune_tasks.sweep.status import StatusView
from tune_tasks.sweep.tasks import parse_spec, summarize
from tune_tasks.tracking.info import SweepInfo
from tune_tasks.tracking.mlflow_renaming import renamed, renaming_note

logger = logging.getLogger(__name__)


def execute(request: Request) -> State[Any]:
    """Run a sweep; returns the flow run's final state."""
    session = session_of_flow.get(None) or Session(display=make_display("classic", sys.stdout))
    display = session.display
    session.display = _Logged(display)
    if session.warning:
        get_run_logger().warning("%s", session.warning)
    try:
        with interruptible() as interruption:
            summary = _run(session.requested(request), session, interruption)
            if summary is None or summary.interrupted:
                return _cancelled(summary, interruption)
    except TuneError as exc:
        session.error = exc
        return Failed(message=showable(str(exc)))
    except Exception as exc:
        session.error = exc
        raise
    finally:
        display.close()
        # What the caller prints from now on must not reach the flow run's logs.
        session.display = display
    return end_state(summary)


class _Logged(Display):
    """A display whose notes and warnings are in the flow run's logs, too.

    Nobody sees the console of a deployment's run.
    """

    def __init__(self, display: Display) -> None:
        self._display = display
        self._logger = get_run_logger()

    def show(self, view: StatusView) -> None:
        """See `Display`."""
        self._display.show(view)

    def note(self, text: str) -> None:
        """See `Display`."""
        self._display.note(text)
        self._logger.info("%s", showable(text))

    def warn(self, text: str) -> None:
        """See `Display`."""
        self._display.warn(text)
        self._logger.warning("%s", cut_lines(text))


def _cancelled(summary: Summary | None, interruption: Interruption) -> State[Any]:
    if interruption.is_supervised and _is_cancelling():
        raise Abort("the run is cancelled: its worker or runner sets the final state")
    return end_state(summary) if summary else Cancelled(message="Interrupted: no trial was started")


def _is_cancelling() -> bool:
    try:
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(UUID(flow_run_id())).state
    except Exception as exc:  # noqa: BLE001 - a Prefect that is away learns of the end later, or never
        logger.warning("Prefect: cannot read the flow run's state: %s", exc)
        return False
    return state is not None and state.is_cancelling()


def _run(request: Request, session: Session, interruption: Interruption) -> Summary | None:
    """Run the sweep; returns None if it was interrupted before any trial was started."""
    try:
        return _planned_and_run(request, session, interruption)
    except Exception as exc:
        if session.summary is None:
            raise
        session.display.warn(after_the_sweep(exc))
        return session.summary


def _planned_and_run(
    request: Request, session: Session, interruption: Interruption
) -> Summary | None:
    deployed_run = flow_run_id() if is_deployed() else ""
    _expect_usable(request)
    # Only Prefect's Retry gives failed trials another attempt.
    retried_run = "" if session.going_on else deployed_run
    beginning = session.beginning or beginning_of(request, retried_run)
    left = open_task_runs(deployed_run) if beginning.earlier and deployed_run else []
    plan = _parsed(beginning, session)
    if beginning.earlier is None and session.plan is None:
        plan.expect_storages()
    expect_plain_choice(plan, session.scheduler)
    own_searchers(plan, session.searcher)
    code = {experiment.name: KeptCode.of(experiment.trainable) for experiment in plan.experiments}
    announce(plan, code, beginning.earlier, session.display)
    with (
        connect(ray_options(request)) as cluster,
        closing(RunWatch(flow_run_id())) as run_watch,
    ):
        plan.expect_to_fit(cluster)
        info = sweep_info(plan, code, request, beginning.sweep)
        expect_in_reach(cluster, info)
        taken = _take(beginning, plan, info, session, interruption)
        if taken is None:
            session.error = KeyboardInterrupt()
            return None
        with closing(taken.journal):
            session.began(beginning.path)
            _close_earlier(taken.earlier, request.results, info, left)
            name_flow_run(info)
            space = SpaceWatch(request.results, session.display.warn, session.display.note)
            watches = Watches(interruption, run_watch, space)
            sweep = _sweep(plan, info, cluster, code, session, watches, taken, request)
            session.summary = sweep.run()
            if sweep.is_suspended:
                raise Pause(state=run_watch.suspended)
    _note_renamed(session.summary, session.display)
    summarize(session.summary)
    return session.summary


def _take(
    beginning: Beginning,
    plan: Plan,
    info: SweepInfo,
    session: Session,
    interruption: Interruption,
) -> Taken | None:
    """Have the sweep in hand; returns None if it is not to begin any more."""
    drivers = beginning.earlier.drivers() if beginning.earlier else []
    is_retried = any(driver.flow_run_id == info.flow_run_id for driver in drivers)

    def waits() -> bool:
        """After Prefect's Retry, the driver of the earlier execution may still be ending."""
        return is_retried and not interruption.reason

    if interruption.reason:
        return None
    try:
        return take(beginning, plan, info, session.scheduler, session.display.warn, waits)
    except HeldError:
        if interruption.reason:
            return None
        raise


def _close_earlier(
    earlier: History | None, results: Path, info: SweepInfo, left: Sequence[UUID]
) -> None:
    """Close in Prefect what earlier drivers have left open.

    Args:
        earlier: What they have written.
        results: The folder of all results.
        info: The sweep.
        left: Task runs of this driver's own flow run.
    """
    if earlier is None:
        return
    runs = {driver.flow_run_id for driver in earlier.drivers()} - {info.flow_run_id}
    goes_on = f"{DIED}; the sweep goes on in {info.flow_run_url or info.flow_run_id}"
    tell_ends(PastSweep(earlier, results, is_held=False), open_flow_runs(runs), goes_on)
    close_task_runs(left, DIED)


def _expect_usable(request: Request) -> None:
    if not PREFECT_API_URL.value():
        raise UsageError(
            "the flow needs a Prefect server that every worker reaches: set PREFECT_API_URL, "
            "or use the command tune-tasks or tune_tasks.run_experiments, which start one"
        )
    expect_writable(request.results)
    expect_usable(default_tracking_uri(Path.cwd()))


def _sweep(
    plan: Plan,
    info: SweepInfo,
    cluster: Cluster,
    code: Mapping[str, KeptCode],
    session: Session,
    watches: Watches,
    taken: Taken,
    request: Request,
) -> Sweep:
    recorder = session.recorder or start_recorder(info.tracking_uri, info.cwd, cpus=cluster.cpu)
    recorder.begin(info, again=taken.takeover is not None)
    launching = launches(plan, code, cluster, info.sweep, verbose=request.verbose)
    core = _core(plan, cluster, session, request)
    taken.replay(core)
    parts = DriverParts(
        plan,
        info,
        cluster,
        core,
        Attempts(info, launching, recorder),
        Records(plan, records_of(core, info)),
        recorder,
        Views(session.display, RunView(info.flow_run_id)),
        watches,
        taken.journal,
        Asker(proposers(plan, own_searchers(plan, session.searcher)), session.display.warn),
    )
    return Sweep(parts, taken.takeover)


def _core(plan: Plan, cluster: Cluster, session: Session, request: Request) -> Core:
    return Core(
        core_experiments(plan),
        session.scheduler,
        fits=lambda trial: cluster.fits(trial.resources, trial.bundles),
        keeps_going=request.keep_going,
    )


def _parsed(beginning: Beginning, session: Session) -> Plan:
    plan: Any = parse_spec(partial(session.plan_of, beginning))
    if isinstance(plan, State):
        raise cast("TuneError", getattr(plan.data, "result", plan.data))
    return plan  # type: ignore[no-any-return]


def _note_renamed(summary: Summary, display: Display) -> None:
    """Say which names MLflow has not taken as they are."""
    changed: dict[str, str] = {}
    for experiment in summary.experiments:
        changed |= renamed(experiment.listed)
    if changed:
        display.note(renaming_note(changed))
