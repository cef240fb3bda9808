"""Prefect's run view of a sweep.

A leaderboard and the progress while it runs, a report at its end, as artifacts.

The keys carry the experiment's name and nothing of the sweep, so that the runs of many nights line
up under one key.
"""

from __future__ import annotations

import json
import logging
import queue
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate

from tune_tasks.model.text import one_line
from tune_tasks.results.leaderboard import headline, leaderboard
from tune_tasks.results.report import ReportPaths, with_pictures_inside
from tune_tasks.results.summary import ExperimentSummary, Summary

logger = logging.getLogger(__name__)

_EVERY_S = 5.0
_KEY_LENGTH = 150  # PostgreSQL indexes no texts of thousands of characters


class RunView:
    """Keeps the artifacts of a running sweep up to date, in place.

    A Prefect that is slow or away delays nothing.

    Lives in the driver; a thread of its own sends.

    Args:
        flow_run_id: The flow run that the artifacts belong to; empty where there is none, and then
            nothing is sent.
    """

    def __init__(self, flow_run_id: str) -> None:
        self._flow_run_id = UUID(flow_run_id) if flow_run_id else None
        self._ids: dict[str, UUID] = {}
        self._sent: dict[str, tuple[Any, str]] = {}
        self._next_at = float("-inf")
        self._waiting: queue.Queue[Summary | None] = queue.Queue()
        self._thread = threading.Thread(target=self._serve, name="run view", daemon=True)
        self._thread.start()

    def offer(self, make: Callable[[], Summary]) -> None:
        """Show how the sweep stands, if that is due.

        `make` is called at most every five seconds.
        """
        if time.monotonic() >= self._next_at and self._waiting.empty():
            self._next_at = time.monotonic() + _EVERY_S
            self._waiting.put(make())

    def close(self, summary: Summary, timeout_s: float) -> None:
        """Show how the sweep has ended; waits until that is sent, as long as it may."""
        self._waiting.put(summary)
        self._waiting.put(None)
        self._thread.join(timeout_s)

    def _serve(self) -> None:
        while (summary := self._waiting.get()) is not None:
            try:
                self._send(summary)
            except Exception as exc:  # noqa: BLE001 - a view is no reason to fail; the next one shows the same
                logger.warning("Prefect: cannot show the leaderboard: %s", exc)

    def _send(self, summary: Summary) -> None:
        if self._flow_run_id is None:
            return
        with get_client(sync_client=True) as client:
            for key, kind, data, description in _artifacts(summary):
                if self._sent.get(key) != (data, description):
                    self._put(client, key, kind, data, description)
                    self._sent[key] = (data, description)

    def _put(
        self, client: SyncPrefectClient, key: str, kind: str, data: Any, description: str
    ) -> None:
        if key in self._ids:
            client.update_artifact(
                self._ids[key], ArtifactUpdate(data=data, description=description)
            )
        else:
            new = ArtifactCreate(
                key=key,
                type=kind,
                data=data,
                description=description,
                flow_run_id=self._flow_run_id,
            )
            self._ids[key] = client.create_artifact(new).id


def publish_report(summary: Summary) -> None:
    """Show the written reports.

    Runs in the driver, in the task or flow run that they then belong to.
    """
    for experiment, suffix in zip(summary.experiments, _suffixes(summary), strict=True):
        paths = ReportPaths(experiment.logdir)
        try:
            create_markdown_artifact(
                with_pictures_inside(paths), f"report-{suffix}", _description(experiment)
            )
        except Exception as exc:  # noqa: BLE001 - a report that is not shown is no reason to fail
            logger.warning("%s: no report is shown: %s", one_line(experiment.name), exc)


def _artifacts(summary: Summary) -> Iterator[tuple[str, str, Any, str]]:
    """Key, type, data and description of each."""
    for experiment, suffix in zip(summary.experiments, _suffixes(summary), strict=True):
        board, description = leaderboard(experiment), _description(experiment)
        yield f"leaderboard-{suffix}", "table", json.dumps(board.rows), description
        yield f"progress-{suffix}", "progress", board.progress, description


def _description(experiment: ExperimentSummary) -> str:
    line = headline(experiment)
    return f"{line}. [Compare in MLflow]({experiment.page})" if experiment.page else line


def _suffixes(summary: Summary) -> list[str]:
    """The experiments' names as Prefect's keys take them: few small letters, digits and dashes.

    No two alike.
    """
    suffixes: list[str] = []
    for experiment in summary.experiments:
        suffix = (
            re.sub(r"[^a-z0-9]+", "-", experiment.name[:_KEY_LENGTH].lower()).strip("-")
            or "experiment"
        )
        free = (suffix, *(f"{suffix}-{number}" for number in range(2, len(suffixes) + 3)))
        suffixes.append(next(name for name in free if name not in suffixes))
    return suffixes
