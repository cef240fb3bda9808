"""The recorder: one Ray actor a sweep that knows every attempt's latest state and alone feeds the trackers.

It reads the reports from the attempts' files, never from memory: the file is the buffer while a tracker is slow or away,
and a recorder that died starts again from the files. Trials on another machine send their bytes, which it writes to a
copy at the same path on its own machine, the driver's.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tune_tasks.recorder_protocol import AttemptInfo, AttemptStatus, SweepInfo
from tune_tasks.reporter import Progress, StatusReporter, Stop
from tune_tasks.summary import Summary
from tune_tasks.trackers import MlflowTracker, TensorBoardTracker, Tracker
from tune_tasks.trial import AttemptPaths, Outcome

logger = logging.getLogger(__name__)

FLUSH_S = 1.0
OPEN_TIMEOUT_S = 60.0
_READ_BYTES = 4_000_000
_DRAIN_CALL_S = 1.0
_LONGEST_BACKOFF_S = 15.0
_OPEN_CALL_TIMEOUT_S = 90.0
_CALL_TIMEOUT_S = 15.0


@dataclass
class _Cursor:
    """How far a tracker has taken one attempt."""

    environment: dict[str, str] | None = None
    offset: int = 0
    flushed_at: float = 0.0
    closed: bool = False
    failures: int = 0
    error: str | None = None
    not_before: float = 0.0


class Pump(threading.Thread):
    """Feeds one tracker from the attempts' files, in a thread of its own: a tracker that is away delays no other."""

    def __init__(self, tracker: Tracker, attempts: Mapping[str, AttemptStatus]) -> None:
        super().__init__(name=f"pump-{tracker.name}", daemon=True)
        self.tracker = tracker
        self._attempts = attempts
        self._cursors: dict[str, _Cursor] = {}
        self._opened = threading.Condition()
        self._wake = threading.Event()

    def notify(self) -> None:
        """There is something new."""
        self._wake.set()

    def environment(self, key: str, timeout_s: float) -> dict[str, str]:
        """What the tracker gives to user code; empty where it could not open the attempt in time."""
        with self._opened:
            cursor = self._cursor(key)
            self._opened.wait_for(lambda: cursor.environment is not None or cursor.error is not None, timeout_s)
            return cursor.environment or {}

    def behind(self) -> list[str]:
        """The attempts that have ended and are not all with the tracker."""
        ended = [key for key, status in list(self._attempts.items()) if status.outcome]
        return [key for key in ended if not self._cursor(key).closed]

    def progress(self) -> int:
        """Grows whenever the tracker has taken something more."""
        return sum(cursor.offset + cursor.closed for cursor in list(self._cursors.values()))

    def error(self) -> str:
        """What hinders the tracker, for one attempt that it is behind with."""
        return next((error for key in self.behind() if (error := self._cursor(key).error)), "slow")

    def run(self) -> None:
        """Serve for ever; the thread is a daemon."""
        while True:
            if not self._serve_all():
                self._wake.wait(FLUSH_S / 4)
                self._wake.clear()

    def _cursor(self, key: str) -> _Cursor:
        return self._cursors.setdefault(key, _Cursor())

    def _serve_all(self) -> bool:
        """One round over the attempts, those not opened yet first; returns whether there was anything to do."""
        worked = False
        open_ones = [(key, status) for key, status in list(self._attempts.items()) if not self._cursor(key).closed]
        for key, status in sorted(open_ones, key=lambda item: self._cursor(item[0]).environment is not None):
            cursor = self._cursor(key)
            if cursor.not_before <= time.monotonic():
                worked = self._serve(status, cursor) or worked
        return worked

    def _serve(self, status: AttemptStatus, cursor: _Cursor) -> bool:
        try:
            worked = self._step(status, cursor)
        except Exception as exc:  # noqa: BLE001 - a failing tracker never fails a trial: it is called again later
            cursor.failures += 1
            cursor.not_before = time.monotonic() + min(0.5 * 2**cursor.failures, _LONGEST_BACKOFF_S)
            self._note(cursor, f"{type(exc).__name__}: {exc}")
            return False
        if worked:
            cursor.failures = 0
            self._note(cursor, None)
        return worked

    def _note(self, cursor: _Cursor, error: str | None) -> None:
        if error and error != cursor.error:
            logger.warning("%s: %s", self.tracker.name, error)
        with self._opened:
            cursor.error = error
            self._opened.notify_all()

    def _step(self, status: AttemptStatus, cursor: _Cursor) -> bool:
        if cursor.environment is None:
            cursor.environment = self.tracker.open_attempt(status.info)
            return True
        if self._log_next(status, cursor):
            return True
        if status.outcome and not cursor.closed and cursor.offset >= status.progress.size:
            self.tracker.close_attempt(status.info, status.outcome)
            cursor.closed = True
            return True
        return False

    def _log_next(self, status: AttemptStatus, cursor: _Cursor) -> bool:
        size = status.progress.size
        due = status.outcome or cursor.offset == 0 or time.monotonic() - cursor.flushed_at >= FLUSH_S
        if size <= cursor.offset or not due:
            return False
        rows, end = _read_rows(status.info, cursor.offset, size, self.tracker.rows_per_call)
        if not rows:
            return False
        self.tracker.log(status.info, rows)
        cursor.offset = end
        if end >= size:
            cursor.flushed_at = time.monotonic()
        return True


def _read_rows(info: AttemptInfo, offset: int, size: int, limit: int) -> tuple[list[dict[str, Any]], int]:
    """The next rows of an attempt's file, at most `limit`, and the offset behind them."""
    with AttemptPaths(info.folder).results.open("rb") as file:
        file.seek(offset)
        data = file.read(min(size - offset, _READ_BYTES))
        if not data.endswith(b"\n"):
            data += file.readline()
    lines = data.splitlines(keepends=True)[:limit]
    return [json.loads(line) for line in lines], offset + sum(map(len, lines))


@dataclass(frozen=True)
class Opened:
    """The recorder's answer to a new attempt."""

    environment: dict[str, str]
    wants_bytes: bool


@dataclass(frozen=True)
class Word:
    """What a monitor tells of its attempt.

    Attributes:
        progress: What was reported.
        unseen_metrics: Of the stop criteria's metrics, those that no report had so far.
        began_s: Seconds since `train()` began; None before.
        stop: The decision to end the attempt, once it is taken.
    """

    progress: Progress
    unseen_metrics: tuple[str, ...] = ()
    began_s: float | None = None
    stop: Stop | None = None


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


@dataclass(frozen=True)
class Updated:
    """The recorder's answer to an update.

    Attributes:
        known: False where the recorder was started anew: the attempt is to be announced again.
        received: Bytes of the attempt's reports that the recorder has.
        stop: Why the sweep wants the attempt to end, or None.
    """

    known: bool
    received: int = 0
    stop: Stop | None = None


@dataclass(frozen=True)
class News:
    """What changed since an earlier version.

    Attributes:
        version: Counts the changes.
        statuses: The attempts that changed.
        has_begun: False where the recorder was started anew: it is to be told of the sweep again.
    """

    version: int
    statuses: list[AttemptStatus]
    has_begun: bool


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
        self._pumps = [Pump(self._mlflow, self._attempts), Pump(TensorBoardTracker(), self._attempts)]
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
            logger.warning("MLflow: %s", exc)

    def open(self, info: AttemptInfo) -> Opened:
        """A new attempt begins, or is announced again. Waits until MLflow has its run, or is known to be away."""
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
        """Progress of an attempt; from another machine with the bytes of its `result.json` from `offset` on."""
        with self._lock:
            status = self._attempts.get(key)
            if status is None:
                return Updated(known=False, stop=self._stop_of(key))
            received = self._take(status.info, offset, data) if status.info.node != self._node else word.progress.size
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
                self._set(replace(status, state=outcome.state, outcome=outcome, heard_at=time.time()))
        self._notify()

    def restore(self, info: AttemptInfo, progress: Progress, outcome: Outcome) -> None:
        """An attempt that this recorder does not know or did not hear the end of, as the driver knows it from the files."""
        with self._lock:
            known = self._attempts.get(info.key)
            if known is None or known.outcome is None:
                info = known.info if known else info
                unseen = known.unseen_metrics if known else ()
                progress = replace(progress, non_finite=known.progress.non_finite) if known else progress
                self._set(AttemptStatus(info, outcome.state, progress, outcome, heard_at=time.time(), unseen_metrics=unseen))
        self._notify()

    def news(self, since: int) -> News:
        """The attempts that changed after version `since`."""
        with self._lock:
            changed = [key for key, version in self._changed.items() if version > since]
            return News(self._version, [self._with_run(self._attempts[key]) for key in changed], self._begun.is_set())

    def request_stop(self, stop: Stop, keys: Sequence[str] | None = None) -> None:
        """Have these attempts end, or all of them, those to come included; each hears of it with its next update."""
        if keys is None:
            self._stop = stop
        else:
            self._stops |= dict.fromkeys(keys, stop)

    def _stop_of(self, key: str) -> Stop | None:
        return self._stop or self._stops.get(key)

    def drain(self, patience_s: float) -> dict[str, str] | None:
        """Look whether the trackers have everything of the attempts that have ended; wait a little where they have not.

        Args:
            patience_s: Seconds without any progress after which the trackers are given up.

        Returns:
            None while they are still at it; else tracker to what is missing, for those that did not take everything.
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
        return {p.tracker.name: f"{len(p.behind())} trials; {p.error()}" for p in self._pumps if p.behind()}

    def close_sweep(self, summary: Summary) -> Summary | None:
        """End the parent runs; returns the summary with MLflow's run ids, or None where a tracker fails."""
        experiments = [
            replace(experiment, mlflow_run_id=self._mlflow.parent_run_id(experiment.name)) for experiment in summary.experiments
        ]
        summary = replace(summary, experiments=experiments)
        for pump in self._pumps:
            try:
                pump.tracker.close_sweep(summary)
            except Exception as exc:  # noqa: BLE001 - the summary stands without the tracker
                logger.warning("%s: %s", pump.tracker.name, exc)
                return None
        return summary

    def _take(self, info: AttemptInfo, offset: int, data: bytes) -> int:
        """Write an attempt's bytes to the copy; returns how many it has, which is where to go on."""
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
        return replace(status, run_id=self._mlflow.run_id(status.info.key))

    def _notify(self) -> None:
        for pump in self._pumps:
            pump.notify()


def start_recorder(tracking_uri: str, cwd: Path) -> Any:
    """Start the recorder's actor on this machine; it is started again if it dies. Returns its handle.

    `begin` follows once the sweep is known: opening a store takes seconds, in which other things can start.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    node = ray.get_runtime_context().get_node_id()
    actor = ray.remote(RecorderActor).options(
        num_cpus=0,
        max_restarts=-1,
        max_concurrency=1000,  # `open` may wait
        scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
    )
    return actor.remote(tracking_uri, cwd, node)


class RecorderActor(Recorder):
    """The recorder as Ray starts it."""

    def __repr__(self) -> str:
        return "the recorder"  # Ray writes it into its logs


class RayRecorderLink:
    """The monitor's line to the recorder's actor; see `monitor.RecorderLink`. Used from the monitor's thread alone.

    Ray lends out a task's CPUs while its main thread waits in `ray.get`, not while another thread does.
    """

    def __init__(self, handle: Any, paths: AttemptPaths) -> None:
        self._handle, self._paths = handle, paths
        self._info: AttemptInfo | None = None
        self._wants_bytes = False
        self._received = 0

    def open(self, info: AttemptInfo) -> dict[str, str]:
        """See `monitor.RecorderLink`."""
        self._info = info
        opened = self._call("open", info, timeout_s=_OPEN_CALL_TIMEOUT_S)
        if opened is None:
            return {}
        self._wants_bytes = opened.wants_bytes
        return dict(opened.environment)

    def update(self, reporter: StatusReporter) -> Stop | None:
        """See `monitor.RecorderLink`."""
        assert self._info is not None
        progress = reporter.progress
        data = self._unsent(progress.size) if self._wants_bytes else b""
        word = Word(progress, tuple(sorted(reporter.unseen_metrics)), reporter.began_s(), reporter.stop)
        updated = self._call("update", self._info.key, word, self._received, data)
        if updated is None:
            return None
        if not updated.known:
            self._received = 0
            self.open(self._info)
        else:
            self._received = updated.received
        return updated.stop  # type: ignore[no-any-return]

    def close(self, reporter: StatusReporter, outcome: Outcome) -> None:
        """See `monitor.RecorderLink`."""
        assert self._info is not None
        deadline = time.monotonic() + _CALL_TIMEOUT_S
        while True:
            self.update(reporter)
            if not self._wants_bytes or self._received >= reporter.progress.size or time.monotonic() > deadline:
                break
        self._call("close", self._info.key, outcome)

    def _unsent(self, size: int) -> bytes:
        with self._paths.results.open("rb") as file:
            file.seek(self._received)
            return file.read(min(size - self._received, _READ_BYTES))

    def _call(self, method: str, *args: Any, timeout_s: float = _CALL_TIMEOUT_S) -> Any:
        import ray

        try:
            return ray.get(getattr(self._handle, method).remote(*args), timeout=timeout_s)
        except Exception as exc:  # noqa: BLE001 - a recorder that is away never fails a trial
            logger.debug("recorder.%s: %s", method, exc)
            return None
