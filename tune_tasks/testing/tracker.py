"""`FakeTracker`: a tracker in memory, for tests of what feeds one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.trial import Outcome
from tune_tasks.results.summary import Summary
from tune_tasks.tracking.base import Row, Tracker
from tune_tasks.tracking.info import SweepInfo


@dataclass
class FakeStore:
    """Everything that a `FakeTracker` has been told.

    Attributes:
        rows: The reports, by attempt.
        outcomes: The ends, by attempt.
        sweep: The sweep; None before `begin`.
        begun_again: Whether the last `begin` was one `again`.
        summary: The sweep's end; None before.
    """

    rows: dict[str, list[Row]] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    sweep: SweepInfo | None = None
    begun_again: bool = False
    summary: Summary | None = None


class FakeTracker(Tracker):
    """Keeps what it is told, and is away whenever the test wants it.

    Args:
        name: Its name.
        store: Where it keeps what it is told; one of its own by default.
        environment: What user code gets.

    Attributes:
        is_away: While True, every call that may fail raises ConnectionError.
    """

    rows_per_call = 100

    def __init__(
        self,
        name: str = "fake",
        store: FakeStore | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.store = store or FakeStore()
        self.is_away = False
        self._environment = dict(environment or {})

    def connect(self) -> None:
        """See `Tracker`."""
        self._expect_not_away()

    def begin(self, sweep: SweepInfo, *, again: bool) -> None:
        """See `Tracker`."""
        self.store.sweep = sweep
        self.store.begun_again = again

    def prepare(self) -> None:
        """See `Tracker`."""
        self._expect_not_away()

    def open_attempt(self, info: AttemptInfo) -> dict[str, str]:
        """See `Tracker`; what an earlier recorder has logged is forgotten."""
        self._expect_not_away()
        self.store.rows[info.key] = []
        return dict(self._environment)

    def log(self, info: AttemptInfo, rows: Sequence[Row]) -> None:
        """See `Tracker`."""
        self._expect_not_away()
        self.store.rows[info.key] += rows

    def close_attempt(self, info: AttemptInfo, outcome: Outcome) -> None:
        """See `Tracker`."""
        self._expect_not_away()
        self.store.outcomes[info.key] = outcome

    def close_sweep(self, summary: Summary) -> None:
        """See `Tracker`."""
        self._expect_not_away()
        self.store.summary = summary

    def run_id(self, key: str) -> str | None:
        """See `Tracker`."""
        return f"run of {key}" if key in self.store.rows else None

    def _expect_not_away(self) -> None:
        if self.is_away:
            raise ConnectionError(f"{self.name} is away")
