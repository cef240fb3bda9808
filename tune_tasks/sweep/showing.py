"""How a sweep stands, for those who watch it, and what it came to."""

from __future__ import annotations

from tune_tasks.results.leaderboard import LISTED as BOARD_LISTED
from tune_tasks.results.summary import Summary
from tune_tasks.sweep.driver_parts import DriverParts, Teller
from tune_tasks.sweep.outline import LISTED as SUMMARY_LISTED
from tune_tasks.sweep.outline import summary_of
from tune_tasks.sweep.status import LISTED as STATUS_LISTED
from tune_tasks.sweep.status import StatusView

_EVERY_S = 0.5


class Showing:
    """See the module's docstring."""

    def __init__(self, parts: DriverParts, teller: Teller) -> None:
        self._parts = parts
        self._core = parts.core
        self._now = teller.now
        self._shown_at = float("-inf")

    def show_now_and_then(self) -> None:
        """Show how the sweep stands, unless that was done just now."""
        if self._now() - self._shown_at >= _EVERY_S:
            self._show()

    def _show(self) -> None:
        self._shown_at = self._now()
        parts = self._parts
        some = parts.records.some(STATUS_LISTED)
        view = StatusView(
            parts.cluster.cpu,
            parts.cluster.gpu,
            parts.info.experiments,
            some.records,
            some.unlisted,
            self._core.budgets(self._now()),
        )
        parts.views.show(view, self._summary_of_some)

    def _summary_of_some(self) -> Summary:
        """The sweep as a leaderboard shows it: a million pending trials need not exist for that."""
        return summary_of(
            self._parts.info,
            self._parts.plan.experiments,
            self._parts.records.some(BOARD_LISTED),
            interrupted=self._is_interrupted,
            budgets=self._core.budgets(self._now()),
        )

    def last_summary(self) -> Summary:
        """Show how the sweep has ended; returns what it came to."""
        self._show()
        space = self._parts.watches.space
        given_up = space.given_up if self._core.pending else None
        return summary_of(
            self._parts.info,
            self._parts.plan.experiments,
            self._parts.records.some(SUMMARY_LISTED),
            # A suspended run may be cancelled while no driver lives. So its records are closed now,
            # as those of a stopped one; if it goes on, they are opened again.
            interrupted=self._is_interrupted or self._core.is_suspended,
            at_end=True,
            ended_early=self._core.ended_early or given_up,
            budgets=self._core.budgets(self._now()),
        )

    @property
    def _is_interrupted(self) -> bool:
        """Whether somebody has stopped the sweep: not its trials' failures."""
        return self._core.stop_reason is not None and self._core.ended_early is None
