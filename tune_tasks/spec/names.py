"""Experiments in the words of Ray Tune, 2017 to 2023, in ours: renamed before they are checked.

Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from tune_tasks.errors import Location, SpecError
from tune_tasks.model.paths import NodePath, dotted
from tune_tasks.spec.schema import SCRIPT
from tune_tasks.spec.source import Source

_EXTRA = {"extra_cpu": "cpu", "extra_gpu": "gpu"}
"""Ray Tune's CPUs and GPUs of a trial's workers, which it added to those of the trial's process."""


def in_todays_words(source: Source) -> tuple[Source, list[str]]:
    """The spec with today's keys, each at its old place, and warnings of what has no effect.

    Args:
        source: A mapping of experiments. What is not an experiment is left as it is, for the check
            of its type.

    Raises:
        SpecError: If an experiment says the same thing twice, under an old name and today's, or
            if one that is made of a grid of environments has another's name.
    """
    experiments = {
        name: _Experiment(source, name, given)
        for name, given in source.data.items()
        if isinstance(given, dict)
    }
    warnings: list[str] = []
    for experiment in experiments.values():
        warnings += experiment.translate()
    data = _data(source, experiments)
    moved = {name: experiment for name, experiment in experiments.items() if experiment.is_moved}
    places = _places(source, moved) if moved else source.places
    return replace(source, data=data, places=places), warnings


def _data(source: Source, experiments: Mapping[str, _Experiment]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for name, given in source.data.items():
        made = {name: given}
        if name in experiments:
            made = experiments[name].each()
        for new in made:
            is_taken = new in data or (new != name and new in source.data)
            if is_taken:
                message = f"{name}.env: {new!r} is another experiment, too; rename one of them"
                raise SpecError(message, source.at((name, "env")))
        data.update(made)
    return data


def _places(source: Source, moved: Mapping[str, _Experiment]) -> dict[NodePath, Location]:
    places = {}
    for path, place in source.places.items():
        if path and path[0] in moved:
            experiment = moved[str(path[0])]
            places.update(dict.fromkeys(experiment.paths(path[1:]), place))
        else:
            places[path] = place
    return places


class _Experiment:
    """One experiment on its way from old words to today's."""

    def __init__(self, source: Source, name: str, given: Mapping[str, Any]) -> None:
        self.name = name
        self._source = source
        self._keys = dict(given)
        self._moves: dict[NodePath, NodePath] = {}
        self._env_by_name: dict[str, str] = {}

    @property
    def is_moved(self) -> bool:
        """Return whether a part of it has another path now."""
        return bool(self._moves or self._env_by_name)

    def translate(self) -> Iterator[str]:
        """Rename its keys; yields warnings of those that have no effect."""
        for old, new in EXPERIMENT_KEYS.items():
            self._rename(old, new)
        yield from self._checkpoints()
        yield from self._ignored()
        yield from self._resources()
        if self._keys.get("alg", SCRIPT) != SCRIPT:
            self._env_of_config()
        yield from self._environments()
        yield from self._samples()

    def each(self) -> dict[str, Any]:
        """The experiment by its name; of several environments, one for each."""
        if not self._env_by_name:
            return {self.name: self._keys}
        return {name: {**self._keys, "env": env} for name, env in self._env_by_name.items()}

    def paths(self, path: NodePath) -> Iterator[NodePath]:
        """Yield the paths of today for a path within the experiment."""
        for old, new in self._moves.items():
            if path[: len(old)] == old:
                path = (*new, *path[len(old) :])
        for name in self._env_by_name or (self.name,):
            yield name, *path

    def _said(self, path: NodePath, message: str) -> str:
        full = (self.name, *path)
        place = self._source.at(full, key=True)
        said = f"{dotted(full)}: {message}"
        return f"{place}: {said}" if place else said

    def _rename(self, old: str, new: str) -> None:
        if old not in self._keys:
            return
        self._expect_absent(new, (old,))
        # The keys keep their order.
        self._keys = {new if key == old else key: value for key, value in self._keys.items()}
        self._moves[(old,)] = (new,)

    def _old_path(self, key: str) -> NodePath:
        """The path under which a key of today was written."""
        for old, new in self._moves.items():
            if new == (key,):
                return old
        return (key,)

    def _expect_absent(self, key: str, other: NodePath) -> None:
        if key in self._keys:
            full = (self.name, *other)
            message = f"{dotted(full)}: says the same as `{key}`; give one of them"
            raise SpecError(message, self._source.at(full, key=True))

    def _checkpoints(self) -> Iterator[str]:
        given = self._keys.get("checkpoint_config")
        if not isinstance(given, dict) or not given.keys() <= CHECKPOINT_KEYS.keys():
            return
        del self._keys["checkpoint_config"]
        for old, value in given.items():
            new = CHECKPOINT_KEYS[old]
            path = ("checkpoint_config", old)
            if new in EXPERIMENT_IGNORED:
                yield self._said(path, EXPERIMENT_IGNORED[new])
                continue
            self._expect_absent(new, path)
            self._keys[new] = value
            self._moves[path] = (new,)

    def _ignored(self) -> Iterator[str]:
        for key in list(self._keys):
            if key in EXPERIMENT_IGNORED:
                del self._keys[key]
                yield self._said((key,), EXPERIMENT_IGNORED[key])

    def _resources(self) -> Iterator[str]:
        given = self._keys.get("resources")
        if not isinstance(given, dict):
            return
        path = self._old_path("resources")
        resources = dict(given)
        for name in given:
            if name in RESOURCES_IGNORED:
                del resources[name]
                yield self._said((*path, name), RESOURCES_IGNORED[name])
        for extra, name in _EXTRA.items():
            own = resources.get(name, 0)
            # What is not a number is left for the check of its type.
            if _is_number(resources.get(extra)) and _is_number(own):
                resources[name] = own + resources.pop(extra)
        self._keys["resources"] = resources

    def _env_of_config(self) -> None:
        config = self._keys.get("config")
        if isinstance(config, dict) and "env" in config:
            self._expect_absent("env", ("config", "env"))
            self._keys["config"] = {key: value for key, value in config.items() if key != "env"}
            self._keys["env"] = config["env"]
            self._moves[("config", "env")] = ("env",)

    def _environments(self) -> Iterator[str]:
        """A grid of environments is one experiment for each of them."""
        options = _grid(self._keys.get("env"))
        if not options or not all(isinstance(option, str) for option in options):
            return
        for option in options:
            name = f"{self.name}-{option}".replace("/", "-")
            self._env_by_name[name] = option
        names = ", ".join(self._env_by_name)
        yield self._said(self._old_path("env"), f"one experiment for each environment: {names}")

    def _samples(self) -> Iterator[str]:
        """`num_samples` counts how often the whole grid is tried; `num_trials` counts trials."""
        if "num_samples" not in self._keys:
            return
        path = self._old_path("num_samples")
        self._rename("num_samples", "num_trials")
        samples = self._keys["num_trials"]
        combinations = _grid_size(self._keys.get("config"))
        if combinations > 1 and isinstance(samples, int) and samples > 0:
            trials = samples * combinations
            self._keys["num_trials"] = trials
            how = f"each of the grid's {combinations:,} combinations {samples:,} times"
            yield self._said(path, f"{how}: {trials:,} trials")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float))


def _grid(node: object) -> list[Any]:
    """The values of a mapping that is a `grid_search`; none for anything else."""
    if not isinstance(node, dict) or len(node) != 1:
        return []
    options = node.get("grid_search")
    return options if isinstance(options, list) else []


def _grid_size(node: Any) -> int:
    if isinstance(node, list):
        return math.prod(map(_grid_size, node))
    if not isinstance(node, dict):
        return 1
    options = node.get("grid_search")
    if isinstance(options, list):
        return len(options) or 1
    return math.prod(map(_grid_size, node.values()))


#: Keys of an experiment that Ray Tune called otherwise, from 2018 on.
EXPERIMENT_KEYS: Mapping[str, str] = {
    "run": "alg",
    "repeat": "num_samples",
    "trial_resources": "resources",
    "resources_per_trial": "resources",
}

#: The same inside Ray's `checkpoint_config` of 2022.
CHECKPOINT_KEYS: Mapping[str, str] = {
    "checkpoint_frequency": "checkpoint_freq",
    "checkpoint_at_end": "checkpoint_at_end",
    "num_to_keep": "keep_checkpoints_num",
    "checkpoint_score_attribute": "checkpoint_score_attr",
    "checkpoint_score_order": "checkpoint_score_attr",
}

_NO_SYNC = "files are written once, by the machine that runs the sweep"
_TRACKED = "results go to MLflow and TensorBoard in any case"

#: Keys of an experiment that are accepted and have no effect -> why.
EXPERIMENT_IGNORED: Mapping[str, str] = {
    "pass_criteria": "it is for RLlib's own tests; `stop` ends a trial",
    "frameworks": "belonged to TensorFlow; the networks run on PyTorch now",
    "local_dir": "the command line says where files go: `--local-dir`",
    "keep_checkpoints_num": "`checkpoint: {keep: …}` says how many are kept",
    "checkpoint_score_attr": "the best checkpoint by `metric` is kept as well",
    **dict.fromkeys(("upload_dir", "sync_function", "sync_to_cloud", "sync_to_driver"), _NO_SYNC),
    **dict.fromkeys(("loggers", "export_formats"), _TRACKED),
}

#: The same inside `resources`.
RESOURCES_IGNORED: Mapping[str, str] = dict.fromkeys(
    ("driver_cpu_limit", "driver_gpu_limit"),
    "the trial's own process has one CPU, its workers the rest",
)
