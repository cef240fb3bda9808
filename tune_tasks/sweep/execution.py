"""What the flow `tune` does: plan, connect, run the sweep, summarize.

Runs in the driver, inside the flow run.
"""

from __future__ import annotations

import logging
import secrets
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.exceptions import Abort, Pause
from prefect.logging import get_run_logger
from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL
from prefect.states import Cancelled, Completed, Failed

from tune_tasks.cluster.connect import RayOptions, connect
from tune_tasks.cluster.nodes import Cluster
from tune_tasks.cluster.placement import remote_options
from tune_tasks.cluster.stored_trainable import StoredTrainable
from tune_tasks.errors import TuneError, UsageError
from tune_tasks.model.code_version import version_of
from tune_tasks.model.disk import expect_writable
from tune_tasks.model.masking import masked, masked_by_path, masked_spec
from tune_tasks.model.snapshot import Snapshot
from tune_tasks.model.text import cut_lines, one_line, showable
from tune_tasks.model.trial import safe_name
from tune_tasks.recording.recorder import start_recorder
from tune_tasks.results.summary import Summary
from tune_tasks.servers.mlflow_client import default_tracking_uri, expect_usable, is_local_store
from tune_tasks.servers.prefect import is_loopback
from tune_tasks.spec.source import dump_yaml
from tune_tasks.sweep.attempts import Attempts, Launch
from tune_tasks.sweep.closing import Views
from tune_tasks.sweep.core import Core, CoreExperiment
from tune_tasks.sweep.driver import Sweep, Watches
from tune_tasks.sweep.interruption import Interruption, interruptible
from tune_tasks.sweep.pausing import PauseWatch
from tune_tasks.sweep.plan import Plan, PlannedExperiment
from tune_tasks.sweep.records import Records, TrialRecord
from tune_tasks.sweep.request import Request, Session, after_the_sweep, session_of_flow
from tune_tasks.sweep.resumption import BegunSweep, SweepFile, record_of
from tune_tasks.sweep.run_view import RunView
from tune_tasks.sweep.space import SpaceWatch
from tune_tasks.sweep.status import Display, StatusView, make_display
from tune_tasks.sweep.tasks import parse_spec, summarize
from tune_tasks.tracking.info import ExperimentInfo, SweepInfo
from tune_tasks.tracking.mlflow_view import renamed, renaming_note, searched_params
from tune_tasks.trial.task import run_trial
from tune_tasks.trial.trainable import Trainable

logger = logging.getLogger(__name__)

_NAME_LENGTH = 150  # of the experiments, in the flow run's name


def execute(request: Request) -> State[Any]:
    """Run a sweep; returns the flow run's final state."""
    session = session_of_flow.get(None) or Session(display=make_display("classic", sys.stdout))
    request = session.request or request
    display = session.display
    session.display = _Logged(display)
    try:
        with interruptible() as interruption:
            summary = _run(request, session, interruption)
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
        session.display = display  # what its caller has to say later is no part of the flow run
    return _state(summary)


class _Logged(Display):
    """A display whose notes and warnings are in the flow run's logs, too.

    Of a deployment's run nobody sees the console.
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
    return Cancelled(
        message=f"Interrupted: {summary.one_line() if summary else 'no trial was started'}"
    )


def _is_cancelling() -> bool:
    try:
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(UUID(_flow_run_id())).state
    except Exception as exc:  # noqa: BLE001 - a Prefect that is away learns of the end later, or never
        logger.warning("Prefect: cannot read the flow run's state: %s", exc)
        return False
    return state is not None and state.is_cancelling()


def _state(summary: Summary) -> State[Any]:
    return (
        Completed(message=summary.one_line())
        if summary.ended_well
        else Failed(message=summary.one_line())
    )


def _run(request: Request, session: Session, interruption: Interruption) -> Summary | None:
    """Run the sweep; returns None where it was interrupted before any trial was started."""
    try:
        return _swept(request, session, interruption)
    except Exception as exc:
        if session.summary is None:
            raise
        session.display.warn(after_the_sweep(exc))
        return session.summary


def _swept(request: Request, session: Session, interruption: Interruption) -> Summary | None:
    if not PREFECT_API_URL.value():
        raise UsageError(
            "the flow needs a Prefect server that every worker reaches: set PREFECT_API_URL, "
            "or use the command tune-tasks or tune_tasks.run_experiments, which start one"
        )
    expect_writable(request.results)
    expect_usable(default_tracking_uri(Path.cwd()))
    # Others cannot be retried or paused
    file = SweepFile(request.results, _flow_run_id()) if _is_deployed() else None
    earlier = file.read() if file else None
    begun = earlier or BegunSweep(
        f"{time.strftime('%Y-%m-%d_%H-%M-%S')}_{secrets.token_hex(2)}", secrets.randbelow(2**31)
    )
    plan = _parsed(request, session, begun.drawn_seed)
    code = {experiment.name: _Kept.of(experiment.trainable) for experiment in plan.experiments}
    _announce(plan, code, session)
    with (
        connect(ray_options(request)) as cluster,
        closing(PauseWatch(_flow_run_id() if file else "")) as pause,
    ):
        plan.expect_to_fit(cluster)
        if interruption.reason or (file and not file.take(begun, lambda: interruption.reason)):
            session.error = KeyboardInterrupt()
            return None
        info = _sweep_info(plan, code, request, begun.sweep)
        _check_reach(cluster, info)
        _name_flow_run(info)
        launches = {
            e.name: _launch(e, code[e.name], cluster, verbose=request.verbose)
            for e in plan.experiments
        }
        recorder = session.recorder or start_recorder(info.tracking_uri, info.cwd, cpus=cluster.cpu)
        recorder.begin(info, again=earlier is not None)
        display = session.display
        sweep = Sweep(
            plan,
            info,
            cluster,
            _core(plan, session),
            Attempts(info, launches, recorder),
            _records(plan, info, is_begun=earlier is not None),
            recorder,
            Views(display, RunView(info.flow_run_id)),
            Watches(interruption, pause, SpaceWatch(request.results, display.warn, display.note)),
        )
        session.summary = sweep.run()
        if sweep.is_suspended:
            raise Pause(state=pause.suspended)
    changed = {
        name: key
        for experiment in session.summary.experiments
        for name, key in renamed(experiment.trials).items()
    }
    if changed:
        session.display.note(renaming_note(changed))
    summarize(session.summary)
    return session.summary


@dataclass(frozen=True)
class _Kept:
    """A trainable with its code as it is at the start.

    As far as that is in files which somebody may edit.
    """

    trainable: Trainable
    snapshot: Snapshot | None

    @classmethod
    def of(cls, trainable: Trainable) -> _Kept:
        taken = trainable.kept()
        return cls(taken, taken.code())


def _core(plan: Plan, session: Session) -> Core:
    experiments = {
        experiment.name: CoreExperiment(experiment.trials, experiment.spec.max_concurrent_trials)
        for experiment in plan.experiments
    }
    return Core(experiments, session.scheduler)


def _records(plan: Plan, info: SweepInfo, *, is_begun: bool) -> Records:
    """A record of every trial; looks at the folders if an earlier execution may have left some."""
    begun: Iterable[TrialRecord] = ()
    if is_begun:
        found = (record_of(t, info.experiments[t.experiment].folder) for t in plan.trials())
        begun = (record for record in found if record.attempt)
    return Records(plan, begun)


def _parsed(request: Request, session: Session, drawn_seed: int) -> Plan:
    plan: Any = parse_spec(request, session.callables, drawn_seed)
    if isinstance(plan, State):
        raise cast("TuneError", getattr(plan.data, "result", plan.data))
    return plan  # type: ignore[no-any-return]


def ray_options(request: Request) -> RayOptions:
    """How the request wants Ray to be reached."""
    return RayOptions(request.ray_address, request.num_cpus, request.num_gpus, request.verbose)


def _announce(plan: Plan, code: Mapping[str, _Kept], session: Session) -> None:
    for warning in plan.warnings:
        session.display.warn(warning)
    for name, own in code.items():
        if own.snapshot and not own.snapshot.is_whole:
            session.display.warn(
                f"{one_line(name)}: {own.snapshot.folder} has more Python files than a sweep keeps;"
                " edits to those farthest from the script take effect while it runs"
            )
    for experiment in plan.experiments:
        drawn = (
            ""
            if experiment.seed == experiment.spec.seed
            else " (give it as `seed` to repeat the sweep)"
        )
        session.display.note(
            f"{one_line(experiment.name)}: {len(experiment.trials)} trials, seed"
            f" {experiment.seed}{drawn}"
        )


def _check_reach(cluster: Cluster, info: SweepInfo) -> None:
    if cluster.is_remote and is_local_store(info.tracking_uri):
        raise UsageError(
            "the cluster has other machines, which cannot reach the local MLflow store"
            f" {info.tracking_uri}: set MLFLOW_TRACKING_URI to a tracking server that they reach"
        )
    api_url = PREFECT_API_URL.value() or ""
    if cluster.is_remote and is_loopback(api_url):
        raise UsageError(
            f"the cluster has other machines, which cannot reach the Prefect server {api_url}: "
            "set PREFECT_API_URL to a server that they reach"
        )


def _name_flow_run(info: SweepInfo) -> None:
    """Name the flow run after what it runs; Prefect's own names are two random words."""
    experiments = one_line(", ".join(info.experiments), _NAME_LENGTH)
    try:
        with get_client(sync_client=True) as client:
            client.update_flow_run(UUID(info.flow_run_id), name=f"{experiments} {info.sweep}")
    except Exception as exc:  # noqa: BLE001 - a name is no reason to fail
        logger.warning("Prefect: cannot name the flow run: %s", exc)


def _launch(
    experiment: PlannedExperiment, code: _Kept, cluster: Cluster, *, verbose: bool
) -> Launch:
    trainable = code.trainable.for_run(verbose=verbose)
    if cluster.is_remote:
        trainable = trainable.packed()
    options = remote_options(experiment.spec.resources.resources(), isolate=experiment.spec.isolate)
    task = run_trial.with_options(tags=[one_line(experiment.name), experiment.spec.alg])
    apart = None if trainable.carries_code else code.snapshot
    return Launch(StoredTrainable.put(trainable, apart), options, task)


def _sweep_info(plan: Plan, code: Mapping[str, _Kept], request: Request, sweep: str) -> SweepInfo:
    cwd, root = Path.cwd(), request.results
    flow_run_id = _flow_run_id()
    ui = PREFECT_UI_URL.value()
    return SweepInfo(
        sweep=sweep,
        experiments={
            e.name: _experiment_info(e, code[e.name], root / safe_name(e.name) / sweep)
            for e in plan.experiments
        },
        tracking_uri=default_tracking_uri(cwd),
        spec_text=dump_yaml(masked_spec(plan.source)),
        cwd=cwd,
        flow_run_id=flow_run_id,
        flow_run_url=f"{ui}/runs/flow-run/{flow_run_id}" if ui and flow_run_id else "",
    )


def _flow_run_id() -> str:
    context = FlowRunContext.get()
    return str(context.flow_run.id) if context and context.flow_run else ""


def _is_deployed() -> bool:
    context = FlowRunContext.get()
    return bool(context and context.flow_run and context.flow_run.deployment_id)


def _experiment_info(experiment: PlannedExperiment, code: _Kept, folder: Path) -> ExperimentInfo:
    script = code.trainable.kept_script()
    return ExperimentInfo(
        name=experiment.name,
        folder=folder,
        seed=experiment.seed,
        num_trials=len(experiment.trials),
        constants=masked(_without(experiment.trials[0].config, set(experiment.trials[0].searched))),
        script=script.snapshot.folder / script.name if script else None,
        script_source=script.snapshot.sources[script.name] if script else b"",
        code=version_of(code.snapshot) if code.snapshot else None,
        params=searched_params(masked_by_path(trial.searched) for trial in experiment.trials),
        metric=experiment.spec.metric,
        mode=experiment.spec.mode,
    )


def _without(config: Mapping[str, Any], searched: set[str], prefix: str = "") -> dict[str, Any]:
    """The config without what varies; of a list that holds something searched, nothing."""
    kept = {}
    for key, value in config.items():
        path = f"{prefix}{key}"
        if path in searched:
            continue
        if isinstance(value, Mapping):
            kept[key] = _without(value, searched, f"{path}.")
        elif not any(name.startswith(f"{path}.") for name in searched):
            kept[key] = value
    return kept
