"""What a sweep runs: its experiments, ready to run, and their trials. `planning` makes a plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import zip_longest
from typing import Any

from tune_tasks.cluster.nodes import Cluster
from tune_tasks.errors import ResourcesError
from tune_tasks.model.masking import masked
from tune_tasks.model.stopping import Criterion
from tune_tasks.model.trial import Resources, Trial
from tune_tasks.spec.schema import ExperimentSpec
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
    """

    name: str
    spec: ExperimentSpec
    seed: int
    trainable: Trainable
    trials: Sequence[Trial]
    needs: Sequence[Need]

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
    """

    experiments: list[PlannedExperiment]
    given: Mapping[str, object]
    source: Mapping[str, object]
    warnings: list[str] = field(default_factory=list)

    def trials(self) -> Iterator[Trial]:
        """Every trial, the experiments interleaved: the first of each, then the second of each."""
        for row in zip_longest(*(experiment.trials for experiment in self.experiments)):
            yield from (trial for trial in row if trial is not None)

    def as_json(self) -> Iterator[dict[str, Any]]:
        """The trials, one by one, as `tune-tasks plan --json` prints them."""
        for trial in self.trials():
            yield {
                "experiment": trial.experiment,
                "index": trial.index,
                "name": trial.name,
                "config": masked(trial.config),
                "resources": asdict(trial.resources),
                "stop": dict(self.experiment_of(trial).spec.stop),
            }

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
