"""What sweeps have left behind that no driver has in hand: records and processes.

A sweep that a driver has in hand is never touched, nor is what is not of a sweep of this folder.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tune_tasks.commands.checks import processes
from tune_tasks.commands.checks.finding import Finding, ok, problem, warning
from tune_tasks.commands.checks.processes import LeftProcess
from tune_tasks.errors import ServiceError, UsageError
from tune_tasks.model.text import left_out
from tune_tasks.servers.mlflow_client import default_tracking_uri, without_password
from tune_tasks.sweep.journal import HeldError, NotBegunError, journals_in, open_locked
from tune_tasks.sweep.past import PastSweep, past_sweep
from tune_tasks.sweep.sweep_state import SweepState
from tune_tasks.tracking.mlflow_left import end_runs, running_runs

_SHOWN = 5
_FIX = "`tune-tasks doctor --fix` ends them"


@dataclass(frozen=True)
class IdleSweep:
    """A sweep that no driver has in hand.

    Attributes:
        path: Its journal.
        past: What it came to.
        uri: MLflow's tracking URI.
        runs: Its runs that are RUNNING in MLflow.
        flow_runs: Its flow runs that are RUNNING in Prefect.
    """

    path: Path
    past: PastSweep = field(repr=False)
    uri: str
    runs: Sequence[str] = ()
    flow_runs: Sequence[str] = ()


@dataclass(frozen=True)
class LeftOvers:
    """What was found.

    Attributes:
        sweeps: Those that no driver has in hand.
        damaged: What is wrong with journals that cannot be read.
        processes: Those of dead drivers.
        unknown: The servers that could not be asked, and why.
    """

    sweeps: Sequence[IdleSweep] = ()
    damaged: Sequence[str] = ()
    processes: Sequence[LeftProcess] = ()
    unknown: Mapping[str, str] = field(default_factory=dict)

    @property
    def dead(self) -> list[str]:
        """The sweeps whose driver has died, and that nobody has gone on with."""
        return [sweep.path.parent.name for sweep in self.sweeps if sweep.past.is_dead]

    def findings(self) -> Iterator[Finding]:
        """What was found, in words."""
        yield from (problem("journal", text, "restore it from a backup") for text in self.damaged)
        advice = "`tune-tasks run --resume SWEEP` goes on with one"
        yield _count("sweeps whose driver has died", self.dead, advice)
        runs = {
            "MLflow": [run for sweep in self.sweeps for run in sweep.runs],
            "Prefect": [run for sweep in self.sweeps for run in sweep.flow_runs],
        }
        for name, left in runs.items():
            about = f"runs that nobody has ended in {name}"
            if name in self.unknown:
                yield warning(about, f"not known: {self.unknown[name]}", "look again later")
            else:
                yield _count(about, left, _FIX)
        commands = [process.command.split(" ")[0] for process in self.processes]
        yield _count("processes of dead drivers", commands, _FIX)


def _count(about: str, items: Sequence[str], advice: str) -> Finding:
    if not items:
        return ok(about, "none")
    listed = ", ".join([*items[:_SHOWN], *left_out(len(items), _SHOWN)])
    return warning(about, f"{len(items)} ({listed})", advice)


def idle_sweeps(results: Path, cwd: Path) -> LeftOvers:
    """Read the journals of a folder, and look for processes.

    Args:
        results: The folder of all results.
        cwd: The working directory, which says where MLflow's store is.
    """
    sweeps: list[IdleSweep] = []
    damaged: list[str] = []
    own = default_tracking_uri(cwd)
    for path in journals_in(results):
        try:
            past = past_sweep(path)
        except NotBegunError:
            continue  # there is nothing to be ended, or a driver is about to begin it
        except UsageError as exc:
            damaged.append(str(exc))
            continue
        if past.state is not SweepState.RUNNING:
            # The journal has no passwords; the environment may.
            told = past.info.tracking_uri
            sweeps.append(IdleSweep(path, past, own if without_password(own) == told else told))
    return LeftOvers(sweeps, damaged, processes.left_processes())


def ask_servers(left: LeftOvers, prefect_away: str = "") -> LeftOvers:
    """Add what MLflow and Prefect have of these sweeps.

    Args:
        left: From `idle_sweeps`.
        prefect_away: Why Prefect cannot be asked; empty if it can.
    """
    unknown: dict[str, str] = {}
    runs: Mapping[str, Sequence[str]] = {}
    flow_runs: Sequence[str] = ()
    try:
        runs = _in_mlflow(left.sweeps)
    except ServiceError as exc:
        unknown["MLflow"] = str(exc)
    try:
        flow_runs = _in_prefect(left.sweeps, prefect_away)
    except ServiceError as exc:
        unknown["Prefect"] = str(exc)
    sweeps = [
        replace(
            sweep,
            runs=runs.get(sweep.path.parent.name, ()),
            flow_runs=[run for run in _driven_by(sweep) if run in flow_runs],
        )
        for sweep in left.sweeps
    ]
    return replace(left, sweeps=sweeps, unknown=unknown)


def _in_mlflow(sweeps: Iterable[IdleSweep]) -> dict[str, list[str]]:
    by_uri: dict[str, list[str]] = defaultdict(list)
    for sweep in sweeps:
        by_uri[sweep.uri].append(sweep.path.parent.name)
    found: dict[str, list[str]] = {}
    for uri, names in by_uri.items():
        found |= running_runs(uri, names)
    return found


def _in_prefect(sweeps: Sequence[IdleSweep], away: str) -> list[str]:
    from tune_tasks.sweep.dead_drivers import running_flow_runs

    if away:
        raise ServiceError(away)
    since = {run: time for sweep in sweeps for run, time in _driven_by(sweep).items()}
    return running_flow_runs(since)


def _driven_by(sweep: IdleSweep) -> dict[str, float]:
    """The flow runs that had the sweep in hand, and since when."""
    return {driver.flow_run_id: driver.time for driver in sweep.past.history.drivers()}


def tidy_up(left: LeftOvers) -> Iterator[str]:
    """End what was left; yields what could not be done, and why.

    Nobody can go on with a sweep while its records are ended.
    """
    processes.end(left.processes)
    for sweep in left.sweeps:
        if not sweep.runs and not sweep.flow_runs:
            continue
        try:
            with open_locked(sweep.path, lambda: False):
                yield from _end_records(sweep)
        except HeldError:
            continue  # somebody goes on with it
        except (ServiceError, UsageError, OSError) as exc:
            yield f"{sweep.path.parent.name}: {exc}"


def _end_records(sweep: IdleSweep) -> Iterator[str]:
    from tune_tasks.sweep.delivery import deliver_held

    if sweep.flow_runs:
        # Here, because the import of Prefect's client asks which server there is
        from tune_tasks.sweep.flow_run_ends import tell_ends

        tell_ends(past_sweep(sweep.path, is_held=False), sweep.flow_runs)
    if not sweep.runs:
        return
    # With the reports that MLflow lacks: an end without them would stand for the whole. As the
    # journal has it now: another driver may have gone on with the sweep since it was looked at.
    delivery = deliver_held(sweep.path)
    yield from (f"{tracker}: {why}" for tracker, why in delivery.missing.items())
    # What the sweep has dropped, for example.
    name = sweep.path.parent.name
    end_runs(sweep.uri, running_runs(sweep.uri, [name]).get(name, ()))
