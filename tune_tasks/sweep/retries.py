"""Who is tried again after a failure, when, and with what. Pure.

The first rule of the spec's `retry` that fits a failure decides. If none fits, the failure counts,
and the trial is tried again at once, as often as `max_failures` says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from tune_tasks.model.failure import Failure, FailureCause
from tune_tasks.model.trial import (
    GOES_ON_AFTER,
    NOT_TRIED_AGAIN,
    EndedBy,
    Outcome,
    Resources,
    Trial,
    TrialState,
)
from tune_tasks.spec.retry import Do, RetryRule
from tune_tasks.sweep.instructions import KeepEnd, Verdict

Fits = Callable[[Trial], bool]
"""Whether a trial with these resources can ever be placed on the cluster."""


class Retries:
    """Every trial's failures, and what followed from them.

    Args:
        rules: By experiment.
        fits: Asked before a trial gets more than it had.
    """

    def __init__(self, rules: Mapping[str, Sequence[RetryRule]], fits: Fits) -> None:
        self._rules = rules
        self._fits = fits
        self._failures: Counter[str] = Counter()
        self._uses: Counter[tuple[str, str]] = Counter()
        self._resources: dict[str, Resources] = {}
        self._verdicts: dict[str, Verdict] = {}

    def judged(self, trial: Trial, attempt: int, outcome: Outcome, *, is_ending: bool) -> KeepEnd:
        """What is kept of an attempt's end, and whether the trial is tried again. Changes nothing.

        Args:
            trial: As the attempt was given it.
            attempt: Its number.
            outcome: How it has ended.
            is_ending: Whether nothing is tried again: the sweep is being stopped, or its budget is
                used up.
        """
        if not has_failed(outcome):
            # If nobody has stopped the sweep, a pause has ended the attempt just as it began, or
            # its driver has died, or it goes on from another member of its population; if it has a
            # budget left, the spec of its last driver had less. Who is paused may still be ended.
            is_paused = outcome.ended_by is EndedBy.PAUSED
            goes_on = is_paused or (outcome.ended_by in GOES_ON_AFTER and not is_ending)
            return KeepEnd(trial.key, attempt, _as_left(outcome, goes_on=goes_on), goes_on)
        verdict = self._verdict(trial, outcome)
        if verdict is None:
            again = trial.is_tried_again_after(self._failures[trial.key] + 1)
            return KeepEnd(trial.key, attempt, outcome, again and not is_ending)
        if verdict.problem:
            outcome = replace(outcome, stop_reason=f"error; {NOT_TRIED_AGAIN}: {verdict.problem}")
        return KeepEnd(trial.key, attempt, outcome, verdict.again and not is_ending, verdict)

    def _verdict(self, trial: Trial, outcome: Outcome) -> Verdict | None:
        """What the trial's rules say of a failure; None if no rule fits."""
        failure = failure_of(outcome)
        rules = self._rules.get(trial.experiment, ())
        rule = next((rule for rule in rules if rule.fits(failure)), None)
        if rule is None:
            return None
        if rule.do is not Do.RETRY:
            return Verdict(rule.on, again=False, stops_sweep=rule.do is Do.STOP_SWEEP)
        return self._next_attempt(trial, rule)

    def _next_attempt(self, trial: Trial, rule: RetryRule) -> Verdict:
        use = self._uses[trial.key, rule.on] + 1
        failures = self._failures[trial.key] + 1
        is_within = not rule.counts or trial.is_tried_again_after(failures)
        if use > rule.times or not is_within:
            return Verdict(rule.on, again=False, counts=rule.counts)
        resources = rule.resources.after(trial.resources)
        if resources == trial.resources:
            return Verdict(rule.on, True, rule.counts, rule.wait_before(use))
        if not self._fits(_with_resources(trial, resources)):
            problem = f"its next attempt would get {resources}, which no machine of the cluster has"
            return Verdict(rule.on, again=False, counts=rule.counts, problem=problem)
        return Verdict(rule.on, True, rule.counts, rule.wait_before(use), resources)

    def note(self, kept: KeepEnd) -> None:
        """Note how an attempt has ended, and what was decided about it."""
        if not has_failed(kept.outcome):
            return
        key = kept.trial
        verdict = kept.verdict
        self._verdicts.pop(key, None)
        if verdict is None or verdict.counts:
            self._failures[key] += 1
        if verdict is None:
            return
        self._verdicts[key] = verdict
        self._uses[key, verdict.rule] += 1
        if verdict.resources:
            self._resources[key] = verdict.resources

    def is_tried_again(self, trial: Trial) -> bool:
        """Whether another attempt follows the last failure, unless the sweep is being stopped."""
        verdict = self._verdicts.get(trial.key)
        if verdict:
            return verdict.again
        return trial.is_tried_again_after(self._failures[trial.key])

    def give_another_attempt(self, trial: Trial) -> None:
        """Have a trial that may fail no more fail once more before that is final."""
        key = trial.key
        self._failures[key] = min(self._failures[key], trial.max_failures)

    def resources(self, key: str) -> Resources | None:
        """What a trial gets, if that is not what the spec says."""
        return self._resources.get(key)

    def as_given(self, trial: Trial) -> Trial:
        """The trial as its next attempt gets it."""
        resources = self._resources.get(trial.key)
        return _with_resources(trial, resources) if resources else trial


def _as_left(outcome: Outcome, *, goes_on: bool) -> Outcome:
    """The end of an attempt: that of one that cannot go on, as it was to, is left for later."""
    if goes_on or outcome.ended_by is not EndedBy.EXPLOITED:
        return outcome
    return replace(outcome, ended_by=EndedBy.CANCELLED)


def failure_of(outcome: Outcome) -> Failure:
    """Why an attempt has failed; of an outcome that does not say it, what its error says."""
    return outcome.failure or Failure(FailureCause.EXCEPTION, outcome.error_summary)


def has_failed(outcome: Outcome) -> bool:
    """Whether an attempt has failed."""
    return outcome.state is TrialState.ERROR


def _with_resources(trial: Trial, resources: Resources) -> Trial:
    """The trial with other resources. Of several processes the first one has the memory."""
    bundles = trial.bundles
    if bundles:
        bundles = (replace(bundles[0], memory=resources.memory), *bundles[1:])
    return replace(trial, resources=resources, bundles=bundles)
