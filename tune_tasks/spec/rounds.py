"""Who says what each trial of an experiment tries. Pure.

The combinations of the grid are its cells, and each has a search of its own. A cell is tried in
rounds: first what somebody wants to be tried, then what earlier sweeps have found, then the
start-up, and then what a model proposes, if one learns.
"""

from __future__ import annotations

from tune_tasks.model.trial import START_UP, TRY_FIRST, WARM_START
from tune_tasks.spec.arrangement import Arrangement
from tune_tasks.spec.resolution import Choose, drawn
from tune_tasks.spec.schema import ExperimentSpec
from tune_tasks.spec.search_space import SearchSpace
from tune_tasks.spec.start_up import StartUp
from tune_tasks.spec.wanted import Wanted
from tune_tasks.spec.warm_start import HeadStart


class Rounds:
    """The rounds of an experiment.

    Args:
        spec: The experiment's.
        space: What is searched.
        arrangement: Which combination each trial has.
        head_start: What is known from earlier sweeps.
        start_up: What is tried before a model proposes, or all along if none learns.
    """

    def __init__(
        self,
        spec: ExperimentSpec,
        space: SearchSpace,
        arrangement: Arrangement,
        head_start: HeadStart,
        start_up: StartUp,
    ) -> None:
        self._search = spec.searching()
        self._try_first = spec.try_first
        self._cells = space.grid_size
        self._is_searched = bool(space.parameters)
        self._arrangement = arrangement
        self._head_start = head_start
        self._start_up = start_up
        self._said = len(spec.try_first) + len(head_start.configs)
        """The rounds of which somebody has said what is tried."""

    def cell_of(self, index: int) -> int:
        """The combination of the grid that a trial has."""
        if self._cells == 1:
            return 0  # most spaces have no grid, and a model's question asks this of every trial
        return self._arrangement.combination(index) % self._cells

    def first_one_of(self, index: int) -> int | None:
        """Which entry of `try_first` a trial tries; None if none."""
        number = self._round_of(index)
        return number if number < len(self._try_first) else None

    def head_start_of(self, index: int) -> int | None:
        """Which config of the head start a trial tries; None if none."""
        number = self._round_of(index) - len(self._try_first)
        return number if 0 <= number < len(self._head_start.configs) else None

    def is_proposed(self, index: int) -> bool:
        """Whether a model says what a trial tries."""
        if not self._search.learns:
            return False
        start_up = max(self._search.startup_trials - self._told(index), 0)
        return self._round_of(index) >= self._said + start_up

    def wanted(self, index: int) -> Wanted | None:
        """What somebody wants a trial to try, or earlier sweeps have found: as far as it can."""
        first, found = self.first_one_of(index), self.head_start_of(index)
        if first is not None:
            return Wanted(self._try_first[first], is_wish=True)
        if found is not None:
            return Wanted(self._head_start.configs[found], is_wish=True)
        return None

    def chooser(self, index: int) -> Choose:
        """What says what a trial tries if nobody wants anything and no model has proposed it."""
        start_up = self._round_of(index) - self._said
        if start_up < 0 or self.is_proposed(index):
            return drawn
        # What earlier sweeps have told covers the space, too: maybe with the first of these points.
        return self._start_up.chooser(start_up + self._told(index))

    def proposer_of(self, index: int) -> str:
        """See `Trial.proposed_by`."""
        kept = self._arrangement.kept.get(index)
        if kept:
            return kept.proposed_by
        if self.first_one_of(index) is not None:
            return TRY_FIRST
        if self.head_start_of(index) is not None:
            return WARM_START
        if not self._is_searched:
            return ""
        is_early = self._search.learns and not self.is_proposed(index)
        return START_UP if is_early else self._search.algorithm

    def _round_of(self, index: int) -> int:
        """How often the trial's combination of the grid is tried before it."""
        return self._arrangement.combination(index) // self._cells

    def _told(self, index: int) -> int:
        """How many results of earlier sweeps a model has that proposes this trial."""
        return self._head_start.told.get(self.cell_of(index), 0)
