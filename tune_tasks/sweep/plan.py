"""What a sweep runs: its experiments, ready to run, and their trials. `planning` makes a plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import zip_longest
from typing import Any

from tune_tasks.cluster.nodes import Cluster
from tune_tasks.errors import ResourcesError, UsageError
from tune_tasks.model.masking import masked
from tune_tasks.model.stopping import Criterion
from tune_tasks.model.text import one_line
from tune_tasks.model.trial import Resources, Trial
from tune_tasks.spec.arrangement import place_of
from tune_tasks.spec.expansion import Expansion
from tune_tasks.spec.schema import ExperimentSpec
from tune_tasks.sweep.edits import Begun, Edit, is_same_trial
from tune_tasks.sweep.warm import Warm, WarmTrial
from tune_tasks.trial.depot import DepotAwayError
from tune_tasks.trial.storage_depot import expect_writable
from tune_tasks.trial.trainable import Trainable


@dataclass(frozen=True)
class Need:
    """What a trial occupies.

    Attributes:
        resources: All of it.
        bundles: The shares of the trial's processes; empty if it has one process.
    """

    resources: Resources
    bundles: tuple[Resources, ...] = ()


@dataclass(frozen=True)
class PlannedExperiment:
    """One experiment, ready to run.

    Attributes:
        seed: The spec's, or the one drawn for the sweep.
        trainable: What its trials call.
        trials: All of them, in order; a trial is resolved each time that it is asked for.
        needs: What its trials occupy, each need once.
        indices: Of the trials, in order; they have gaps if the spec was edited.
        expansion: What the trials try. Of those that a model proposes it has the proposals.
        warm: What it starts from; None if its spec says nothing of that.
    """

    name: str
    spec: ExperimentSpec
    seed: int
    trainable: Trainable
    trials: Sequence[Trial]
    needs: Sequence[Need]
    indices: Sequence[int]
    expansion: Expansion
    warm: Warm | None = None

    @property
    def learns(self) -> bool:
        """Whether a model proposes trials, from the results of others."""
        return self.spec.searching().learns

    def unknown(self) -> int:
        """How many of its trials a model has not proposed yet."""
        if not self.learns:
            return 0
        return sum(not self.expansion.is_known(index) for index in self.indices)

    def trial(self, index: int) -> Trial:
        """The trial with this index.

        Raises:
            KeyError: If there is none.
        """
        place = place_of(index, self.indices)
        if place is None:
            raise KeyError(index)
        return self.trials[place]

    def criteria(self) -> tuple[Criterion, ...]:
        """The stop criteria in the file's order."""
        return self.spec.criteria()


@dataclass(frozen=True)
class Plan:
    """What a sweep runs.

    Attributes:
        experiments: In the spec's order.
        given: The spec as plain data, as it was given.
        source: The spec as plain data, as it runs: with `seed`, `num_trials` and `stop` as they
            were given beside it.
        warnings: What is allowed, but probably a mistake.
        edits: By experiment, what becomes of it if the sweep was begun by an earlier driver; empty
            if it is a new one.
    """

    experiments: list[PlannedExperiment]
    given: Mapping[str, object]
    source: Mapping[str, object]
    warnings: list[str] = field(default_factory=list)
    edits: Mapping[str, Edit] = field(default_factory=dict)

    @property
    def is_edited(self) -> bool:
        """Whether it differs from what the earlier drivers of the sweep have run."""
        return any(edit.is_change for edit in self.edits.values())

    def kept(self, begun: Begun) -> Trial | None:
        """A trial that has begun, as it is now; None if it is not kept with its index and files."""
        experiment = self._by_name.get(begun.experiment)
        if experiment is None or place_of(begun.index, experiment.indices) is None:
            return None
        trial = experiment.trial(begun.index)
        return trial if is_same_trial(begun, trial) else None

    def trials(self) -> Iterator[Trial]:
        """Every trial, the experiments interleaved: the first of each, then the second of each."""
        for row in zip_longest(*(experiment.trials for experiment in self.experiments)):
            yield from (trial for trial in row if trial is not None)

    def as_json(self) -> Iterator[dict[str, Any]]:
        """The trials, one by one, as `tune-tasks plan --json` prints them.

        Of a sweep that goes on each says whether it is kept or new, and the dropped ones follow.
        """
        for trial in self.trials():
            document = {
                "experiment": trial.experiment,
                "index": trial.index,
                "name": trial.name,
                "config": masked(trial.config),
                "resources": asdict(trial.resources),
                "stop": dict(self.experiment_of(trial).spec.stop),
                "constraints": dict(self.experiment_of(trial).spec.constraints),
            }
            if not self.is_known(trial):
                document["config"] = None
                document["proposed_by"] = self.experiment_of(trial).spec.searching().algorithm
            tried_again = self.tries_again(trial)
            if tried_again:
                document["config_of"] = tried_again.source
            if self.edits:
                document["change"] = "kept" if self.begun(trial) else "new"
            yield document
        for begun, why in self.dropped():
            yield {
                "experiment": begun.experiment,
                "index": begun.index,
                "name": begun.name,
                "config": begun.config,
                "change": "dropped",
                "why": why,
            }

    def is_known(self, trial: Trial) -> bool:
        """Whether it is known what a trial tries: a model may still have to propose it."""
        return self.experiment_of(trial).expansion.is_known(trial.index)

    def tries_again(self, trial: Trial) -> WarmTrial | None:
        """The trial of an earlier sweep whose config a trial is to try; None if there is none.

        Of a trial that has begun nothing is said: it may have started from another sweep.
        """
        experiment = self.experiment_of(trial)
        number = experiment.expansion.rounds.head_start_of(trial.index)
        if experiment.warm is None or number is None or self.begun(trial):
            return None
        return experiment.warm.started.configs[number]

    def begun(self, trial: Trial) -> Begun | None:
        """A trial of it as an earlier driver has begun it; None if none has."""
        edit = self.edits.get(trial.experiment)
        return edit.begun.get(trial.index) if edit else None

    def dropped(self) -> Iterator[tuple[Begun, str]]:
        """The trials that have begun and that it no longer has, and why."""
        for edit in self.edits.values():
            for index, why in edit.dropped.items():
                yield edit.begun[index], why

    @property
    def size(self) -> int:
        """How many trials it has."""
        return sum(len(experiment.trials) for experiment in self.experiments)

    def experiment_of(self, trial: Trial) -> PlannedExperiment:
        """The experiment that a trial belongs to."""
        return self._by_name[trial.experiment]

    def sizes(self) -> set[Resources]:
        """What trials occupy, each size once."""
        return {need.resources for experiment in self.experiments for need in experiment.needs}

    def expect_to_fit(self, cluster: Cluster) -> None:
        """Raise ResourcesError if an experiment's trials can never be placed."""
        for experiment in self.experiments:
            for need in experiment.needs:
                if not cluster.fits(need.resources, need.bundles):
                    raise _too_large(experiment.name, need, cluster)

    def expect_storages(self) -> None:
        """Raise UsageError if this machine cannot write into a storage of the trials' files.

        For a sweep that begins: one that goes on waits for a storage that is away.
        """
        for experiment in self.experiments:
            storage = experiment.spec.storage
            try:
                if storage:
                    expect_writable(storage)
            except DepotAwayError as exc:
                what = f"{one_line(experiment.name)}.storage: {masked(storage)}"
                raise UsageError(f"{what} cannot be written from this machine: {exc}") from exc

    @cached_property
    def _by_name(self) -> dict[str, PlannedExperiment]:
        return {experiment.name: experiment for experiment in self.experiments}


def _too_large(name: str, need: Need, cluster: Cluster) -> ResourcesError:
    machines = "; ".join(map(str, cluster.nodes))
    workers = ""
    if need.bundles:
        workers = ", or the number of workers,"
    return ResourcesError(
        f"{name}: a trial asks for {need.resources}, but no machine of the cluster has that: "
        f"{machines}. Lower `resources`{workers} in the spec, or join a "
        "larger cluster (--address; a local one: --num-cpus, --num-gpus)"
    )
