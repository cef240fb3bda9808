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
from tune_tasks.sweep.instructions import Propose, StartAttempt
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
    """

    def __init__(self, experiment: Mapping[str, Any], seed: int, workers: int) -> None:
        spec = spec_from_data({_NAME: {"metric": METRIC, **experiment}})
        plan = make_plan(spec, callables={_NAME: _never_called}, drawn_seed=seed)
        self.waiting: deque[str] = deque()
        self._proposer: Proposer = proposers(plan)[_NAME]
        self._core = Core(core_experiments(plan))
        self._handle(SweepBegan(0, workers))

    def config(self, key: str) -> dict[str, Any]:
        """What a trial tries."""
        return self._core.trial(key).config

    def end(self, key: str, loss: float) -> None:
        """A trial has ended well."""
        self._handle(AttemptEnded(0, key, 1, _WELL, {METRIC: loss}))

    def propose(self, key: str) -> None:
        """Ask the model what a trial is to try."""
        index = int(key.rpartition("/")[2])
        point = self._proposer.propose(self._core.history_for(key), index)
        self._handle(Proposed(0, key, point))

    def _handle(self, event: Event) -> None:
        for wish in self._core.handle(event):
            if isinstance(wish, StartAttempt):
                self.waiting.append(wish.trial)
            elif isinstance(wish, Propose):
                self.propose(wish.trial)


def _never_called(config: Any, status_reporter: Any) -> None:
    """The core starts no process."""
