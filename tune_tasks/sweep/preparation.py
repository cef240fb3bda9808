"""What a sweep needs before its first trial starts: kept code, names and folders, Ray's options."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext
from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL

from tune_tasks.cluster.connect import RayOptions
from tune_tasks.cluster.nodes import Cluster
from tune_tasks.cluster.stored_trainable import StoredTrainable
from tune_tasks.errors import UsageError
from tune_tasks.model.code_version import version_of
from tune_tasks.model.masking import masked, masked_by_path, masked_spec
from tune_tasks.model.paths import dotted
from tune_tasks.model.snapshot import Snapshot
from tune_tasks.model.text import one_line
from tune_tasks.model.trial import safe_name
from tune_tasks.search.dimension import dimensions_of
from tune_tasks.servers.mlflow_client import default_tracking_uri, is_local_store
from tune_tasks.servers.prefect_address import is_loopback
from tune_tasks.spec.scheduling import PbtOptions, ReplayOptions
from tune_tasks.spec.storage import address_of_trials
from tune_tasks.spec.yaml_1_2 import dump_yaml
from tune_tasks.sweep.attempts import Launch
from tune_tasks.sweep.display import Display
from tune_tasks.sweep.history import History
from tune_tasks.sweep.plan import Plan, PlannedExperiment
from tune_tasks.sweep.request import Request
from tune_tasks.sweep.resume import edits_of_code
from tune_tasks.sweep.warm_words import warm_lines
from tune_tasks.tracking.info import ExperimentInfo, SweepInfo
from tune_tasks.tracking.mlflow_params import searched_params
from tune_tasks.trial.task import run_trial
from tune_tasks.trial.trainable import Trainable

logger = logging.getLogger(__name__)

# Of the experiments, in the flow run's name.
_NAME_LENGTH = 150


@dataclass(frozen=True)
class KeptCode:
    """A trainable with its code as it is when the sweep begins.

    Attributes:
        snapshot: The code; None if it is not in files that somebody may edit.
    """

    trainable: Trainable
    snapshot: Snapshot | None

    @classmethod
    def of(cls, trainable: Trainable) -> KeptCode:
        """Read the code now."""
        kept = trainable.kept()
        return cls(kept, kept.code())


def announce(
    plan: Plan, code: Mapping[str, KeptCode], earlier: History | None, display: Display
) -> None:
    """Show the plan's warnings, and what runs.

    Args:
        plan: What runs.
        code: By experiment.
        earlier: What an earlier driver of the sweep has written; None if the sweep is a new one.
        display: Where.
    """
    snapshots = {name: own.snapshot for name, own in code.items()}
    edits = edits_of_code(earlier, snapshots) if earlier else ()
    for warning in [*plan.warnings, *_about_code(code), *edits]:
        display.warn(warning)
    for experiment in plan.experiments:
        hint = ""
        if experiment.seed != experiment.spec.seed:
            hint = " (give it as `seed` to repeat the sweep)"
        count = len(experiment.trials)
        display.note(f"{one_line(experiment.name)}: {count} trials, seed {experiment.seed}{hint}")
        for line in warm_lines(experiment):
            display.note(f"{one_line(experiment.name)}: {line}")
    for name, edit in plan.edits.items():
        if edit.is_change:
            display.note("\n".join(["the spec was edited:", *edit.lines(name)]))


def _about_code(code: Mapping[str, KeptCode]) -> Iterator[str]:
    for name, own in code.items():
        if own.snapshot and not own.snapshot.is_whole:
            yield (
                f"{one_line(name)}: {own.snapshot.folder} has more Python files than a sweep "
                "keeps; edits to those farthest from the script take effect while it runs"
            )


def expect_in_reach(cluster: Cluster, info: SweepInfo) -> None:
    """Raise UsageError if the cluster's machines cannot reach MLflow's store or Prefect."""
    if not cluster.is_remote:
        return
    if is_local_store(info.tracking_uri):
        raise UsageError(
            "the cluster has other machines, which cannot reach the local MLflow store"
            f" {info.tracking_uri}: set MLFLOW_TRACKING_URI to a tracking server that they reach"
        )
    api_url = PREFECT_API_URL.value() or ""
    if is_loopback(api_url):
        raise UsageError(
            f"the cluster has other machines, which cannot reach the Prefect server {api_url}: "
            "set PREFECT_API_URL to a server that they reach"
        )


def flow_run_id() -> str:
    """The flow run of this process; empty if there is none."""
    context = FlowRunContext.get()
    return str(context.flow_run.id) if context and context.flow_run else ""


def is_deployed() -> bool:
    """Whether the flow run is a deployment's. Others cannot be paused or tried again in Prefect."""
    context = FlowRunContext.get()
    return bool(context and context.flow_run and context.flow_run.deployment_id)


def name_flow_run(info: SweepInfo) -> None:
    """Name the flow run after what it runs; Prefect's own names are two random words."""
    experiments = one_line(", ".join(info.experiments), _NAME_LENGTH)
    try:
        with get_client(sync_client=True) as client:
            client.update_flow_run(UUID(info.flow_run_id), name=f"{experiments} {info.sweep}")
    except Exception as exc:  # noqa: BLE001 - a name is no reason to fail
        logger.warning("Prefect: cannot name the flow run: %s", exc)


def ray_options(request: Request) -> RayOptions:
    """How the request wants Ray to be reached."""
    return RayOptions(request.ray_address, request.num_cpus, request.num_gpus, request.verbose)


def launches(
    plan: Plan, code: Mapping[str, KeptCode], cluster: Cluster, sweep: str, *, verbose: bool
) -> dict[str, Launch]:
    """By experiment, what submitting its trials needs."""
    return {
        e.name: _launch(e, code[e.name], cluster, sweep, verbose=verbose) for e in plan.experiments
    }


def _launch(
    experiment: PlannedExperiment, code: KeptCode, cluster: Cluster, sweep: str, *, verbose: bool
) -> Launch:
    trainable = code.trainable.for_run(verbose=verbose)
    if cluster.is_remote:
        trainable = trainable.packed()
    task = run_trial.with_options(tags=[one_line(experiment.name), experiment.spec.alg])
    apart = None if trainable.carries_code else code.snapshot
    return Launch(StoredTrainable.put(trainable, apart), task, _storage(experiment, sweep))


def _storage(experiment: PlannedExperiment, sweep: str) -> str | None:
    storage = experiment.spec.storage
    return address_of_trials(storage, experiment.name, sweep) if storage else None


def sweep_info(plan: Plan, code: Mapping[str, KeptCode], request: Request, sweep: str) -> SweepInfo:
    """Names and folders of a sweep.

    Args:
        plan: What runs.
        code: By experiment.
        request: What was asked for.
        sweep: The sweep's id.
    """
    experiments = {}
    for experiment in plan.experiments:
        folder = request.results / safe_name(experiment.name) / sweep
        experiments[experiment.name] = _experiment_info(experiment, code[experiment.name], folder)
    run = flow_run_id()
    ui = PREFECT_UI_URL.value()
    return SweepInfo(
        sweep=sweep,
        experiments=experiments,
        tracking_uri=default_tracking_uri(Path.cwd()),
        spec_text=dump_yaml(masked_spec(plan.source)),
        cwd=Path.cwd(),
        flow_run_id=run,
        flow_run_url=f"{ui}/runs/flow-run/{run}" if ui and run else "",
        dropped=tuple(begun.key for begun, _ in plan.dropped()),
    )


def _experiment_info(experiment: PlannedExperiment, code: KeptCode, folder: Path) -> ExperimentInfo:
    script = code.trainable.kept_script()
    searched = experiment.expansion.searched(experiment.indices)
    first = experiment.expansion.resolved(experiment.indices[0])
    space = experiment.expansion.space
    dimensions = dimensions_of(space)
    # If a trial is not known yet, what all have is not known from the others either.
    always = {dotted(path) for path in space.always} if experiment.unknown() else None
    compared_by = experiment.spec.compared_by()
    return ExperimentInfo(
        name=experiment.name,
        folder=folder,
        seed=experiment.seed,
        num_trials=len(experiment.trials),
        constants=masked(_without(first.config, set(first.searched))),
        script=script.snapshot.folder / script.name if script else None,
        script_source=script.snapshot.sources[script.name] if script else b"",
        code=version_of(code.snapshot) if code.snapshot else None,
        params=searched_params(map(masked_by_path, searched), always),
        objective=compared_by.first,
        constraints=compared_by.constraints,
        others=compared_by.others,
        storage=masked(_storage(experiment, folder.name) or ""),
        dimensions=dimensions,
        search=experiment.spec.searching().algorithm if dimensions else "",
        changing=_changing(experiment),
    )


def _changing(experiment: PlannedExperiment) -> tuple[str, ...]:
    """What changes in the configs of trials that are a population, or follow a schedule."""
    replay = experiment.spec.scheduled(ReplayOptions)
    if replay:
        return tuple(dict.fromkeys(path for step in replay.schedule for path in step.config))
    space = experiment.expansion.space
    return tuple(map(dotted, space.searched)) if experiment.spec.scheduled(PbtOptions) else ()


def _without(config: Mapping[str, Any], searched: set[str], prefix: str = "") -> dict[str, Any]:
    """The config without what varies; of a list that holds something searched, nothing."""
    kept: dict[str, Any] = {}
    for key, value in config.items():
        path = f"{prefix}{key}"
        if path in searched:
            continue
        if isinstance(value, Mapping):
            kept[key] = _without(value, searched, f"{path}.")
        elif not any(name.startswith(f"{path}.") for name in searched):
            kept[key] = value
    return kept
