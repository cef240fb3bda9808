"""A trial: one config of an experiment, its states, its outcome and the files that it writes."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from tune_tasks.model.stopping import Criterion
from tune_tasks.model.text import ONE_LINE, one_line, showable
from tune_tasks.model.timeouts import STOP_GRACE_S

_FOLDER_NAME_LENGTH = 100
_TRACEBACK = "Traceback (most recent call last):\n"
_FRAME = '\n  File "'
_UNINDENTED = re.compile(r"^\S", re.MULTILINE)


class TrialState(StrEnum):
    """Where a trial stands. The words are those of 2017."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    TERMINATED = "TERMINATED"
    ERROR = "ERROR"


class EndedBy(StrEnum):
    """What ended an attempt."""

    CRITERION = "criterion"
    DONE = "done"
    RETURNED = "returned"
    CANCELLED = "cancelled"
    SCHEDULER = "scheduler"
    ERROR = "error"
    NO_SPACE = "no space"
    """It had not begun: its folder could not be made for lack of space. It is run again."""


@dataclass(frozen=True)
class Resources:
    """What one trial occupies on the cluster.

    Attributes:
        cpu: CPUs; fractions allowed.
        gpu: GPUs; fractions up to 1, or whole numbers.
        memory: Bytes of memory that Ray reserves (it does not limit them); 0 reserves none.
    """

    cpu: float = 1
    gpu: float = 0
    memory: int = 0

    def __str__(self) -> str:
        memory = f", {self.memory / 2**30:.3g} GiB of memory" if self.memory else ""
        return f"{count(self.cpu, 'CPU')}, {count(self.gpu, 'GPU')}{memory}"


def count(number: float, unit: str) -> str:
    """`1 CPU`, `0.5 CPUs`."""
    return f"{number:g} {unit}" if number == 1 else f"{number:g} {unit}s"


@dataclass(frozen=True)
class Trial:
    """One trial of an experiment, fully resolved; the same spec and seed give the same trials.

    Attributes:
        experiment: The experiment's name.
        index: Counts the experiment's trials from 0.
        name: `{alg}_{env}_{index}_{key=value}…`, in full and without control characters; see
            `shown_name`.
        config: What `train()` receives, without any `grid_search` or `eval`.
        searched: The searched part of it: dotted path to value, sorted by path.
        seed: In [0, 2**32), derived from the spec's seed, the experiment's name and the index.
        bundles: How `resources` are shared by the trial's processes, its own first; empty where it
            has no other.
    """

    experiment: str
    index: int
    name: str
    alg: str
    config: dict[str, Any]
    searched: dict[str, Any]
    seed: int
    resources: Resources = field(default_factory=Resources)
    bundles: tuple[Resources, ...] = ()
    stop: tuple[Criterion, ...] = ()
    max_failures: int = 0
    stop_grace_s: float = STOP_GRACE_S
    isolate: bool = False

    def is_tried_again_after(self, attempt: int) -> bool:
        """Whether another attempt follows if attempt 1, 2, … has failed."""
        return attempt <= self.max_failures

    @property
    def key(self) -> str:
        """Identifies the trial within its sweep."""
        return f"{self.experiment}/{self.index}"

    @property
    def folder(self) -> str:
        """The name as a folder's.

        Safe on every file system, at most 100 bytes, unique by the index in it.
        """
        safe = safe_name(self.name)
        # A name that was cut may have lost its index.
        return (
            safe
            if len(self.name) <= _FOLDER_NAME_LENGTH
            else f"{safe[: -len(f'_{self.index}')]}_{self.index}"
        )


def shown_name(name: str, index: int) -> str:
    """A trial's name as it is shown.

    One that is too long ends with the trial's index, which it may have lost.
    """
    if len(name) <= ONE_LINE:
        return one_line(name)
    ending = f"…_{index}"
    return f"{one_line(name)[: ONE_LINE - len(ending)]}{ending}"


def attempt_name(trial: Trial, attempt: int) -> str:
    """The trial's name as it is shown; from the second attempt on with its number."""
    name = shown_name(trial.name, trial.index)
    return name if attempt == 1 else f"{name} (attempt {attempt})"


def safe_name(name: str) -> str:
    """`name` with all but letters, digits and `._=,+-` replaced, cut to 100 characters.

    Never `.` or `..`.
    """
    safe = re.sub(r"[^A-Za-z0-9._=,+-]", "_", name)[:_FOLDER_NAME_LENGTH]
    return safe if safe.strip(".") else "_"


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended; `outcome.json` of the attempt's folder.

    Its texts, which may hold anything that user code raised, are made such that they can be shown
    and sent everywhere.

    Attributes:
        state: TERMINATED or ERROR.
        ended_by: What ended it.
        stop_reason: The same for people: `mean_accuracy 0.991 >= 0.99 after 340 timesteps`.
        error: The traceback or the cause where the state is ERROR.
        reports: How many reports were kept.
    """

    state: TrialState
    ended_by: EndedBy
    stop_reason: str
    error: str | None = None
    reports: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "stop_reason", one_line(self.stop_reason))
        if self.error is not None:
            object.__setattr__(self, "error", showable(self.error))

    @property
    def error_summary(self) -> str:
        """The error's last line: the exception itself."""
        return last_line(self.error or "")

    @classmethod
    def from_json(cls, text: str) -> Outcome:
        """The outcome that `to_json` wrote.

        Raises:
            ValueError: If it is none.
        """
        try:
            data = json.loads(text)
            texts = (data["stop_reason"], data.get("error") or "")
            if not (
                all(isinstance(text, str) for text in texts)
                and isinstance(data.get("reports", 0), int)
            ):
                raise ValueError("no outcome: not every value has its type")
            return cls(
                **{
                    **data,
                    "state": TrialState(data["state"]),
                    "ended_by": EndedBy(data["ended_by"]),
                }
            )
        except (AttributeError, KeyError, TypeError, RecursionError) as exc:
            raise ValueError(f"no outcome: {exc}") from exc

    def to_json(self) -> str:
        """A JSON object with the attributes as keys."""
        return json.dumps(asdict(self), indent=2)


def last_line(text: str) -> str:
    """The last line that is not blank, as it is shown.

    Of a traceback, the exception itself, whose text may have more lines.
    """
    text = text.strip()
    if text.startswith(_TRACEBACK):
        after_frames = text[text.rfind(_FRAME) :].partition("\n")[2]
        if match := _UNINDENTED.search(after_frames):
            return one_line(after_frames[match.start() :])
    return one_line(text.rpartition("\n")[2].strip())


@dataclass(frozen=True)
class Stop:
    """The decision that a trial is to end, and why."""

    ended_by: EndedBy
    reason: str
