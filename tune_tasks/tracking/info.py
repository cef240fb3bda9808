"""A sweep and its experiments as the trackers need them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tune_tasks.model.code_version import CodeVersion
from tune_tasks.model.objective import Objective
from tune_tasks.tracking.mlflow_view import SearchedParam


@dataclass(frozen=True)
class ExperimentInfo:
    """An experiment as the trackers need it.

    Attributes:
        folder: Where its sweep's trials have their folders, on the driver's machine.
        constants: The config's part that does not vary.
        script: The script file, where there is one, and its content when the sweep began.
        code: Which version of the code runs, where it is in files.
        params: What varies, as MLflow's charts have to take it.
        objective: What the spec says that 'best' goes by; None if the spec does not say.
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


@dataclass(frozen=True)
class SweepInfo:
    """One execution of a spec.

    Attributes:
        sweep: The sweep's id.
        experiments: By name.
        tracking_uri: MLflow's, absolute.
        spec_text: The spec as YAML.
        cwd: The driver's working directory.
        flow_run_id: Prefect's flow run, with the address of its page.
    """

    sweep: str
    experiments: Mapping[str, ExperimentInfo]
    tracking_uri: str
    spec_text: str
    cwd: Path
    flow_run_id: str = ""
    flow_run_url: str = ""
