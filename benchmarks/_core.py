"""A sweep whose trials a model proposes, without the processes around it.

The core, its plan and its models are those of a driver; whoever uses this is the machine.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from tune_tasks.model.trial import EndedBy, Outcome, TrialState
from tune_tasks.spec.loading import spec_from_data
from tune_tasks.sweep.asking import Proposer, proposers
from tune_tasks.sweep.core import Core
from tune_tasks.sweep.core_experiments import core_experiments
from tune_tasks.sweep.events import AttemptEnded, Event, Proposed, SweepBegan
from tune_tasks.sweep.instructions import Instruction, Propose, StartAttempt
from tune_tasks.sweep.planning import make_plan

METRIC = "mean_loss"
_NAME = "e"
_WELL = Outcome(TrialState.TERMINATED, EndedBy.RETURNED, "train() returned")


class CoreSweep:
    """See the module's docstring.

    Args:
        experiment: What a spec says of it.
        seed: Of the sweep.
        workers: How many trials run at once.

    Attributes:
        waiting: The keys of the trials that can begin, in order.
        core: Of the sweep.
    """

    def __init__(self, experiment: Mapping[str, Any], seed: int, workers: int) -> None:
        compared_by = {} if "objectives" in experiment else {"metric": METRIC}
        spec = spec_from_data({_NAME: {**compared_by, **experiment}})
        plan = make_plan(spec, callables={_NAME: _never_called}, drawn_seed=seed)
        self.waiting: deque[str] = deque()
        self._proposers: Mapping[str, Proposer] = proposers(plan)
        self.core = Core(core_experiments(plan))
        self.tell(SweepBegan(0, workers))

    def config(self, key: str) -> dict[str, Any]:
        """What a trial tries."""
        return self.core.trial(key).config

    def end(self, key: str, loss: float, **others: float) -> None:
        """A trial has ended well, with these metrics."""
        self.tell(AttemptEnded(0, key, 1, _WELL, {METRIC: loss, **others}))

    def propose(self, key: str) -> None:
        """Ask the model what a trial is to try."""
        index = int(key.rpartition("/")[2])
        point = self._proposers[_NAME].propose(self.core.history_for(key), index)
        self.tell(Proposed(0, key, point))

    def drawn(self, key: str) -> None:
        """Have a trial drawn in place of asking the model, which takes longer."""
        index = int(key.rpartition("/")[2])
        self.tell(Proposed(0, key, self._proposers[_NAME].drawn(index)))

    def tell(self, event: Event) -> list[Instruction]:
        """Tell the core of a fact; returns what it wants, which is done as far as it can be."""
        wishes = self.core.handle(event)
        for wish in wishes:
            if isinstance(wish, StartAttempt):
                self.waiting.append(wish.trial)
            elif isinstance(wish, Propose):
                self.propose(wish.trial)
        return wishes


def _never_called(config: Any, status_reporter: Any) -> None:
    """The core starts no process."""
