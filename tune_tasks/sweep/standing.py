"""How a sweep stands, in a word and a few numbers: a line of `tune-tasks ls`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tune_tasks.errors import UsageError
from tune_tasks.model.local_time import iso_time, local_time
from tune_tasks.model.result_file import read_last_report
from tune_tasks.results.standing import ExperimentStanding
from tune_tasks.sweep.history import History
from tune_tasks.sweep.journal import is_held, read_brief
from tune_tasks.sweep.journal_entries import DriverEntry
from tune_tasks.sweep.past import PastSweep
from tune_tasks.sweep.sweep_state import SweepState, state_of


@dataclass(frozen=True)
class Standing:
    """How a sweep stands.

    Attributes:
        experiments: By name.
        started: When its first driver began, in seconds since the epoch; None if it has not.
        ended: When its last driver closed it; None if that has not.
        driver: The driver that has it in hand, or had when it died; None if it was closed.
        problem: Why it is damaged.
    """

    sweep: str
    state: SweepState
    experiments: Mapping[str, ExperimentStanding] = field(default_factory=dict)
    started: float | None = None
    ended: float | None = None
    driver: DriverEntry | None = None
    problem: str | None = None

    @property
    def trials(self) -> int:
        """How many trials it has."""
        return sum(experiment.trials for experiment in self.experiments.values())

    @property
    def done(self) -> int:
        """How many of them have ended by themselves."""
        return sum(experiment.done for experiment in self.experiments.values())

    @property
    def failed(self) -> int:
        """How many of these in an error."""
        return sum(experiment.failed for experiment in self.experiments.values())

    def note(self) -> str | None:
        """What people are to know of it beside its numbers; mostly nothing."""
        if self.driver is None:
            return self.problem
        since = local_time(self.driver.time)
        driver = f"process {self.driver.pid} on {self.driver.host}"
        if self.state is SweepState.RUNNING:
            return f"{driver} has it in hand, since {since}"
        return f"its driver, {driver} since {since}, has died"

    def as_json(self) -> dict[str, Any]:
        """The sweep as `ls --json` prints it; times in the local zone."""
        return {
            "sweep": self.sweep,
            "state": str(self.state),
            "experiments": {name: _experiment(e) for name, e in self.experiments.items()},
            "trials": self.trials,
            "done": self.done,
            "failed": self.failed,
            "started": iso_time(self.started),
            "ended": iso_time(self.ended),
            "driver": self.driver.as_json() if self.driver else None,
            "problem": self.problem,
        }


def standing_of(path: Path) -> Standing:
    """How the sweep of a journal stands; raises nothing if that is damaged."""
    sweep = path.parent.name
    try:
        # First: a driver that ends in between has written its last entry.
        held = is_held(path)
        if held and not path.stat().st_size:  # it is just beginning
            return Standing(sweep, SweepState.RUNNING)
        return _standing(read_brief(path), path, held=held)
    except (UsageError, OSError) as exc:
        return Standing(sweep, SweepState.DAMAGED, problem=str(exc))


def _standing(history: History, path: Path, *, held: bool) -> Standing:
    drivers = history.drivers()
    state = state_of(history, held=held)
    started = drivers[0].time if drivers else None
    if history.closed:
        closed = history.closed
        return Standing(history.sweep.sweep, state, closed.experiments, started, closed.time)
    experiments: dict[str, ExperimentStanding] = {}
    if drivers:
        past = PastSweep(history, path.parents[2], is_held=held, read=read_last_report)
        summary = past.summary()
        experiments = {e.name: ExperimentStanding.of(e) for e in summary.experiments}
    driver = drivers[-1] if drivers else None
    return Standing(history.sweep.sweep, state, experiments, started, driver=driver)


def _experiment(standing: ExperimentStanding) -> dict[str, Any]:
    best = asdict(standing.best) if standing.best else None
    return {
        "trials": standing.trials,
        "done": standing.done,
        "failed": standing.failed,
        "best": best,
    }
