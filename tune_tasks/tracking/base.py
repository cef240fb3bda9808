"""`Tracker`: the interface of what records a sweep, such as MLflow and TensorBoard."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.timeouts import OPEN_S
from tune_tasks.model.trial import Outcome
from tune_tasks.results.summary import ExperimentSummary, Summary
from tune_tasks.tracking.info import SweepInfo

Row = Mapping[str, Any]
"""One report as it stands in `result.json`."""


class Tracker(ABC):
    """Follows the attempts of one sweep. Lives in the recorder's process.

    **Order.** `connect` and `begin`, in any order; then `prepare`; then the calls for attempts: for
    each attempt `open_attempt`, any number of `log`, and `close_attempt`; in the end `close_sweep`.

    **Threads.** `connect` and `prepare` come from one thread. The calls for attempts and
    `close_sweep` come from it, too, if `threads` is 1, the default. Otherwise they come from so
    many threads, but never two at once for the same attempt, and never `close_sweep` twice at once.
    `close_sweep` may come before every attempt is closed: if the driver has lost its patience.
    `begin` and the questions (`run_id`, `run_url`, `located`, `progress`) come from others.

    **Failures.** A call that raises is made again later with the same arguments, so a call must do
    no harm if it is repeated. After the recorder has died, a new one begins `again` and makes all
    the calls once more; the tracker must then hold the same as without that.
    """

    name: str
    rows_per_call: int
    """The most rows that `log` gets in one call."""
    threads: int = 1
    """How many attempts it can serve at once."""
    open_s: float = OPEN_S
    """Seconds that a trial waits for it to open the attempt, if it does not answer."""

    @property
    def progress(self) -> int:
        """A number that grows if a call that raised has done a part of its work."""
        return 0

    @property
    def own_progress(self) -> int:
        """The same, of the calls of the thread that asks."""
        return self.progress

    def connect(self) -> None:
        """Import libraries and reach the store; may take seconds. May fail."""

    def begin(self, sweep: SweepInfo, *, again: bool) -> None:
        """Learn which sweep is to be recorded. Must return at once.

        Args:
            sweep: The sweep's names and folders.
            again: Whether an earlier recorder may have recorded a part of the sweep.
        """

    def prepare(self) -> None:
        """Make what all attempts need, before the first attempt. May fail."""

    @abstractmethod
    def open_attempt(self, info: AttemptInfo) -> dict[str, str]:
        """Begin an attempt; returns environment variables for its user code.

        Attempts of one trial may come in any order; the highest number is the current one.
        """

    @abstractmethod
    def log(self, info: AttemptInfo, rows: Sequence[Row]) -> None:
        """Take the next reports of an attempt, in order.

        Values that are not finite are left out.
        """

    @abstractmethod
    def close_attempt(self, info: AttemptInfo, outcome: Outcome) -> None:
        """End an attempt. One that was paused has another end once it is not promoted any more."""

    def close_sweep(self, summary: Summary) -> None:
        """End the sweep. May fail."""

    def run_id(self, key: str) -> str | None:
        """Return the id under which the tracker has an attempt; None if it has none."""
        return None

    def run_url(self, info: AttemptInfo) -> str | None:
        """Return the address of an attempt's page; None if it has none."""
        return None

    def located(self, experiment: ExperimentSummary) -> ExperimentSummary:
        """Return the experiment with the tracker's ids and pages, as far as there are any."""
        return experiment
