"""Who judges a trial at its milestones, and what was said. A part of the core; pure.

The judges of an experiment are those that its `scheduler` names, in that order, and then the user's
own `Scheduler`, if it has milestones. Each milestone of a trial is judged once: if another attempt
comes there again, it hears what was said then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tune_tasks.model.milestones import Milestones, Reached
from tune_tasks.model.trial import EndedBy, Outcome, Trial
from tune_tasks.search.judge import Exploit, Judge, Pause
from tune_tasks.search.scheduler import Scheduler

_OWN_ENDS = frozenset({EndedBy.CRITERION, EndedBy.DONE, EndedBy.RETURNED})


class Judging:
    """See the module's docstring.

    Args:
        judges: By experiment.
        scheduler: The user's own.
    """

    def __init__(self, judges: Mapping[str, Sequence[Judge]], scheduler: Scheduler) -> None:
        self._judges = judges
        self._scheduler = scheduler
        # By trial and judge, the last milestone that was judged, and what was said.
        self._said: dict[tuple[str, int], tuple[float, str | Pause | None]] = {}

    def milestones(self, trial: Trial) -> tuple[Milestones, ...]:
        """When each of the trial's judges judges it, in their order."""
        judges = self._judges.get(trial.experiment, ())
        own = self._scheduler.milestones(trial)
        of_judges = (judge.milestones(trial.index) for judge in judges)
        return (*of_judges, *([own] if own else []))

    def verdict(self, trial: Trial, reached: Sequence[Reached]) -> str | Exploit | Pause | None:
        """Judge what a trial has reached.

        Returns:
            The first reason to end it; or else what it is to go on from, or that it is to wait, by
            the last milestone; or None.
        """
        said = [self._said_of(trial, each) for each in reached]
        reason = next((each for each in said if isinstance(each, str)), None)
        exploits = (each for each in reversed(said) if isinstance(each, Exploit))
        # Who waits at the last of several rungs has passed those before it.
        last = {each.judge: verdict for each, verdict in zip(reached, said, strict=True)}
        pauses = (each for each in last.values() if isinstance(each, Pause))
        return reason or next(exploits, None) or next(pauses, None)

    def lets_go(self, trial: Trial) -> None:
        """Note that a trial goes on from where it was to wait; it hears so if it asks again."""
        for judge in range(len(self._judges.get(trial.experiment, ()))):
            last, said = self._said.get((trial.key, judge), (0.0, None))
            if isinstance(said, Pause):
                self._said[trial.key, judge] = (last, None)

    def ended(self, trial: Trial, outcome: Outcome, metrics: Mapping[str, float | None]) -> None:
        """Note how a trial has ended, and what it has reported last."""
        if outcome.ended_by not in _OWN_ENDS:
            return
        for judge in self._judges.get(trial.experiment, ()):
            metric = judge.milestones(trial.index).objective.metric
            if not metrics or metric in metrics:  # else an edit has made another one count
                judge.ended(trial.index, metrics.get(metric))

    def failed(self, trial: Trial) -> None:
        """Note that a trial has failed for good."""
        for judge in self._judges.get(trial.experiment, ()):
            judge.failed(trial.index)

    def _said_of(self, trial: Trial, reached: Reached) -> str | Exploit | Pause | None:
        if self._is_of_another_metric(trial, reached):
            return None  # the spec was edited since; a trial that runs asks again
        last, said = self._said.get((trial.key, reached.judge), (float("-inf"), None))
        if reached.milestone <= last and not self._asks_again(trial, reached):
            return said if reached.milestone == last else None
        verdict = self._judge(trial, reached)
        # Who was to end at one of them is to end at those after it, if it comes there again.
        reason = said if isinstance(said, str) else verdict
        again = None if isinstance(reason, Exploit) else reason
        self._said[trial.key, reached.judge] = (reached.milestone, again)
        return verdict

    def _is_of_another_metric(self, trial: Trial, reached: Reached) -> bool:
        judges = self._judges.get(trial.experiment, ())
        if reached.judge >= len(judges) or not reached.metric:
            return False
        return judges[reached.judge].milestones(trial.index).objective.metric != reached.metric

    def _asks_again(self, trial: Trial, reached: Reached) -> bool:
        judges = self._judges.get(trial.experiment, ())
        return reached.judge < len(judges) and judges[reached.judge].asks_again

    def _judge(self, trial: Trial, reached: Reached) -> str | Exploit | Pause | None:
        judges = self._judges.get(trial.experiment, ())
        if reached.judge < len(judges):
            return judges[reached.judge].judge(trial.index, reached)
        return self._scheduler.on_milestone(trial, reached)
