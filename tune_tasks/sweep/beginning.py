"""How a driver begins: with a new sweep, or with one that an earlier driver has begun.

A sweep is resumed because somebody asks for it, or because Prefect executes a deployment's run
again, by its Retry or its Resume.
"""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tune_tasks.errors import UsageError
from tune_tasks.model.trial_key import experiment_of, index_of, key_of
from tune_tasks.spec.loading import text_of_spec
from tune_tasks.spec.resolution import Point
from tune_tasks.sweep.edits import Begun, Earlier
from tune_tasks.sweep.history import History
from tune_tasks.sweep.journal import journal_path, journals_in, read_history, read_sweep
from tune_tasks.sweep.journal_entries import SweepEntry, TrialEntry
from tune_tasks.sweep.lookup import LAST, journal_named, those_there
from tune_tasks.sweep.plan import Plan
from tune_tasks.sweep.repeat import Repeat
from tune_tasks.sweep.request import Request
from tune_tasks.sweep.warm_sources import Shelf
from tune_tasks.trial.trainable import TrainFunction

_BESIDE = ("num_trials", "seed", "stop", "storage")
_OF_THE_SPEC = ("spec", "spec_file", *_BESIDE)


@dataclass(frozen=True)
class Beginning:
    """How this driver begins.

    Attributes:
        request: What is asked for; a sweep that is resumed without a spec brings its own.
        sweep: The sweep's id.
        drawn_seed: The seed of the experiments that the spec gives none.
        path: The sweep's journal.
        earlier: What an earlier driver has written there; None if the sweep is a new one.
        retry_failed: Whether failed trials are given another attempt.
        repeat: The trial of another sweep that this one repeats, and nothing else; None: it has
            trials of its own.
    """

    request: Request
    sweep: str
    drawn_seed: int
    path: Path
    earlier: History | None = None
    retry_failed: bool = False
    repeat: Repeat | None = None

    def plan(self, callables: Mapping[str, TrainFunction], spec_text: str | None = None) -> Plan:
        """What this driver runs.

        Args:
            callables: Functions by experiment name.
            spec_text: What the spec's file says, if it was read before.

        Raises:
            BadInputError: If anything in the request is wrong, or the spec of a sweep that is
                resumed was edited and nobody has accepted that.
        """
        plan = self.shown_plan(callables, spec_text)
        if plan.is_edited and not self.request.accept_changes:
            raise UsageError("\n".join(self._refusal(plan)))
        return plan

    def shown_plan(
        self, callables: Mapping[str, TrainFunction], spec_text: str | None = None
    ) -> Plan:
        """The same, also if the spec was edited.

        Raises:
            BadInputError: If anything in the request is wrong.
        """
        known = self.repeat.history if self.repeat else self.earlier
        earlier = earlier_of(known) if known else None
        shelf = Shelf(self.request.results, but=self.sweep)
        plan = self.request.plan(callables, self.drawn_seed, earlier, spec_text, shelf)
        return self.repeat.narrowed(plan) if self.repeat else plan

    def _refusal(self, plan: Plan) -> Iterator[str]:
        yield f"the spec is not what the sweep {self.sweep} has run so far:"
        for name, edit in plan.edits.items():
            if edit.is_change:
                yield from edit.lines(name)
        of_file = f" -f {self.request.spec_file}" if self.request.spec_file else ""
        yield (
            f"`tune-tasks plan{of_file} --resume {self.sweep}` shows each trial. To go on with the"
            " edited spec give --accept-changes (in Python and in a flow's parameters"
            " accept_changes); the results of what is dropped stay on the disk and in MLflow"
        )


def beginning_of(request: Request, deployed_run: str = "") -> Beginning:
    """Find out how a driver is to begin. Changes nothing.

    Args:
        request: What is asked for.
        deployed_run: The flow run, if it is a deployment's, which Prefect may execute again.

    Raises:
        UsageError: If the sweep that is to be resumed is not there, or cannot be read.
    """
    begun = _begun_by(deployed_run, request) if deployed_run else None
    if begun:
        return _going_on(request, begun, retry_failed=True)
    if request.resume:
        return _going_on(request, _wanted(request), retry_failed=request.retry_failed)
    return _new(request, secrets.randbelow(2**31))


def folder_elsewhere(request: Request) -> Path | None:
    """The working directory of the sweep that is resumed, if it is another one than this.

    What its spec names, and a local MLflow store, are relative to it. None also if the folder has
    gone: it was moved, and the sweep with it.

    Raises:
        UsageError: If the sweep that is to be resumed is not there, or cannot be read.
    """
    if not request.resume:
        return None
    folder = Path(read_sweep(_wanted(request)).cwd)
    return folder if folder != Path.cwd() and folder.is_dir() else None


def beginning_again(request: Request, repeat: Repeat) -> Beginning:
    """How a driver begins a sweep that repeats a trial of another one. Changes nothing.

    Args:
        request: What is asked for; it gets the spec of the other sweep.
        repeat: The trial.
    """
    sweep = repeat.history.sweep
    return dataclasses.replace(_new(_with_spec_of(request, sweep), sweep.drawn_seed), repeat=repeat)


def _new(request: Request, drawn_seed: int) -> Beginning:
    sweep = f"{time.strftime('%Y-%m-%d_%H-%M-%S')}_{secrets.token_hex(2)}"
    return Beginning(request, sweep, drawn_seed, journal_path(request.results, sweep))


def earlier_of(history: History) -> dict[str, Earlier]:
    """By experiment, what the drivers of a sweep have run."""
    ended = history.ended()
    begun: dict[str, dict[int, Begun]] = {name: {} for name in history.sweep.spec}
    for key, entry in history.trials().items():
        trial = begun_of(entry, has_ended=key in ended)
        begun.setdefault(trial.experiment, {})[trial.index] = trial
    specs = history.sweep.spec
    dropped = set(history.sweep.dropped)
    points: dict[str, dict[int, Point]] = {name: {} for name in begun}
    for key, point in history.points().items():
        points.setdefault(experiment_of(key), {})[index_of(key)] = point
    return {
        name: Earlier(
            specs.get(name) or {},
            trials,
            {i for i in trials if key_of(name, i) in dropped},
            points[name],
            history.sweep.warm.get(name),
        )
        for name, trials in begun.items()
    }


def begun_of(entry: TrialEntry, *, has_ended: bool = False) -> Begun:
    """A trial as the journal has it."""
    experiment, index = experiment_of(entry.trial), index_of(entry.trial)
    name, config, seed = entry.name, entry.config, entry.seed
    return Begun(experiment, index, name, config, seed, has_ended, entry.proposed_by)


def _begun_by(flow_run_id: str, request: Request) -> Path | None:
    """The sweep that an earlier execution of a flow run has begun, or has gone on with."""
    for path, sweep in _readable(journals_in(request.results)):
        if sweep.flow_run_id == flow_run_id:
            return path
        if request.resume and flow_run_id.encode() in path.read_bytes():
            return path
    return None


def _going_on(request: Request, path: Path, *, retry_failed: bool) -> Beginning:
    earlier = read_history(path)
    sweep = earlier.sweep
    request = _with_spec_of(request, sweep)
    repeat = Repeat.of(sweep.repeats, request.results) if sweep.repeats else None
    return Beginning(request, sweep.sweep, sweep.drawn_seed, path, earlier, retry_failed, repeat)


def _with_spec_of(request: Request, sweep: SweepEntry) -> Request:
    """The request with the sweep's own spec if it brings none, and what was given beside that."""
    names: tuple[str, ...] = _BESIDE
    if request.spec is None and request.spec_file is None:
        names = _OF_THE_SPEC
    missing = [name for name in names if getattr(request, name) is None]
    # The journals of older releases have no storage.
    given: dict[str, Any] = {name: sweep.request.get(name) for name in missing}
    return dataclasses.replace(request, **given)


def _wanted(request: Request) -> Path:
    name = request.resume
    if name and name != LAST:
        return journal_named(request.results, name)
    journals = journals_in(request.results)
    last = ""
    for path, sweep in _readable(journals):
        if not _is_of(request, sweep):
            continue
        if read_history(path).unfinished:
            return path
        last = last or sweep.sweep
    if request.spec_file:
        text_of_spec(request.spec_file)  # a name that is mistyped is an error of its own
    raise UsageError(f"--resume: {_none_unfinished(request, last, journals)}")


def _none_unfinished(request: Request, last: str, journals: Sequence[Path]) -> str:
    brings_one = request.spec is not None or request.spec_file is not None
    of_spec = " of this spec" if brings_one else ""
    none = f"there is no unfinished sweep{of_spec} in {request.results}"
    if last and request.retry_failed:
        return f"{none}; to try the failed trials of one that has ended give its id: {last}"
    if last and brings_one:
        return f"{none}; to go on with one that has ended, after an edit, give its id: {last}"
    return f"{none}; {those_there(journals)}"


def _readable(journals: Iterable[Path]) -> Iterator[tuple[Path, SweepEntry]]:
    """Journals and what their sweeps run, but for those that are just being begun, or damaged."""
    for path in journals:
        with contextlib.suppress(UsageError, OSError):
            yield path, read_sweep(path)


def _is_of(request: Request, sweep: SweepEntry) -> bool:
    """Whether a sweep is one of the spec that was given; if none was given, any is."""
    if request.spec_file:
        theirs = sweep.request["spec_file"]
        ours = Path(request.spec_file).resolve()
        return theirs is not None and Path(sweep.cwd, theirs).resolve() == ours
    return request.spec is None or list(request.spec) == list(sweep.given)
