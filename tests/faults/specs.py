"""The sweeps that faults are done to: a table.

Their reports follow from the configs alone (`train`). So a sweep ends as the undisturbed one if its
configs, and who goes on, do not depend on the order in which trials end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.faults.train import EVERY, STEPS

_COPYING = {
    "tune_tasks.sweep.attempt_starts:AttemptStarts.copy_checkpoint": 3,
    "tune_tasks.sweep.cloning:_take": 3,
    "tune_tasks.sweep.cloning:_link": 3,
    "tune_tasks.sweep.cloning:remove_unheard": 2,
}
_ASKING = {
    "tune_tasks.trial.questions:Questions.wait": 2,
    "tune_tasks.sweep.attempt_ends:AttemptEnds.keep": 6,
}
_X = {"grid_search": [1, 2, 3, 5, 7, 11]}
_PROMOTE = {"asha": {"mode": "promote", "grace_period": EVERY, "reduction_factor": 2}}
_RUNGS = range(EVERY, STEPS + 1, EVERY)


@dataclass(frozen=True)
class Kind:
    """A kind of sweep.

    Attributes:
        keys: What its experiment says beside what all have.
        config: The trials', likewise.
        is_exact: Whether it ends as the undisturbed one, whatever ends first. If not, only what
            holds for every order can be looked at.
        lengths: How many reports a trial may end with; one at least has the most of them.
        takes_from_others: Whether a trial may go on from another one's checkpoint.
        points: Further ones than `faults.POINTS`, for this kind alone.
    """

    keys: Mapping[str, Any]
    config: Mapping[str, Any]
    is_exact: bool = True
    lengths: range = range(STEPS, STEPS + 1)
    takes_from_others: bool = False
    points: Mapping[str, int] = field(default_factory=dict)

    def experiment(self, uncounted: list[str]) -> dict[str, Any]:
        """The spec of its experiment.

        Args:
            uncounted: The failures of a trial's own that are not counted.
        """
        return {
            "metric": "mean_loss",
            "mode": "min",
            "seed": 1,
            "resources": {"cpu": 1},
            "checkpoint": {"keep": 1},
            **self.keys,
            "config": {"script_file_path": "train.py", "pause_s": 0.1, **self.config},
            "retry": [{"on": failure, "counts": False} for failure in uncounted],
        }


SWEEPS = {
    "grid": Kind({}, {"x": _X}),
    # What is proposed depends on the trials before, in the order of their numbers, and on no other.
    "search": Kind(
        {"num_trials": 8, "search": {"tpe": {"startup_trials": 3, "lag": 2}}},
        {"x": {"int": [1, 12]}, "plus": {"int": [0, 1000]}},
        points={"tune_tasks.sweep.asking:Proposer.propose": 5},
    ),
    # One at a time: the order is that of the undisturbed one.
    "promote": Kind(
        {"max_concurrent_trials": 1, "stop": {"training_iteration": STEPS}, "scheduler": _PROMOTE},
        {"x": _X},
        lengths=_RUNGS,
        points=_ASKING,
    ),
    "promote-two": Kind(
        {"stop": {"training_iteration": STEPS}, "scheduler": _PROMOTE},
        {"x": _X},
        is_exact=False,
        lengths=_RUNGS,
        points=_ASKING,
    ),
    "population": Kind(
        {
            "num_trials": 4,
            "resources": {"cpu": 0.5},
            "stop": {"training_iteration": STEPS},
            "scheduler": {"pbt": {"interval": EVERY, "quantile": 0.5}},
        },
        {"x": {"int": [20, 2000]}, "steps": 10 * STEPS},
        is_exact=False,
        takes_from_others=True,
        points=_COPYING,
    ),
    "replay": Kind(
        {
            "scheduler": {
                "replay": {
                    "schedule": [
                        {"at": EVERY, "config": {"plus": 100}},
                        {"at": 2 * EVERY, "config": {"plus": 200}},
                    ]
                }
            }
        },
        {"x": {"grid_search": [1, 2, 5, 7]}, "plus": 0},
        points=_COPYING,
    ),
}
