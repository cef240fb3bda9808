"""What an experiment's keys may not have, whatever it searches. Pure."""

from __future__ import annotations

from functools import reduce
from operator import getitem
from typing import cast

from tune_tasks.errors import SpecError
from tune_tasks.model.masking import is_mask, secrets_of
from tune_tasks.model.paths import dotted
from tune_tasks.spec.expansion import num_trials
from tune_tasks.spec.schema import MAX_TRIALS
from tune_tasks.spec.search_space import SearchSpace
from tune_tasks.sweep.part import Part
from tune_tasks.sweep.plan_warnings import shown_count


def expect_no_mask(part: Part) -> None:
    """Refuse a secret's mask, as specs from `best` and from MLflow have it.

    A trial would fail because of it, later and with a message that does not name it.
    """
    experiment = dict(part.experiment)
    for path in secrets_of(experiment):
        value = reduce(getitem, cast("tuple[str, ...]", path), experiment)
        if is_mask(value):
            message = (
                f"{dotted(path)}: {value!r} stands for a secret, which was not stored; write"
                " the secret itself"
            )
            raise SpecError(message, part.at(path))


def expect_size(part: Part, space: SearchSpace) -> None:
    """Refuse more trials than a sweep can have."""
    count = num_trials(part.experiment, space)
    if count > MAX_TRIALS:
        message = (
            f"config: its grid has {shown_count(count)} combinations; give num_trials, at most"
            f" {MAX_TRIALS:,}"
        )
        raise SpecError(message, part.at((), key=True))


def expect_memory_alone(part: Part) -> None:
    """Refuse rules that would give an RLlib trial's processes other shares."""
    for number, rule in enumerate(part.experiment.retry):
        for key in ("cpu", "gpu"):
            if getattr(rule.resources, key) is None:
                continue
            path = ("retry", number, "resources", key)
            message = (
                f"{dotted(path)}: how many CPUs and GPUs a trial of {part.experiment.alg} has"
                " follows from its config; a rule can change its memory alone"
            )
            raise SpecError(message, part.at(path, key=True))
