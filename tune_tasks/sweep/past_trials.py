"""The trials of a sweep as its journal has them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, overload

from tune_tasks.model.stopping import Criterion, parse_criterion
from tune_tasks.model.trial import Trial
from tune_tasks.sweep.history import History


class PastTrials:
    """Makes the trials of a sweep from its journal, without a plan.

    Secrets in their configs are masked. Of a trial that was never started nothing is known but its
    number: its name is its key, and its config is empty.

    Args:
        history: What the journal says.
    """

    def __init__(self, history: History) -> None:
        self._sweep = history.sweep
        self._entries = history.trials()

    def __contains__(self, key: str) -> bool:
        """Whether the sweep has this trial; an edited spec may have dropped it."""
        experiment, _, index = key.rpartition("/")
        info = self._sweep.experiments.get(experiment)
        return info is not None and int(index) < info.num_trials

    def of(self, key: str) -> Trial:
        """The trial with this key."""
        experiment, _, index = key.rpartition("/")
        spec = self._spec(experiment)
        entry = self._entries.get(key)
        if entry is None:
            return Trial(experiment, int(index), key, spec.get("alg", "script"), {}, {}, seed=0)
        return Trial(
            experiment,
            int(index),
            entry.name,
            entry.alg,
            dict(entry.config),
            dict(entry.searched),
            entry.seed,
            entry.resources,
            entry.bundles,
            self.criteria(experiment),
            spec.get("max_failures", 0),
        )

    def all_of(self, experiment: str) -> Sequence[Trial]:
        """Every trial of an experiment, each made when somebody asks for it."""
        return _AllTrials(self, experiment, self._sweep.experiments[experiment].num_trials)

    def criteria(self, experiment: str) -> tuple[Criterion, ...]:
        """The stop criteria of an experiment."""
        stop = self._spec(experiment).get("stop") or {}
        return tuple(parse_criterion(metric, bound) for metric, bound in stop.items())

    def _spec(self, experiment: str) -> Mapping[str, Any]:
        spec: Mapping[str, Any] = self._sweep.spec.get(experiment, {})
        return spec


class _AllTrials(Sequence[Trial]):
    def __init__(self, trials: PastTrials, experiment: str, size: int) -> None:
        self._trials = trials
        self._experiment = experiment
        self._size = size

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, index: int) -> Trial: ...
    @overload
    def __getitem__(self, index: slice) -> list[Trial]: ...
    def __getitem__(self, index: int | slice) -> Trial | list[Trial]:
        chosen = range(self._size)[index]
        if isinstance(chosen, range):
            return [self._of(i) for i in chosen]
        return self._of(chosen)

    def _of(self, index: int) -> Trial:
        return self._trials.of(f"{self._experiment}/{index}")
