"""What a sweep shows on its flow run's page in Prefect: artifacts.

They are a leaderboard and the progress while the sweep runs, and a report at its end. Their keys
carry the experiment's name and nothing of the sweep, so that the runs of many nights line up under
one key.
"""

from __future__ import annotations

import json
import logging
import queue
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
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

    It lives in the driver. A thread of its own sends, so that a Prefect that is slow or away delays
    nothing.

    Args:
        flow_run_id: The flow run that the artifacts belong to. If it is empty, nothing is sent.
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
        """Show how the sweep stands, if that is due and the last one is sent.

        Args:
            make: Makes the summary; called every five seconds at most.
        """
        now = time.monotonic()
        if now >= self._next_at and self._waiting.empty():
            self._next_at = now + _EVERY_S
            self._waiting.put(make())

    def close(self, summary: Summary, timeout_s: float) -> None:
        """Show how the sweep has ended; wait until that is sent, or the time is up."""
        self._waiting.put(summary)
        self._waiting.put(None)
        self._thread.join(timeout_s)

    def _serve(self) -> None:
        while (summary := self._waiting.get()) is not None:
            try:
                self._send(summary)
            except Exception as exc:  # noqa: BLE001 - the next one shows the same
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
    """Show the written reports, as artifacts of the task or flow run that calls this."""
    for experiment, suffix in zip(summary.experiments, _suffixes(summary), strict=True):
        paths = ReportPaths(experiment.logdir)
        try:
            create_markdown_artifact(
                with_pictures_inside(paths), f"report-{suffix}", _description(experiment)
            )
        except Exception as exc:  # noqa: BLE001 - the sweep has ended as it has
            logger.warning("%s: no report is shown: %s", one_line(experiment.name), exc)


def _artifacts(summary: Summary) -> Iterator[tuple[str, str, Any, str]]:
    """Yield the key, type, data and description of each artifact."""
    for experiment, suffix in zip(summary.experiments, _suffixes(summary), strict=True):
        board = leaderboard(experiment)
        description = _description(experiment)
        yield f"leaderboard-{suffix}", "table", json.dumps(board.rows), description
        yield f"progress-{suffix}", "progress", board.progress, description


def _description(experiment: ExperimentSummary) -> str:
    line = headline(experiment)
    if experiment.page:
        return f"{line}. [Compare in MLflow]({experiment.page})"
    return line


def _suffixes(summary: Summary) -> list[str]:
    """Return the experiments' names as Prefect's keys may have them, no two alike.

    A key has small letters, digits and dashes, and no great length.
    """
    suffixes: list[str] = []
    for experiment in summary.experiments:
        short = experiment.name[:_KEY_LENGTH].lower()
        name = re.sub(r"[^a-z0-9]+", "-", short).strip("-") or "experiment"
        suffixes.append(_free_name(name, suffixes))
    return suffixes


def _free_name(name: str, taken: Sequence[str]) -> str:
    """Return the name, or the first of `name-2`, `name-3`, … that is not taken."""
    free = name
    number = 1
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    return free
