"""Finds what `warm_start` names: earlier sweeps of a results folder, or a file. Starts nothing."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from tune_tasks.errors import SpecError, UsageError, did_you_mean
from tune_tasks.model.differences import text_of
from tune_tasks.model.front import best_first
from tune_tasks.model.masking import masked_by_path
from tune_tasks.model.objective import Objectives
from tune_tasks.model.result_file import read_last_report
from tune_tasks.model.text import one_line
from tune_tasks.recording.delivery import EndedAttempt
from tune_tasks.search.observation import Measured
from tune_tasks.spec.search_space import SearchSpace
from tune_tasks.spec.warm_start import ALL, FILES, LAST, WarmStartSpec
from tune_tasks.sweep.events import AttemptEnded
from tune_tasks.sweep.history import History
from tune_tasks.sweep.journal import journals_in, read_sweep
from tune_tasks.sweep.journal_entries import SweepEntry
from tune_tasks.sweep.learning import fate_of
from tune_tasks.sweep.lookup import journal_named
from tune_tasks.sweep.part import Part
from tune_tasks.sweep.past import past_sweep
from tune_tasks.sweep.search_checks import meant_domains
from tune_tasks.sweep.warm import WarmStarted, WarmTrial, asked_of
from tune_tasks.sweep.warm_tables import Found, read_trials

Metrics = Mapping[str, float | None]

_MOST = 1_000
"""Results that a model is told of, the latest ones; it would not get better with more."""
_NOTE_LENGTH = 300


@dataclass(frozen=True)
class Shelf:
    """Where earlier sweeps are.

    Attributes:
        results: The folder of all results.
        but: The id of the sweep that is planned, which does not start from itself.
    """

    results: Path
    but: str = ""

    def journals(self) -> Iterator[tuple[Path, SweepEntry]]:
        """The journals that can be read, and what their sweeps run, the latest first.

        Without those of sweeps that repeat a single trial.
        """
        for path in journals_in(self.results):
            with contextlib.suppress(UsageError, OSError):
                sweep = read_sweep(path)
                if sweep.sweep != self.but and not sweep.repeats:
                    yield path, sweep


def places_of(source: str, folder: Path | None) -> list[Path]:
    """Where a file is looked for: in the working directory, then in the spec's folder."""
    written = os.path.expanduser(source)  # noqa: PTH111 - Path's raises without such a user
    folders = [Path.cwd(), *filter(None, [folder])]
    return list(dict.fromkeys(Path(os.path.normpath(each / written)) for each in folders))


def expect_source(part: Part, space: SearchSpace) -> None:
    """Check that an experiment has what its `warm_start` needs, as far as its spec says.

    Raises:
        SpecError: If it has not, or if something does not go together.
    """
    wish = part.experiment.warm_start
    assert wish is not None
    search = part.experiment.searching()
    problem = ""
    if not part.experiment.compared_by().each:
        problem = "it goes by the metric; name it: metric: mean_loss"
    elif not space.parameters:
        problem = "it says values of domains, such as {uniform: [0, 1]}; config has none"
    elif not wish.wants_configs and not search.learns:
        name = search.algorithm
        problem = f"{name} learns nothing from results; write use: configs, or another search"
    if problem:
        own = SpecError(f"warm_start: {problem}", part.at(("warm_start",), key=True))
        raise SpecError.of([own, *meant_domains(part, space)])


def warm_started(part: Part, space: SearchSpace, shelf: Shelf) -> WarmStarted:
    """Find what an experiment starts from. Reads journals, the trials' files, or the named file.

    Args:
        part: The experiment, with a `warm_start` and a metric.
        space: What it searches.
        shelf: Where earlier sweeps are.

    Raises:
        SpecError: If there is no such sweep, experiment or file, or if nothing there has the
            metric. It is no error that there is no earlier sweep, for `last` and `all`.
    """
    return _Look(part, space, shelf).started()


class _Look:
    """Looks for what one experiment starts from; see `warm_started`."""

    def __init__(self, part: Part, space: SearchSpace, shelf: Shelf) -> None:
        spec = part.experiment
        assert spec.warm_start is not None
        self._part = part
        self._space = space
        self._shelf = shelf
        self._wish: WarmStartSpec = spec.warm_start
        self._compared_by = spec.compared_by()

    def started(self) -> WarmStarted:
        if self._wish.source in (LAST, ALL):
            return self._taken(self._earlier())
        found = self._named()
        if not _has_values(found):
            raise self._without_metric(found)
        return self._taken(found)

    # ── Where it is ─────

    def _earlier(self) -> Found:
        """The last sweep of this experiment that has the metric, or all of them; maybe none."""
        name = self._part.name
        most = 1 if self._wish.source == LAST else None
        found = list(islice(self._sweeps_of(name), most))
        if found:
            return _joined(found, name)
        metrics = _listed(self._compared_by)
        which = f"no earlier sweep of {name!r} in {self._shelf.results} has reported {metrics}"
        return Found("", [], [one_line(f"nothing to start from: {which}", _NOTE_LENGTH)])

    def _named(self) -> Found:
        source = self._wish.source
        if source.endswith(FILES):
            return self._in_file(source)
        journals = list(self._shelf.journals())
        is_sweep = any(sweep.sweep == source for _, sweep in journals)
        if not is_sweep and any(source in sweep.experiments for _, sweep in journals):
            return _joined(list(self._sweeps_of(source)), source)
        return self._in_sweep(source, [sweep for _, sweep in journals])

    def _sweeps_of(self, name: str) -> Iterator[Found]:
        """What the sweeps of an experiment have that have the metric, the latest first."""
        for path, sweep in self._shelf.journals():
            if name not in sweep.experiments:
                continue
            with contextlib.suppress(UsageError, OSError):
                found = self._trials_of(path, name)
                if _has_values(found):
                    yield found

    def _in_sweep(self, source: str, sweeps: Sequence[SweepEntry]) -> Found:
        names = [name for sweep in sweeps for name in (sweep.sweep, *sweep.experiments)]
        hint = did_you_mean(source, [LAST, ALL, *names])
        try:
            path = journal_named(self._shelf.results, source)
            sweep = read_sweep(path)
            if sweep.sweep == self._shelf.but:
                raise self._wrong("a sweep does not start from itself")
            return self._trials_of(path, self._experiment_in(sweep))
        except (UsageError, OSError) as exc:
            raise self._wrong(f"no experiment and no file {source!r}, and {exc}{hint}") from exc

    def _experiment_in(self, sweep: SweepEntry) -> str:
        """The experiment of a sweep that is meant: that of this name, or the only one."""
        names = list(sweep.experiments)
        if self._part.name in names:
            return self._part.name
        if len(names) == 1:
            return names[0]
        there = ", ".join(map(one_line, names))
        raise self._wrong(f"the sweep {sweep.sweep} has no {self._part.name!r}, but {there}")

    # ── What is there ─────

    def _in_file(self, source: str) -> Found:
        places = places_of(source, self._part.spec.folder)
        path = next(filter(Path.is_file, places), None)
        if path is None:
            looked = " and ".join(map(str, places))
            raise self._wrong(f"no file {source!r}; looked at {looked}")
        try:
            return read_trials(path, self._part.name, self._compared_by, self._space)
        except ValueError as exc:
            raise self._wrong(one_line(str(exc), _NOTE_LENGTH)) from exc

    def _trials_of(self, path: Path, experiment: str) -> Found:
        """The trials of a sweep that have ended, in the order in which they began."""
        past = past_sweep(path, read=read_last_report)
        told = _told(past.history, self._compared_by.metrics())
        ended = {each.info.trial.key: each for each in past.ended()}
        mine = [each for each in ended.values() if each.info.trial.experiment == experiment]
        trials = [trial for each in mine for trial in self._trial(each, told, past.info.sweep)]
        metrics = dict.fromkeys(name for each in mine for name in _metrics(each))
        return Found(f"the sweep {past.info.sweep}", trials, (), list(metrics))

    def _trial(
        self, ended: EndedAttempt, told: Mapping[str, Metrics], sweep: str
    ) -> Iterator[WarmTrial]:
        """A trial, unless it was cancelled, or nobody knows its reports any more."""
        trial = ended.info.trial
        fate = fate_of(ended.outcome)
        last = ended.progress.last
        is_lost = last is None and ended.outcome.reports > 0 and trial.key not in told
        if fate is None or is_lost:
            return
        metrics = told.get(trial.key) or self._compared_by.values(last or {})
        measured = Measured.of(self._compared_by, metrics)
        values = masked_by_path(dict(self._space.searched_of(trial.config)))
        yield WarmTrial(f"{one_line(trial.key)} of {sweep}", values, fate, *measured)

    # ── What is taken of it ─────

    def _taken(self, found: Found) -> WarmStarted:
        configs = self._best(found.trials) if self._wish.wants_configs else []
        learns = self._part.experiment.searching().learns
        results = found.trials[-_MOST:] if self._wish.wants_results and learns else []
        notes = list(found.notes)
        if len(results) < len(found.trials) and results:
            notes.append(f"of {len(found.trials):,} results the latest {_MOST:,} are told")
        return WarmStarted(asked_of(self._part.experiment), found.source, configs, results, notes)

    def _best(self, trials: Sequence[WarmTrial]) -> list[WarmTrial]:
        """The best configs, each of them once: each cell of the grid has all of them."""
        grids = set(self._space.grids)
        distinct: dict[str, WarmTrial] = {}
        for trial in self._ranked(trials):
            shared = {path: value for path, value in trial.values.items() if path not in grids}
            distinct.setdefault(text_of(shared), trial)
        return list(distinct.values())[: self._wish.top]

    def _ranked(self, trials: Sequence[WarmTrial]) -> list[WarmTrial]:
        """Those that may be the best, best first; of several objectives that is the knee."""
        rivals = [trial for trial in trials if trial.may_be_best and trial.values]
        points = [self._point(trial) for trial in rivals]
        if self._compared_by.others:
            order = best_first(points)
        else:
            order = sorted(range(len(points)), key=points.__getitem__)  # of equal ones the oldest
        return [rivals[place] for place in order]

    def _point(self, trial: WarmTrial) -> tuple[float, ...]:
        values = [trial.value, *trial.others]
        pairs = zip(self._compared_by.each, values, strict=True)
        return tuple(each.sort_key(value) for each, value in pairs if value is not None)

    # ── What is wrong ─────

    def _wrong(self, problem: str) -> SpecError:
        place = self._part.at(("warm_start", "from"))
        return SpecError(f"warm_start.from: {problem}", place)

    def _without_metric(self, found: Found) -> SpecError:
        names = [each.metric for each in self._compared_by.each]
        hints = (did_you_mean(name, found.metrics) for name in names if name not in found.metrics)
        hint = next(filter(None, hints), "")
        value = f"a value of {_listed(self._compared_by)}"
        return self._wrong(f"no trial of {found.source} has {value}{hint}")


def _listed(compared_by: Objectives) -> str:
    return " and ".join(repr(each.metric) for each in compared_by.each)


def _has_values(found: Found) -> bool:
    return any(trial.value is not None for trial in found.trials)


def _joined(found: Sequence[Found], name: str) -> Found:
    """What several sweeps have that are given the latest first, the oldest trial first."""
    if len(found) == 1:
        return found[0]
    trials = [trial for each in reversed(found) for trial in each.trials]
    count = f"{len(found)} sweeps" if found else "any sweep"
    return Found(f"{count} of {one_line(name)!r}", trials)


def _told(history: History, metrics: Sequence[str]) -> dict[str, Metrics]:
    """What trials have reported last, by key, as far as the journal has these metrics."""
    ends = (entry.event for entry in history.handled() if isinstance(entry.event, AttemptEnded))
    return {end.trial: end.metrics for end in ends if end.metrics.keys() >= {*metrics}}


def _metrics(ended: EndedAttempt) -> Iterator[str]:
    last = ended.progress.last or {}
    yield from last
    yield from last.get("info") or {}
