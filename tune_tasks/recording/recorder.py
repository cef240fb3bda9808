"""The recorder.

One Ray actor a sweep that knows every attempt's latest state and alone feeds the trackers.

It reads the reports from the attempts' files, never from memory: the file is the buffer while a
tracker is slow or away, and a recorder that died starts again from the files. Trials on another
machine send their bytes, which it writes to a copy at the same path on its own machine, the
driver's.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.result_file import Progress
from tune_tasks.model.trial import Outcome, Stop
from tune_tasks.recording.protocol import AttemptStatus, News, Opened, Updated, Word
from tune_tasks.recording.pump import Pump
from tune_tasks.results.summary import Summary
from tune_tasks.servers.mlflow_client import without_password
from tune_tasks.tracking.info import SweepInfo
from tune_tasks.tracking.mlflow import MlflowTracker
from tune_tasks.tracking.tensorboard import TensorBoardTracker

logger = logging.getLogger(__name__)

OPEN_TIMEOUT_S = 60.0
_THREADS = 32
_DRAIN_CALL_S = 1.0


def _after(word: Word, status: AttemptStatus, received: int) -> AttemptStatus:
    """What is known of an attempt after its monitor's word."""
    now = time.time()
    return replace(
        status,
        progress=replace(word.progress, size=received),
        unseen_metrics=word.unseen_metrics,
        heard_at=now,
        began_at=now - word.began_s if word.began_s is not None else None,
        stop=word.stop,
        stop_since=status.stop_since or now if word.stop else None,
    )


class Recorder:
    """See the module's docstring. Every method may be called from several threads at once.

    Args:
        tracking_uri: MLflow's, absolute.
        cwd: The driver's working directory.
        node: Ray's id of the machine that it runs on.
    """

    def __init__(self, tracking_uri: str, cwd: Path, node: str = "") -> None:
        os.chdir(cwd)
        self._node = node
        self._attempts: dict[str, AttemptStatus] = {}
        self._changed: dict[str, int] = {}
        self._version = 0
        self._stop: Stop | None = None
        self._stops: dict[str, Stop] = {}
        self._drained, self._drained_at = -1, 0.0
        self._lock = threading.RLock()
        self._begun = threading.Event()
        self._mlflow = MlflowTracker(tracking_uri)
        self._pumps = [
            Pump(self._mlflow, self._attempts),
            Pump(TensorBoardTracker(), self._attempts),
        ]
        threading.Thread(target=self._start, daemon=True).start()

    def begin(self, sweep: SweepInfo, *, again: bool = False) -> None:
        """Start to feed the trackers; `again` where an earlier recorder of the sweep has died."""
        self._mlflow.begin(sweep, again=again)
        self._begun.set()

    def _start(self) -> None:
        self._try(self._mlflow.connect)
        self._begun.wait()
        self._try(self._mlflow.prepare)
        for pump in self._pumps:
            pump.start()

    def _try(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception as exc:  # noqa: BLE001 - tried again with the first attempt
            logger.warning("MLflow: %s", without_password(str(exc)))

    def open(self, info: AttemptInfo) -> Opened:
        """A new attempt begins, or is announced again.

        Waits until MLflow has its run, or is known to be away.
        """
        with self._lock:
            status = self._attempts.get(info.key) or AttemptStatus(info)
            self._set(replace(status, heard_at=time.time()))
        for pump in self._pumps:
            pump.notify()
        environment = self._pumps[0].environment(info.key, OPEN_TIMEOUT_S)
        with self._lock:
            now = time.time()
            self._set(replace(self._attempts[info.key], heard_at=now, opened_at=now))
        return Opened(environment, info.node != self._node)

    def update(self, key: str, word: Word, offset: int = 0, data: bytes = b"") -> Updated:
        """Progress of an attempt.

        From another machine with the bytes of its `result.json` from `offset` on.
        """
        with self._lock:
            status = self._attempts.get(key)
            if status is None:
                return Updated(known=False, stop=self._stop_of(key))
            received = (
                self._take(status.info, offset, data)
                if status.info.node != self._node
                else word.progress.size
            )
            first = status.progress.reports == 0 and word.progress.reports > 0
            self._set(_after(word, status, received))
        if first:
            self._notify()
        return Updated(True, received, self._stop_of(key))

    def close(self, key: str, outcome: Outcome) -> None:
        """An attempt has ended."""
        with self._lock:
            status = self._attempts[key]
            if status.outcome is None:
                self._set(
                    replace(status, state=outcome.state, outcome=outcome, heard_at=time.time())
                )
        self._notify()

    def restore(self, info: AttemptInfo, progress: Progress, outcome: Outcome) -> None:
        """An attempt that this recorder does not know or did not hear the end of.

        As the driver knows it from the files.
        """
        with self._lock:
            known = self._attempts.get(info.key)
            if known is None or known.outcome is None:
                info = known.info if known else info
                unseen = known.unseen_metrics if known else ()
                progress = (
                    replace(progress, non_finite=known.progress.non_finite) if known else progress
                )
                self._set(
                    AttemptStatus(
                        info,
                        outcome.state,
                        progress,
                        outcome,
                        heard_at=time.time(),
                        unseen_metrics=unseen,
                    )
                )
        self._notify()

    def news(self, since: int) -> News:
        """The attempts that changed after version `since`."""
        with self._lock:
            changed = [key for key, version in self._changed.items() if version > since]
            return News(
                self._version,
                [self._with_run(self._attempts[key]) for key in changed],
                self._begun.is_set(),
            )

    def request_stop(self, stop: Stop, keys: Sequence[str] | None = None) -> None:
        """Have these attempts end, or all of them, those to come included.

        Each hears of it with its next update.
        """
        if keys is None:
            self._stop = stop
        else:
            self._stops |= dict.fromkeys(keys, stop)

    def _stop_of(self, key: str) -> Stop | None:
        return self._stop or self._stops.get(key)

    def drain(self, patience_s: float) -> dict[str, str] | None:
        """Look whether the trackers have everything of the attempts that have ended.

        Wait a little where they have not.

        Args:
            patience_s: Seconds without any progress after which the trackers are given up.

        Returns:
            None while they are still at it; else tracker to what is missing, for those that did not
            take everything.
        """
        self._notify()
        deadline = time.monotonic() + _DRAIN_CALL_S
        while any(pump.behind() for pump in self._pumps):
            progress = sum(pump.progress() for pump in self._pumps)
            if progress != self._drained:
                self._drained, self._drained_at = progress, time.monotonic()
            if time.monotonic() - self._drained_at > patience_s:
                break
            if time.monotonic() > deadline:
                return None
            time.sleep(0.05)
        return {
            p.tracker.name: f"{len(p.behind())} trials; {p.error()}"
            for p in self._pumps
            if p.behind()
        }

    def close_sweep(self, summary: Summary) -> Summary:
        """End the parent runs; returns the summary with MLflow's run ids and pages."""
        summary = replace(
            summary,
            experiments=[self._mlflow.located(experiment) for experiment in summary.experiments],
        )
        for pump in self._pumps:
            try:
                pump.tracker.close_sweep(summary)
            except Exception as exc:  # noqa: BLE001 - the summary stands without the tracker
                logger.warning("%s: %s", pump.tracker.name, without_password(str(exc)))
        return summary

    def _take(self, info: AttemptInfo, offset: int, data: bytes) -> int:
        """Write an attempt's bytes to the copy.

        Returns how many it has, which is where to go on.
        """
        path = AttemptPaths(info.folder).results
        path.parent.mkdir(parents=True, exist_ok=True)
        size = path.stat().st_size if path.exists() else 0
        if offset != size or not data:
            return size
        with path.open("ab") as file:
            file.write(data)
        return size + len(data)

    def _set(self, status: AttemptStatus) -> None:
        self._version += 1
        self._attempts[status.info.key] = status
        self._changed[status.info.key] = self._version

    def _with_run(self, status: AttemptStatus) -> AttemptStatus:
        return replace(
            status,
            run_id=self._mlflow.run_id(status.info.key),
            run_url=self._mlflow.run_url(status.info),
        )

    def _notify(self) -> None:
        for pump in self._pumps:
            pump.notify()


def start_recorder(tracking_uri: str, cwd: Path, *, cpus: float) -> Any:
    """Start the recorder's actor on this machine; it is started again if it dies.

    Returns its handle.

    `begin` follows once the sweep is known: opening a store takes seconds, in which other things
    can start.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    node = ray.get_runtime_context().get_node_id()
    actor = ray.remote(RecorderActor).options(
        num_cpus=0,
        max_restarts=-1,
        # `open` may wait. Each is a thread that Ray starts at once: as many as trials can run
        # together, and some.
        max_concurrency=min(_THREADS + int(4 * cpus), 1000),
        scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
    )
    return actor.remote(tracking_uri, cwd, node)


class RecorderActor(Recorder):
    """The recorder as Ray starts it."""

    def __repr__(self) -> str:
        return "the recorder"  # Ray writes it into its logs
