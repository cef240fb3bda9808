"""Who ends trials early: our judges, and the rivals, each driven as its own library drives it.

Every library is imported when its judge is made: not all of them go into one environment.
"""

from __future__ import annotations

import logging
import math
import warnings
from bisect import insort
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from typing import Any

from _simulation import Judge
from _tasks import EPOCHS

ETA = 3
GRACE = 1
STEP = "training_iteration"
METRIC = "mean_loss"

MakeJudge = Callable[[int], Judge]
"""From a seed."""


class Ours(Judge):
    """One of ours, told what the sweep's core tells it.

    Args:
        judge: A `tune_tasks.search.judge.Judge`.
    """

    def __init__(self, judge: Any) -> None:
        self._judge = judge
        self._courses: dict[int, Any] = {}
        self._last: dict[int, float] = {}

    def started(self, trial: int) -> None:
        """See `Judge`."""
        from tune_tasks.model.milestones import Course

        self._courses[trial] = Course(0, self._judge.milestones(trial))

    def report(self, trial: int, step: int, value: float) -> str | None:
        """See `Judge`."""
        self._last[trial] = value
        for reached in self._courses[trial].reached({STEP: step, METRIC: value}):
            reason: str | None = self._judge.judge(trial, reached)
            if reason:
                return reason
        return None

    def ended(self, trial: int) -> None:
        """See `Judge`."""
        last = self._last[trial]
        self._judge.ended(trial, last if math.isfinite(last) else None)


def asha(_seed: int) -> Judge:
    """Our ASHA."""
    from tune_tasks.search.asha import Asha, rungs

    return Ours(Asha(_objective(), STEP, rungs(GRACE, EPOCHS, ETA), ETA))


def asha_3(_seed: int) -> Judge:
    """Our ASHA with a longer grace period."""
    from tune_tasks.search.asha import Asha, rungs

    return Ours(Asha(_objective(), STEP, rungs(3 * GRACE, EPOCHS, ETA), ETA))


class Promoting(Judge):
    """Our ASHA with trials that are paused. What a checkpoint and a new start cost is left out.

    Args:
        grace: The first rung.
    """

    def __init__(self, grace: int) -> None:
        from tune_tasks.search.asha import rungs
        from tune_tasks.search.promotion import Promotion

        self._judge = Promotion(_objective(), STEP, rungs(grace, EPOCHS, ETA), ETA)
        self._courses: dict[int, Any] = {}
        self._waiting: dict[int, None] = {}
        self._last: dict[int, float] = {}

    def started(self, trial: int) -> None:
        """See `Judge`."""
        from tune_tasks.model.milestones import Course

        self._courses[trial] = Course(0, self._judge.milestones(trial))

    def report(self, trial: int, step: int, value: float) -> str | None:
        """See `Judge`; of several rungs at once the last one counts."""
        self._last[trial] = value
        said = [
            self._judge.judge(trial, reached)
            for reached in self._courses[trial].reached({STEP: step, METRIC: value})
        ]
        if not said or said[-1] is None:
            return None
        if isinstance(said[-1], str):
            return said[-1]
        self._waiting[trial] = None
        return said[-1].reason

    def resumes(self, *, is_last: bool) -> int | None:
        """See `Judge`."""
        trial = self._judge.promotable(self._waiting, is_last=is_last)
        if trial is not None:
            del self._waiting[trial]
        return trial

    def ended(self, trial: int) -> None:
        """See `Judge`."""
        self._waiting.pop(trial, None)
        last = self._last[trial]
        self._judge.ended(trial, last if math.isfinite(last) else None)


def hyperband(_seed: int) -> Judge:
    """Our Hyperband."""
    from tune_tasks.search.asha import rungs
    from tune_tasks.search.hyperband import Hyperband

    return Ours(Hyperband(_objective(), STEP, rungs(GRACE, EPOCHS, ETA), ETA))


def median(_seed: int) -> Judge:
    """Our median rule, with what a spec leaves out."""
    from tune_tasks.search.median import Median

    return Ours(Median(_objective(), STEP, grace_period=5, interval=5, min_trials=5))


def _objective() -> Any:
    from tune_tasks.model.objective import Objective

    return Objective.of_spec(METRIC, "min")


class Waiting(Judge):
    """ASHA's rule, with another number of values at a rung from which on it decides.

    Args:
        least: That number.
    """

    def __init__(self, least: int) -> None:
        self._least = least
        self._rungs: dict[int, list[float]] = defaultdict(list)
        self._passed: dict[int, int] = {}

    def started(self, trial: int) -> None:
        """See `Judge`."""
        self._passed[trial] = 0

    def report(self, trial: int, step: int, value: float) -> str | None:
        """See `Judge`."""
        while (rung := GRACE * ETA ** self._passed[trial]) <= step and rung < EPOCHS:
            self._passed[trial] += 1
            if not self._goes_on(self._rungs[rung], value if math.isfinite(value) else math.inf):
                return "not among the best"
        return None

    def _goes_on(self, values: list[float], own: float) -> bool:
        insort(values, own)
        if math.isinf(own):
            return math.isinf(values[0])
        rank = values.index(own) + values.count(own)  # behind those that are as good
        return len(values) < self._least or rank <= max(1, len(values) // ETA)


class RayTune(Judge):
    """Ray Tune's AsyncHyperBandScheduler, called as its controller calls it."""

    def __init__(self, _seed: int) -> None:
        from ray.tune.schedulers import AsyncHyperBandScheduler

        warnings.filterwarnings("ignore", "All-NaN slice encountered")
        self._scheduler = AsyncHyperBandScheduler(
            STEP, METRIC, "min", max_t=EPOCHS, grace_period=GRACE, reduction_factor=ETA
        )

    def started(self, trial: int) -> None:
        """See `Judge`."""
        self._scheduler.on_trial_add(None, _Named(trial))

    def report(self, trial: int, step: int, value: float) -> str | None:
        """See `Judge`."""
        row = {STEP: step, METRIC: value}
        answer = self._scheduler.on_trial_result(None, _Named(trial), row)
        return "stopped" if answer == "STOP" else None


class _Named:
    """All that Ray's scheduler asks of a trial."""

    def __init__(self, trial: int) -> None:
        self.trial_id = str(trial)


class Optuna(Judge):
    """One of Optuna's pruners, on a study in memory.

    Args:
        pruner: It.
        seed: Names the study: what bracket of Hyperband a trial is in depends on that.
    """

    def __init__(self, pruner: Any, seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        sampler = optuna.samplers.RandomSampler(seed=seed)
        self._study = optuna.create_study(study_name=str(seed), sampler=sampler, pruner=pruner)
        self._trials: dict[int, Any] = {}
        self._last: dict[int, float] = {}

    def started(self, trial: int) -> None:
        """See `Judge`."""
        self._trials[trial] = self._study.ask()

    def report(self, trial: int, step: int, value: float) -> str | None:
        """See `Judge`."""
        self._last[trial] = value
        self._trials[trial].report(value, step)
        if step == EPOCHS or not self._trials[trial].should_prune():
            return None
        self._tell(trial, "PRUNED")
        return "pruned"

    def ended(self, trial: int) -> None:
        """See `Judge`; NaN is a failure to Optuna's own loop, too."""
        self._tell(trial, "FAIL" if math.isnan(self._last[trial]) else "COMPLETE")

    def _tell(self, trial: int, state: str) -> None:
        from optuna.trial import TrialState

        value = self._last[trial] if state == "COMPLETE" else None
        self._study.tell(self._trials.pop(trial), value, state=TrialState[state])


def optuna_halving(seed: int) -> Judge:
    """Optuna's successive halving."""
    from optuna.pruners import SuccessiveHalvingPruner

    return Optuna(SuccessiveHalvingPruner(GRACE, ETA), seed)


def optuna_hyperband(seed: int) -> Judge:
    """Optuna's Hyperband."""
    from optuna.pruners import HyperbandPruner

    return Optuna(HyperbandPruner(GRACE, EPOCHS, ETA), seed)


def optuna_median(seed: int) -> Judge:
    """Optuna's median rule, with its defaults."""
    from optuna.pruners import MedianPruner

    return Optuna(MedianPruner(), seed)


class SyneTune(Judge):
    """Syne Tune's ASHA, called as its tuner calls it."""

    def __init__(self, seed: int) -> None:
        from syne_tune.config_space import uniform
        from syne_tune.optimizer.baselines import ASHA

        logging.disable(logging.WARNING)
        self._scheduler = ASHA(
            {"x": uniform(0, 1)},
            metric=METRIC,
            time_attr=STEP,
            max_t=EPOCHS,
            random_seed=seed,
            grace_period=GRACE,
            reduction_factor=ETA,
        )
        self._trials: dict[int, Any] = {}

    def started(self, trial: int) -> None:
        """See `Judge`."""
        from syne_tune.backend.trial_status import Trial

        self._trials[trial] = Trial(trial, {"x": 0.5}, datetime(2017, 1, 1))
        self._scheduler.on_trial_add(self._trials[trial])

    def report(self, trial: int, step: int, value: float) -> str | None:
        """See `Judge`."""
        row = {STEP: step, METRIC: value}
        answer = self._scheduler.on_trial_result(self._trials[trial], row)
        return "stopped" if answer == "STOP" else None


class Killed(Judge):
    """A judge whose process is killed once; a new one goes on in its place.

    Args:
        make: Makes either.
        seed: For it.
        after: The epochs before the kill, summed over trials.
        replays: Whether the new one is first told all that the old one was told: what a resumed
            sweep reads in its journal.
    """

    def __init__(self, make: MakeJudge, seed: int, after: int, *, replays: bool) -> None:
        self._make = lambda: make(seed)
        self._judge = make(seed)
        self._left: int | None = after
        self._replays = replays
        self._steps: dict[int, int] = {}
        self._journal: list[tuple[str, tuple[Any, ...], str | None]] = []
        self.is_same = True

    def started(self, trial: int) -> None:
        """See `Judge`."""
        self._told("started", trial)

    def report(self, trial: int, step: int, value: float) -> str | None:
        """See `Judge`."""
        if self._left is not None:
            self._left -= step - self._steps.get(trial, 0)
            self._steps[trial] = step
            if self._left <= 0:
                self._left = None
                self._resume()
        return self._told("report", trial, step, value)

    def ended(self, trial: int) -> None:
        """See `Judge`."""
        self._told("ended", trial)

    def _told(self, event: str, *given: Any) -> str | None:
        answer: str | None = getattr(self._judge, event)(*given)
        self._journal.append((event, given, answer))
        return answer

    def _resume(self) -> None:
        self._judge = self._make()
        for event, given, answer in self._journal:
            if self._replays or event == "started":
                again = getattr(self._judge, event)(*given)
                self.is_same &= not self._replays or again == answer
