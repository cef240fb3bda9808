"""Closes the records of a sweep whose drivers have all died, from its journal and its files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tune_tasks.errors import TuneError
from tune_tasks.results.summary import Summary
from tune_tasks.servers.prefect import prefect_server
from tune_tasks.sweep.delivery import deliver_sweep
from tune_tasks.sweep.past import PastSweep, past_sweep


def close_records(path: Path, warn: Callable[[str], None]) -> Summary:
    """Have Prefect and the trackers hold how a sweep stands; returns that.

    Args:
        path: The sweep's journal.
        warn: Told what could not be closed.

    Raises:
        UsageError: If the journal is damaged, or another driver has the sweep in hand.
        OSError: If the journal cannot be read.
    """
    past = past_sweep(path, is_held=False)
    try:
        _close_in_prefect(past, warn)
    except TuneError as exc:
        warn(f"Prefect was not told that the sweep's driver has died: {exc}")
    delivery = deliver_sweep(path)
    for tracker, what in delivery.missing.items():
        warn(f"{tracker} lacks results ({what}); `tune-tasks sync {past.info.sweep}` delivers them")
    return delivery.summary


def _close_in_prefect(past: PastSweep, warn: Callable[[str], None]) -> None:
    with prefect_server(warn) as wait:
        wait()
        # Here, because the import of Prefect's client asks which server there is
        from tune_tasks.sweep.dead_drivers import open_flow_runs
        from tune_tasks.sweep.flow_run_ends import tell_ends

        runs = {driver.flow_run_id for driver in past.history.drivers()}
        tell_ends(past, open_flow_runs(runs))
