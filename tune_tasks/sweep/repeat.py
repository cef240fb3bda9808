"""A trial of an earlier sweep that is run again, alone, in a sweep of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import overload

from tune_tasks.errors import UsageError, did_you_mean
from tune_tasks.model.code_version import edits_since
from tune_tasks.model.text import one_line
from tune_tasks.model.trial import Trial, shown_name
from tune_tasks.model.trial_key import experiment_of, index_of
from tune_tasks.sweep.attempt_history import AttemptHistory
from tune_tasks.sweep.edits import Begun, is_same_trial
from tune_tasks.sweep.history import History
from tune_tasks.sweep.journal import journal_path, read_history
from tune_tasks.sweep.journal_entries import Repeated, TrialEntry
from tune_tasks.sweep.plan import Need, Plan, PlannedExperiment

_STOP = "stop"


@dataclass(frozen=True)
class Repeat:
    """A trial that is to be run again.

    Attributes:
        history: What the journal of its sweep says.
        entry: The trial as it ran there.
    """

    history: History
    entry: TrialEntry

    @classmethod
    def of(cls, repeated: Repeated, results: Path) -> Repeat:
        """Read which trial a sweep repeats, from the folder of all results.

        Raises:
            UsageError: If the journal of that trial's sweep is damaged, or has gone.
        """
        try:
            history = read_history(journal_path(results, repeated.sweep))
        except OSError as exc:
            what = f"the sweep repeats the trial {repeated.trial} of {repeated.sweep}"
            raise UsageError(f"{what}, whose journal cannot be read: {exc}") from exc
        return cls(history, history.trials()[repeated.trial])

    @property
    def repeated(self) -> Repeated:
        """The same, as a journal has it."""
        return Repeated(self.history.sweep.sweep, self.entry.trial)

    @property
    def name(self) -> str:
        """The trial's name as it is shown."""
        return shown_name(self.entry.name, self.index)

    @property
    def experiment(self) -> str:
        """The experiment's name."""
        return experiment_of(self.entry.trial)

    @property
    def index(self) -> int:
        """The trial's."""
        return index_of(self.entry.trial)

    def narrowed(self, plan: Plan) -> Plan:
        """Return a plan with this trial alone.

        Args:
            plan: Of the spec as it is now, for a sweep that goes on after the one of the trial.

        Raises:
            UsageError: If the spec does not give the same trial any more; says what differs.
        """
        self._expect_unchanged(plan)
        experiment = next(e for e in plan.experiments if e.name == self.experiment)
        trial = experiment.trial(self.index)
        if not self._is_same(trial):
            raise self._changed("its name, its seed or its resources are others")
        need = Need(trial.resources, trial.bundles)
        trials = _Alone(experiment, self.index)
        alone = replace(experiment, trials=trials, needs=[need], indices=[self.index])
        return replace(plan, experiments=[alone], edits={})

    def code_changed(self, experiment: PlannedExperiment) -> str | None:
        """Return how the code differs from what the trial has run, for people; None if not."""
        attempt = AttemptHistory(self.history).of(self.entry.trial)[-1]
        then = attempt.driver.code.get(self.experiment)
        now = experiment.trainable.kept().code()
        edited = edits_since(then, now) if then and now else None
        if then is None or edited is None:
            return None
        commit = f" (commit {then.git_commit[:12]})" if then.git_commit else ""
        return f"the code is not the one that {self.name} has run{commit}: {edited} edited since"

    def _expect_unchanged(self, plan: Plan) -> None:
        edit = plan.edits.get(self.experiment)
        if edit is None:
            return
        if self.index in edit.dropped:
            raise self._changed(edit.dropped[self.index])
        stops = [change for change in edit.changes if change.startswith(_STOP)]
        if stops:
            raise self._changed(", ".join(stops))

    def _is_same(self, trial: Trial) -> bool:
        entry = self.entry
        begun = Begun(self.experiment, self.index, entry.name, entry.config, entry.seed)
        has_same_room = (trial.resources, trial.bundles) == (entry.resources, entry.bundles)
        return has_same_room and is_same_trial(begun, trial)

    def _changed(self, what: str) -> UsageError:
        return UsageError(
            f"the spec no longer gives the trial {self.name} of the sweep"
            f" {self.history.sweep.sweep}: {what}"
        )


class _Alone(Sequence[Trial]):
    """One of an experiment's trials, resolved each time: by a schedule its config changes."""

    def __init__(self, experiment: PlannedExperiment, index: int) -> None:
        self._experiment = experiment
        self._index = index

    def __len__(self) -> int:
        return 1

    @overload
    def __getitem__(self, place: int) -> Trial: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Trial]: ...
    def __getitem__(self, place: int | slice) -> Trial | Sequence[Trial]:
        return [self._experiment.trial(self._index)][place]


def trial_named(history: History, name: str) -> TrialEntry:
    """Return the trial of a sweep that somebody names.

    Args:
        history: Of the sweep.
        name: The trial's index, its key `experiment/index`, or its name.

    Raises:
        UsageError: If no such trial was started, or if there is one in several experiments.
    """
    trials = history.trials()
    found = [entry for entry in trials.values() if name in _names(entry)]
    if len(found) == 1:
        return found[0]
    if found:
        keys = ", ".join(one_line(entry.trial) for entry in found)
        raise UsageError(f"more than one trial is called {name!r}: {keys}")
    candidates = [each for entry in trials.values() for each in _names(entry)]
    hint = did_you_mean(name, candidates)
    raise UsageError(f"the sweep {history.sweep.sweep} has started no trial {name!r}{hint}")


def _names(entry: TrialEntry) -> Iterator[str]:
    index = index_of(entry.trial)
    yield from (entry.trial, entry.name, shown_name(entry.name, index), str(index))
