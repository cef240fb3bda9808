"""What the entries of a sweep's journal are, and what they say together. Plain data.

The journal holds what a later driver needs to go on, and what people ask later: why did this trial
start, why did it end, and which code ran.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from tune_tasks.model.code_version import CodeVersion
from tune_tasks.sweep.events import Event
from tune_tasks.sweep.instructions import Instruction

VERSION = 1
"""Of the journal's form."""


@dataclass(frozen=True)
class SweepEntry:
    """The first entry: what the sweep runs.

    Attributes:
        sweep: The sweep's id.
        flow_run_id: Prefect's flow run that began it.
        cwd: The working directory.
        request: The parameters of that flow run.
        given: The spec as it was given, its secrets masked.
        spec: The spec as it runs, its secrets masked.
        drawn_seed: The seed of the experiments that the spec gives none.
        version: Of the journal's form.
    """

    sweep: str
    flow_run_id: str
    cwd: str
    request: Mapping[str, Any]
    given: Mapping[str, Any]
    spec: Mapping[str, Any]
    drawn_seed: int
    version: int = VERSION
    kind: Literal["sweep"] = "sweep"


@dataclass(frozen=True)
class DriverEntry:
    """A driver takes the sweep in hand.

    Attributes:
        at: On the clock of the events, in seconds.
        time: The same moment in seconds since the epoch.
        flow_run_id: Prefect's flow run.
        tracking_uri: MLflow's.
        packages: Versions, by name.
        code: Which version of its code each experiment runs, if it is in files.
    """

    at: float
    time: float
    host: str
    pid: int
    flow_run_id: str
    tracking_uri: str
    packages: Mapping[str, str]
    code: Mapping[str, CodeVersion]
    kind: Literal["driver"] = "driver"


@dataclass(frozen=True)
class HandledEntry:
    """The core was told of an event; `then` followed from it."""

    event: Event
    then: tuple[Instruction, ...] = ()
    kind: Literal["handled"] = "handled"


@dataclass(frozen=True)
class ClosedEntry:
    """The sweep has ended.

    Attributes:
        time: In seconds since the epoch.
        unfinished: How many trials are pending, or were ended by a stop of the sweep.
    """

    time: float
    unfinished: int
    kind: Literal["closed"] = "closed"


Entry = SweepEntry | DriverEntry | HandledEntry | ClosedEntry

_ENTRIES: TypeAdapter[Entry] = TypeAdapter(
    Annotated[Entry, Field(discriminator="kind")],
    config=ConfigDict(ser_json_inf_nan="constants"),
)


def entry_to_json(entry: Entry) -> str:
    """One line of JSON, NaN and infinities as Python's `json` writes them."""
    return _ENTRIES.dump_json(entry).decode()


def entry_from_json(text: str) -> Entry:
    """The entry that `entry_to_json` wrote.

    Raises:
        ValueError: If the text is not the JSON of an entry.
    """
    return _ENTRIES.validate_json(text)


@dataclass(frozen=True)
class History:
    """What a journal says.

    Attributes:
        sweep: What the sweep runs.
        entries: What came after, in order.
    """

    sweep: SweepEntry
    entries: Sequence[DriverEntry | HandledEntry | ClosedEntry]

    def handled(self) -> Iterator[HandledEntry]:
        """What the core was told."""
        return (entry for entry in self.entries if isinstance(entry, HandledEntry))

    def drivers(self) -> list[DriverEntry]:
        """The drivers that had the sweep in hand, the last one last."""
        return [entry for entry in self.entries if isinstance(entry, DriverEntry)]

    def last_at(self) -> float:
        """The latest time on the clock of the events."""
        times = [e.at for e in self.drivers()] + [e.event.at for e in self.handled()]
        return max(times, default=0.0)

    @property
    def unfinished(self) -> bool:
        """Whether there is something left to run; also if a driver has died."""
        last = self.entries[-1] if self.entries else None
        return not isinstance(last, ClosedEntry) or last.unfinished > 0
