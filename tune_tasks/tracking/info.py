"""A sweep and its experiments as the trackers need them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tune_tasks.model.code_version import CodeVersion
from tune_tasks.model.objective import Objective, Objectives
from tune_tasks.model.stopping import Criterion
from tune_tasks.search.dimension import Dimension
from tune_tasks.tracking.mlflow_params import SearchedParam


@dataclass(frozen=True)
class ExperimentInfo:
    """An experiment as the trackers need it.

    Attributes:
        folder: The folder that holds the folders of the sweep's trials, on the driver's machine.
        constants: The part of the config that does not vary.
        script: The script file; None if there is none.
        script_source: The script's content when the sweep began.
        code: The version of the code that runs; None if the code is not in files.
        params: The part of the config that varies, as MLflow's charts have to take it.
        objective: The spec's objective, of several the first; None if the spec does not say what
            'best' goes by.
        storage: The address that stands for `folder` in the storage of the trials' files, its
            password masked; empty if there is no storage.
        dimensions: What is searched, of the settings that have domains.
        search: The algorithm that chooses their values; empty if there are none.
        changing: The dotted paths of the settings that change while a trial runs.
        constraints: What the last report of a trial has to meet for the trial to be the best.
        others: The spec's objectives after the first.
    """

    name: str
    folder: Path
    seed: int
    num_trials: int
    constants: Mapping[str, Any]
    script: Path | None = None
    script_source: bytes = field(default=b"", repr=False)
    code: CodeVersion | None = None
    params: tuple[SearchedParam, ...] = ()
    objective: Objective | None = None
    storage: str = ""
    dimensions: tuple[Dimension, ...] = ()
    search: str = ""
    changing: tuple[str, ...] = ()
    constraints: tuple[Criterion, ...] = ()
    others: tuple[Objective, ...] = ()

    @property
    def step_metric(self) -> str:
        """What a curve is over. It never goes back: MLflow orders by it, and shows the greatest.

        A member of a population that goes on from another one's weights has that one's timesteps.
        """
        return "training_iteration" if self.changing else "timesteps_total"

    @property
    def compared_by(self) -> Objectives:
        """What the trials are compared by."""
        first = (self.objective,) if self.objective else ()
        return Objectives((*first, *self.others), self.constraints)

    def address_of(self, folder: Path) -> str:
        """Return the address in the storage of a folder below `folder`; empty without a storage."""
        if not self.storage:
            return ""
        return f"{self.storage}/{folder.relative_to(self.folder).as_posix()}"


@dataclass(frozen=True)
class SweepInfo:
    """One execution of a spec.

    Attributes:
        sweep: The sweep's id.
        experiments: The spec's experiments, by name.
        tracking_uri: MLflow's tracking URI, absolute.
        spec_text: The spec as YAML.
        cwd: The driver's working directory.
        flow_run_id: The id of Prefect's flow run.
        flow_run_url: The address of the flow run's page.
        dropped: The keys of trials that have begun, and that an edit of the spec has dropped.
    """

    sweep: str
    experiments: Mapping[str, ExperimentInfo]
    tracking_uri: str
    spec_text: str
    cwd: Path
    flow_run_id: str = ""
    flow_run_url: str = ""
    dropped: tuple[str, ...] = ()
