"""Which trials are paused until they are promoted. A part of the core; pure.

The judge (`search/promotion`) says who waits and who goes on next. Here is how the last attempts of
those have ended that wait. They are pending, but nobody can start them before they are promoted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from tune_tasks.model.trial import EndedBy, Outcome, Trial
from tune_tasks.model.trial_key import experiment_of, index_of, key_of
from tune_tasks.search.judge import Judge
from tune_tasks.search.promotion import Promotion
from tune_tasks.sweep.pending import Pending


class Promotions:
    """See the module's docstring.

    Args:
        judges: By experiment.
        pending: Of the sweep.
        running: By experiment, how many of its trials run; changed by its owner.
    """

    def __init__(
        self,
        judges: Mapping[str, Sequence[Judge]],
        pending: Pending,
        running: Mapping[str, int],
    ) -> None:
        self._promoters: dict[str, Promotion] = {}
        for name, each in judges.items():
            promoter = next((judge for judge in each if isinstance(judge, Promotion)), None)
            if promoter:
                self._promoters[name] = promoter
        self._pending = pending
        self._running = running
        self._waiting: dict[str, dict[int, Outcome]] = {name: {} for name in self._promoters}
        # Those that were started and whose processes do not run yet, as they were paused.
        self._promoted: dict[str, Outcome] = {}
        # Those that have ended while they waited, as they were paused: another driver may go on.
        self._over: dict[str, Outcome] = {}

    def __contains__(self, experiment: str) -> bool:
        """Whether an experiment's trials are promoted."""
        return experiment in self._promoters

    def outcome(self, key: str) -> Outcome | None:
        """How the last attempt of a trial has ended that waits; None if it does not wait."""
        return self._waiting.get(experiment_of(key), {}).get(index_of(key))

    def waiting(self, experiment: str) -> dict[str, Outcome]:
        """Those of an experiment that wait, by key."""
        waiting = self._waiting.get(experiment, {})
        return {key_of(experiment, index): outcome for index, outcome in waiting.items()}

    # ── Waiting ─────

    def pauses(self, trial: Trial, outcome: Outcome) -> bool:
        """Have a trial wait; returns False if its experiment has no promotions any more."""
        if trial.experiment not in self:
            return False
        self._waiting[trial.experiment][trial.index] = outcome
        self._pending.hold(trial)
        return True

    def waits_again(self, trial: Trial) -> bool:
        """Have a trial wait once more, if it has ended while it waited; returns whether it has."""
        outcome = self._over.pop(trial.key, None)
        return outcome is not None and self.pauses(trial, outcome)

    def ends(self, trial: Trial) -> None:
        """Note that a trial ends, for now, that waits."""
        self._over[trial.key] = self._waiting[trial.experiment].pop(trial.index)
        self._pending.drop(trial.key)

    def begins_anew(self, key: str) -> bool:
        """Note that a trial is to be run from its beginning; returns whether it has waited."""
        self._over.pop(key, None)
        outcome = self._waiting.get(experiment_of(key), {}).pop(index_of(key), None)
        self._pending.release(key)
        return outcome is not None

    def not_promoted(self, ended: Mapping[str, Outcome]) -> list[str]:
        """Those that were not promoted in the end, and may be now: there are others to run."""
        return [
            key
            for key in self._over
            if key in ended
            and ended[key].ended_by is EndedBy.SCHEDULER
            and not self._pending.has_only_held(experiment_of(key))
        ]

    # ── Going on ─────

    def promotable(self, without: Collection[str]) -> list[str]:
        """The trial of each experiment that goes on next, if one does.

        Args:
            without: Experiments that have no room.
        """
        found = (self._next(name) for name in self._promoters if name not in without)
        return [key for key in found if key]

    def _next(self, experiment: str) -> str | None:
        index = self._promoters[experiment].promotable(
            self._waiting[experiment], is_last=self._is_last(experiment)
        )
        return None if index is None else key_of(experiment, index)

    def _is_last(self, experiment: str) -> bool:
        return not self._running[experiment] and self._pending.has_only_held(experiment)

    def goes_on(self, trial: Trial) -> bool:
        """Note that a trial is started; returns whether it was promoted."""
        self._over.pop(trial.key, None)
        outcome = self._waiting.get(trial.experiment, {}).pop(trial.index, None)
        if outcome:
            self._promoted[trial.key] = outcome
        return outcome is not None

    def is_to_run(self, key: str) -> bool:
        """Whether a trial was promoted, and its process does not run yet."""
        return key in self._promoted

    def runs(self, key: str) -> bool:
        """Note that a trial's process runs; returns whether it was just promoted."""
        return self._promoted.pop(key, None) is not None

    def never_ran(self, trial: Trial) -> bool:
        """Have a trial wait on that was promoted, and has not run; returns whether it does."""
        outcome = self._promoted.pop(trial.key, None)
        return outcome is not None and self.pauses(trial, outcome)

    # ── Ends ─────

    def done(self) -> Iterator[str]:
        """The experiments of which none of those that wait will be promoted any more."""
        for name, waiting in self._waiting.items():
            if waiting and self._is_last(name) and self._next(name) is None:
                yield name

    def why_not(self, key: str) -> str:
        """Why a trial was not promoted in the end, in words."""
        return self._promoters[experiment_of(key)].why_not(index_of(key))
