"""A trial: one config of an experiment, its resources, its states and its outcome."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from tune_tasks.model.checkpoint import CheckpointRules
from tune_tasks.model.failure import Failure
from tune_tasks.model.plateau import Plateau
from tune_tasks.model.stopping import Criterion
from tune_tasks.model.text import ONE_LINE, one_line, showable
from tune_tasks.model.timeouts import STOP_GRACE_S
from tune_tasks.model.trial_key import key_of

NOT_TRIED_AGAIN = "not tried again"
"""In the stop reason of a trial that could have been tried again, before the reason why not."""
TRY_FIRST = "try_first"
"""Who proposes a trial that the spec names."""
WARM_START = "warm_start"
"""Who proposes a trial whose config an earlier sweep has tried."""
START_UP = "start-up"
"""Who proposes a trial before a model has results to learn from."""
_FOLDER_NAME_LENGTH = 100
_TRACEBACK = "Traceback (most recent call last):\n"
_FRAME = '\n  File "'
_UNINDENTED = re.compile(r"^\S", re.MULTILINE)


class TrialState(StrEnum):
    """The state of a trial, in the words of 2017's Ray Tune."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    TERMINATED = "TERMINATED"
    ERROR = "ERROR"


ENDED = (TrialState.TERMINATED, TrialState.ERROR)
"""The states of a trial that has ended."""


class EndedBy(StrEnum):
    """The cause of an attempt's end."""

    CRITERION = "criterion"
    DONE = "done"
    RETURNED = "returned"
    CANCELLED = "cancelled"
    SCHEDULER = "scheduler"
    BUDGET = "budget"
    ERROR = "error"
    EXPLOITED = "exploited"
    """It goes on from a checkpoint of a better member of its population, or, where a schedule says
    so, from its own; with another config."""
    PAUSED = "paused"
    """It waits at a rung with its checkpoint, and goes on if it is promoted (`asha`)."""
    NO_SPACE = "no space"
    """Its folder could not be made: the disk takes nothing. It had not begun, and is run again."""


CUT_SHORT = (EndedBy.CANCELLED, EndedBy.BUDGET)
"""The sweep has ended it, and not what it has reported: it may go on later."""

GOES_ON_AFTER = (*CUT_SHORT, EndedBy.EXPLOITED, EndedBy.PAUSED)
"""A trial whose attempt has ended so has neither failed nor come to its own end."""


@dataclass(frozen=True)
class Resources:
    """The part of the cluster that one trial occupies.

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
    """Return a number with its unit: `1 CPU`, `0.5 CPUs`."""
    plural = "" if number == 1 else "s"
    return f"{number:g} {unit}{plural}"


@dataclass(frozen=True)
class Trial:
    """One trial of an experiment, fully resolved; the same spec and seed give the same trials.

    Attributes:
        experiment: The experiment's name.
        index: Counts the experiment's trials from 0.
        name: `{alg}_{env}_{index}_{key=value}…`, in full and without control characters; see
            `shown_name`.
        config: What `train()` receives, without any `grid_search` or `eval`.
        searched: The searched part of the config: dotted path to value, sorted by path.
        seed: In [0, 2**32), derived from the spec's seed, the experiment's name and the index.
        point: Its coordinates, as searchers have them, by the names of its parameters.
        plateau: When it is to end because it gets no better; None if it is not.
        bundles: How `resources` are shared by the trial's processes, its own first; empty if it has
            no other process.
        proposed_by: Who says what its domains are: `TRY_FIRST`, `WARM_START`, `START_UP`, or the
            algorithm's name; empty if it has none.
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
    checkpoint: CheckpointRules = field(default_factory=CheckpointRules)
    point: Mapping[str, float | int] = field(default_factory=dict)
    plateau: Plateau | None = None
    proposed_by: str = ""

    def is_tried_again_after(self, attempt: int) -> bool:
        """Return whether another attempt follows if attempt 1, 2, … has failed."""
        return attempt <= self.max_failures

    @property
    def key(self) -> str:
        """The trial's identity within its sweep."""
        return key_of(self.experiment, self.index)

    @property
    def folder(self) -> str:
        """The name of the trial's folder: safe on every file system, of at most 100 bytes.

        It is unique by the index in it. A name that is cut may lose its index, so it ends with it.
        """
        safe = safe_name(self.name)
        if len(self.name) <= _FOLDER_NAME_LENGTH:
            return safe
        ending = f"_{self.index}"
        return f"{safe[: -len(ending)]}{ending}"


def shown_name(name: str, index: int) -> str:
    """Return a trial's name as it is shown.

    A name that is cut may lose the trial's index, so it ends with it.
    """
    if len(name) <= ONE_LINE:
        return one_line(name)
    ending = f"…_{index}"
    return f"{one_line(name)[: ONE_LINE - len(ending)]}{ending}"


def attempt_name(trial: Trial, attempt: int) -> str:
    """Return the trial's name as it is shown; from the second attempt on with its number."""
    name = shown_name(trial.name, trial.index)
    return name if attempt == 1 else f"{name} (attempt {attempt})"


def safe_name(name: str) -> str:
    """Return a name with all but letters, digits and `._=,+-` replaced, cut to 100 characters."""
    safe = re.sub(r"[^A-Za-z0-9._=,+-]", "_", name)[:_FOLDER_NAME_LENGTH]
    is_of_dots = not safe.strip(".")  # `.` and `..` are folders already
    return "_" if is_of_dots else safe


@dataclass(frozen=True)
class Outcome:
    """The end of an attempt, as `outcome.json` in its folder has it.

    Its texts may come from anything that user code raises. They are changed so that they can be
    shown and sent everywhere.

    Attributes:
        state: TERMINATED or ERROR.
        ended_by: What ended it.
        stop_reason: The same for people: `mean_accuracy 0.991 >= 0.99 after 340 timesteps`.
        error: The traceback or the cause, if the state is ERROR.
        reports: How many reports were kept.
        failure: Why it failed, as rules take it, if the state is ERROR; None in the files of older
            releases.
    """

    state: TrialState
    ended_by: EndedBy
    stop_reason: str
    error: str | None = None
    reports: int = 0
    failure: Failure | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "stop_reason", one_line(self.stop_reason))
        if self.error is not None:
            object.__setattr__(self, "error", showable(self.error))

    @property
    def error_summary(self) -> str:
        """The error's last line: the exception itself."""
        return last_line(self.error or "")

    @classmethod
    def failed(cls, failure: Failure, error: str, reports: int) -> Outcome:
        """Return the end of an attempt that has failed; `error` is for people."""
        return cls(TrialState.ERROR, EndedBy.ERROR, "error", error, reports, failure)

    @classmethod
    def from_json(cls, text: str) -> Outcome:
        """Return the outcome that `to_json` wrote.

        Raises:
            ValueError: If the text is not an outcome.
        """
        try:
            data: dict[str, Any] = json.loads(text)
            if not _has_types_of_outcome(data):
                raise ValueError("not an outcome: not every value has its type")
            data["state"] = TrialState(data["state"])
            data["ended_by"] = EndedBy(data["ended_by"])
            if data.get("failure") is not None:
                data["failure"] = Failure.from_data(data["failure"])
            return cls(**data)
        except (AttributeError, KeyError, TypeError, RecursionError) as exc:
            raise ValueError(f"not an outcome: {exc}") from exc

    def to_json(self) -> str:
        """Return a JSON object with the attributes as keys."""
        return json.dumps(asdict(self), indent=2)


def _has_types_of_outcome(data: Mapping[str, Any]) -> bool:
    has_reason = isinstance(data["stop_reason"], str)
    has_error = isinstance(data.get("error") or "", str)
    return has_reason and has_error and isinstance(data.get("reports", 0), int)


def last_line(text: str) -> str:
    """Return the last line that is not blank, as it is shown.

    Of a traceback it is the whole of the exception's text, which may have several lines.
    """
    text = text.strip()
    if text.startswith(_TRACEBACK):
        last_frame = text.rfind(_FRAME)
        after_frames = text[last_frame:].partition("\n")[2]
        exception = _UNINDENTED.search(after_frames)
        if exception:
            return one_line(after_frames[exception.start() :])
    return one_line(text.rpartition("\n")[2].strip())


@dataclass(frozen=True)
class Stop:
    """The decision that a trial is to end, and why."""

    ended_by: EndedBy
    reason: str
