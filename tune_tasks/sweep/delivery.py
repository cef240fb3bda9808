"""Delivers a sweep to trackers and Prefect from its journal and files, without a driver and Ray.

For a sweep whose trackers or Prefect server were away until its end, or whose driver has died.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from tune_tasks.errors import ServiceError, UsageError
from tune_tasks.model.masking import MASK
from tune_tasks.recording.delivery import Delivery, deliver
from tune_tasks.servers.mlflow_client import default_tracking_uri, without_password
from tune_tasks.servers.prefect import prefect_server, server_now
from tune_tasks.sweep.journal import open_locked
from tune_tasks.sweep.past import past_sweep
from tune_tasks.tracking.base import Tracker
from tune_tasks.tracking.info import SweepInfo


def deliver_sweep(path: Path, trackers: Sequence[Tracker] = ()) -> Delivery:
    """Have the trackers hold all that a sweep has in its files, each point once, and its end.

    It may be done any number of times. No driver can take the sweep in hand meanwhile.

    Args:
        path: The sweep's journal.
        trackers: Who is told; by default MLflow and TensorBoard.

    Raises:
        HeldError: If a driver has the sweep in hand; says who.
        UsageError: If the journal is damaged, or MLflow's address lacks its password.
        OSError: If the journal cannot be read.
    """
    with closing(open_locked(path, lambda: False)):
        return deliver_held(path, trackers)


def deliver_held(path: Path, trackers: Sequence[Tracker] = ()) -> Delivery:
    """The same for a caller who holds the lock on the journal."""
    past = past_sweep(path, is_held=False)
    info = replace(past.info, tracking_uri=_tracking_uri(past.info), cwd=_folder(past.info))
    return deliver(info, past.ended(), past.summary(), trackers=trackers)


def tell_prefect(path: Path) -> bool:
    """Have Prefect know how a sweep has ended; returns whether it did not.

    A server that is there is asked; none is started.

    Args:
        path: The sweep's journal.

    Raises:
        HeldError: If a driver has the sweep in hand; says who.
        UsageError: If the journal is damaged.
        ServiceError: If the configured server does not answer, or does not take it.
    """
    api_url, _ = server_now()
    if not api_url:
        return False
    with closing(open_locked(path, lambda: False)), prefect_server() as wait:
        wait()
        # Here, because the import of Prefect's client asks which server there is
        from tune_tasks.sweep.flow_run_ends import tell_ends, untold_flow_runs

        past = past_sweep(path, is_held=False)
        untold = untold_flow_runs(past)
        tell_ends(past, untold)
        if untold and untold_flow_runs(past):
            raise ServiceError(f"the Prefect server {api_url} did not take it")
        return bool(untold)


def _tracking_uri(info: SweepInfo) -> str:
    """MLflow's address. The journal has it without user and password; the environment may know."""
    configured = default_tracking_uri(info.cwd)
    if without_password(configured) == info.tracking_uri:
        return configured
    if f"://{MASK}@" in info.tracking_uri:
        raise UsageError(
            f"the sweep was recorded in {info.tracking_uri}, and nobody keeps the user and the"
            " password in it: set MLFLOW_TRACKING_URI to the whole address"
        )
    return info.tracking_uri


def _folder(info: SweepInfo) -> Path:
    return info.cwd if info.cwd.is_dir() else Path.cwd()
