"""Rules of `retry` that can have no effect, or hardly the one that was meant. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tune_tasks.errors import nearest
from tune_tasks.model.failure import ENDS_OF_PROCESSES
from tune_tasks.spec.retry import Do, RetryRule
from tune_tasks.spec.schema import ExperimentSpec

_ALL = (".", ".*", ".+")
"""Regular expressions that are found in every failure."""
_WORDS = re.compile(r"[a-z]+(?:[_ -][a-z]+)+")


def doubts_of_rules(experiment: ExperimentSpec) -> Iterator[tuple[int, str]]:
    """Yield the number of a rule, from 0 on, and what is doubtful about it."""
    rules = experiment.rules()
    for number, rule in enumerate(rules):
        doubts = (
            _about_place(rules[:number]),
            _about_repetition(rule, rules[:number]),
            _about_cause(rule),
            _about_count(rule, experiment),
            _about_memory(rule, experiment),
        )
        yield from ((number, doubt) for doubt in doubts if doubt)


def _about_place(before: Sequence[RetryRule]) -> str:
    catches_all = [rule.on for rule in before if rule.on in _ALL]
    return f"never fits: {catches_all[0]!r} before it fits every failure" if catches_all else ""


def _about_repetition(rule: RetryRule, before: Sequence[RetryRule]) -> str:
    is_repeated = any(rule.on == other.on for other in before)
    return f"never fits: another rule for {rule.on!r} comes before it" if is_repeated else ""


def _about_cause(rule: RetryRule) -> str:
    if rule.on in ENDS_OF_PROCESSES or not _WORDS.fullmatch(rule.on):
        return ""
    meant = nearest(rule.on, map(str, ENDS_OF_PROCESSES))
    if not meant:
        return ""
    return f"{rule.on!r} is looked for in the text of an error; did you mean the cause {meant!r}?"


def _about_count(rule: RetryRule, experiment: ExperimentSpec) -> str:
    gives_nothing = rule.do is Do.RETRY and rule.counts and not experiment.max_failures
    if not gives_nothing:
        return ""
    return (
        "tries nothing again: such a failure counts, and `max_failures` is 0; give max_failures,"
        " or the rule `times` of its own or `counts: false`"
    )


def _about_memory(rule: RetryRule, experiment: ExperimentSpec) -> str:
    amounts = {
        "cpu": rule.resources.cpu,
        "gpu": rule.resources.gpu,
        "memory": rule.resources.memory,
    }
    given = experiment.resources.resources()
    for name, amount in amounts.items():
        if amount and amount.is_factor and not getattr(given, name):
            return (
                f"resources.{name}: x{amount.number:g} of nothing is nothing; say under `resources`"
                " of the experiment what the first attempt gets"
            )
    return ""
