"""The trials of a sweep as its journal has them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

from tune_tasks.model.checkpoint import CheckpointRules
from tune_tasks.model.objective import Objective
from tune_tasks.model.stopping import Criterion, parse_criterion
from tune_tasks.model.trial import Trial
from tune_tasks.model.trial_key import experiment_of, index_of, key_of
from tune_tasks.spec.arrangement import indices_of, place_of
from tune_tasks.sweep.history import History


@dataclass(frozen=True)
class PastExperiment:
    """An experiment as `summary_of` needs it: with its trials, their indices and its criteria."""

    name: str
    trials: Sequence[Trial]
    indices: Sequence[int]
    stop: tuple[Criterion, ...]

    def criteria(self) -> tuple[Criterion, ...]:
        """The stop criteria."""
        return self.stop


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
        self._later = history.later_forms()
        self._indices = {name: self._indices_of(name) for name in history.sweep.experiments}

    def _indices_of(self, experiment: str) -> Sequence[int]:
        begun = [index_of(key) for key in self._entries if experiment_of(key) == experiment]
        dropped = [index_of(key) for key in self._sweep.dropped if experiment_of(key) == experiment]
        count = self._sweep.experiments[experiment].num_trials
        return indices_of(count, begun, dropped)

    def __contains__(self, key: str) -> bool:
        """Whether the sweep has this trial; an edited spec may have dropped it."""
        experiment, index = experiment_of(key), index_of(key)
        return place_of(index, self._indices.get(experiment, ())) is not None

    def changes(self, key: str) -> bool:
        """Whether a trial has gone on with another config than the one that it has begun with."""
        return key in self._later

    def of(self, key: str, attempt: int | None = None) -> Trial:
        """The trial with this key, as one of its attempts had it, or else as it is now."""
        experiment, index = experiment_of(key), index_of(key)
        spec = self._spec(experiment)
        later = [e for e in self._later.get(key, ()) if attempt is None or e.attempt <= attempt]
        entry = later[-1] if later else self._entries.get(key)
        if entry is None:
            return Trial(experiment, index, key, spec.get("alg", "script"), {}, {}, seed=0)
        return Trial(
            experiment,
            index,
            entry.name,
            entry.alg,
            dict(entry.config),
            dict(entry.searched),
            entry.seed,
            entry.resources,
            entry.bundles,
            self._stop(experiment),
            spec.get("max_failures", 0),
            checkpoint=_checkpoint_rules(spec),
            point=dict(entry.point),
            proposed_by=entry.proposed_by,
        )

    def experiment(self, name: str) -> PastExperiment:
        """An experiment with all of its trials, each made when somebody asks for it."""
        indices = self._indices[name]
        return PastExperiment(name, _AllTrials(self, name, indices), indices, self._stop(name))

    def _stop(self, experiment: str) -> tuple[Criterion, ...]:
        stop = self._spec(experiment).get("stop") or {}
        return tuple(parse_criterion(metric, bound) for metric, bound in stop.items())

    def _spec(self, experiment: str) -> Mapping[str, Any]:
        spec: Mapping[str, Any] = self._sweep.spec.get(experiment, {})
        return spec


class _AllTrials(Sequence[Trial]):
    def __init__(self, trials: PastTrials, experiment: str, indices: Sequence[int]) -> None:
        self._trials = trials
        self._experiment = experiment
        self._indices = indices

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, place: int) -> Trial: ...
    @overload
    def __getitem__(self, place: slice) -> list[Trial]: ...
    def __getitem__(self, place: int | slice) -> Trial | list[Trial]:
        chosen = self._indices[place]
        if isinstance(chosen, int):
            return self._of(chosen)
        return [self._of(index) for index in chosen]

    def _of(self, index: int) -> Trial:
        return self._trials.of(key_of(self._experiment, index))


def _checkpoint_rules(spec: Mapping[str, Any]) -> CheckpointRules:
    """What trackers have to know of a trial's checkpoints."""
    objective = Objective.of_spec(spec.get("metric"), spec.get("mode"))
    for metric, mode in list((spec.get("objectives") or {}).items())[:1]:
        objective = Objective(metric, mode)
    is_logged = spec.get("checkpoint", {}).get("log", False)
    return CheckpointRules(log=is_logged, objective=objective)
