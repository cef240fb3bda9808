"""The wishes of a sweep's core, one frozen class for each. The driver carries them out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from tune_tasks.model.checkpoint import CheckpointRef
from tune_tasks.model.trial import Outcome, Resources, Stop


@dataclass(frozen=True)
class StartAttempt:
    """Start attempt 1, 2, … of a trial.

    Attributes:
        resources: What it gets, if a rule of `retry` has changed that; None: what the plan says.
        checkpoint: The trial's latest, to go on from; None to begin anew.
    """

    trial: str
    attempt: int
    resources: Resources | None = None
    checkpoint: CheckpointRef | None = None
    kind: Literal["start attempt"] = "start attempt"


@dataclass(frozen=True)
class Propose:
    """Ask a model what a trial is to try: there is room for it."""

    trial: str
    kind: Literal["propose"] = "propose"


@dataclass(frozen=True)
class EndAttempt:
    """Ask an attempt's process to end it."""

    trial: str
    attempt: int
    stop: Stop
    kind: Literal["end attempt"] = "end attempt"


@dataclass(frozen=True)
class GoOn:
    """Let an attempt go on that waits at a milestone of its report with this number."""

    trial: str
    attempt: int
    number: int
    kind: Literal["go on"] = "go on"


@dataclass(frozen=True)
class CopyCheckpoint:
    """Have a member of a population go on from another's checkpoint, with another config.

    Attributes:
        number: Of the report at which the attempt waits. Its next attempt goes on from there.
        donor: The other's key.
        checkpoint: The other's latest; None if it has none.
        point: The coordinates of the new config.
        reason: Why, in words.
    """

    trial: str
    attempt: int
    number: int
    donor: str
    checkpoint: CheckpointRef | None
    point: Mapping[str, int | float]
    reason: str
    kind: Literal["copy checkpoint"] = "copy checkpoint"


@dataclass(frozen=True)
class EndAll:
    """Ask the process of every attempt to end it, those to come included."""

    stop: Stop
    kind: Literal["end all"] = "end all"


@dataclass(frozen=True)
class EndExperiment:
    """Start nothing more of an experiment: its budget is used up.

    Attributes:
        reason: What has used it up, for people.
        ends_trials: Whether its running trials are ended, too; an `EndAttempt` follows for each.
    """

    experiment: str
    reason: str
    ends_trials: bool
    kind: Literal["end experiment"] = "end experiment"


@dataclass(frozen=True)
class KillAttempt:
    """Have Ray end an attempt's process: it cannot, or need not, end by itself."""

    trial: str
    attempt: int
    stop: Stop
    kind: Literal["kill attempt"] = "kill attempt"


@dataclass(frozen=True)
class Verdict:
    """What a rule has decided about a failure.

    Attributes:
        rule: The rule's `on`.
        again: Whether another attempt follows, unless the sweep is being stopped.
        counts: Whether the failure counts against `max_failures`.
        wait_s: Seconds until the next attempt may start.
        resources: What it gets, if that is not what the last one had.
        problem: Why none follows although the rule has another; for people.
        stops_sweep: Whether the sweep ends.
    """

    rule: str
    again: bool
    counts: bool = True
    wait_s: float = 0.0
    resources: Resources | None = None
    problem: str = ""
    stops_sweep: bool = False


@dataclass(frozen=True)
class KeepEnd:
    """Record how an attempt has ended.

    Attributes:
        will_retry: Whether another attempt of the trial follows.
        verdict: What a rule of `retry` has decided; None if it has not failed, or no rule fits.
    """

    trial: str
    attempt: int
    outcome: Outcome
    will_retry: bool
    verdict: Verdict | None = None
    kind: Literal["keep end"] = "keep end"


@dataclass(frozen=True)
class ForgetAttempt:
    """Take an attempt as never begun: it had no room, or was ended before its process ran."""

    trial: str
    attempt: int
    kind: Literal["forget attempt"] = "forget attempt"


@dataclass(frozen=True)
class CloseSweep:
    """The sweep is over: nothing runs, and nothing more is to be started."""

    kind: Literal["close sweep"] = "close sweep"


Instruction = (
    StartAttempt
    | Propose
    | EndAttempt
    | GoOn
    | CopyCheckpoint
    | EndAll
    | EndExperiment
    | KillAttempt
    | KeepEnd
    | ForgetAttempt
    | CloseSweep
)


def first_starts(instructions: Iterable[Instruction]) -> Iterator[str]:
    """The keys of the trials whose first attempt is among what is to be started."""
    for wish in instructions:
        if isinstance(wish, StartAttempt) and wish.attempt == 1:
            yield wish.trial


_INSTRUCTIONS: TypeAdapter[Instruction] = TypeAdapter(
    Annotated[Instruction, Field(discriminator="kind")]
)


def instruction_to_json(instruction: Instruction) -> str:
    """One line of JSON."""
    return _INSTRUCTIONS.dump_json(instruction).decode()


def instruction_from_json(text: str) -> Instruction:
    """The instruction that `instruction_to_json` wrote.

    Raises:
        ValueError: If the text is not the JSON of an instruction.
    """
    return _INSTRUCTIONS.validate_json(text)
