"""Experiments in the words of Ray Tune, 2017 to 2023, in ours: renamed before they are checked.

Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from tune_tasks.errors import SpecError
from tune_tasks.model.paths import NodePath
from tune_tasks.spec.source import Source

_SCRIPT = "script"
_EXTRA = {"extra_cpu": "cpu", "extra_gpu": "gpu"}
"""Ray Tune's CPUs and GPUs of a trial's workers.

Which were reserved beside those of its own process.
"""


def in_todays_words(source: Source) -> tuple[Source, list[str]]:
    """The spec with today's keys, each at its old place, and warnings of what has no effect.

    Args:
        source: A mapping of experiments; what is none is left for the check of its type.

    Raises:
        SpecError: If an experiment says the same thing twice, under an old name and today's, or
            if one that is made of a grid of environments has another's name.
    """
    warnings: list[str] = []
    experiments = {
        name: _Experiment(source, name, given)
        for name, given in source.data.items()
        if isinstance(given, dict)
    }
    for experiment in experiments.values():
        warnings += experiment.translate()
    data: dict[str, Any] = {}
    for name, given in source.data.items():
        made = experiments[name].each() if name in experiments else {name: given}
        if taken := next(
            (one for one in made if one in data or (one != name and one in source.data)), None
        ):
            raise SpecError(
                f"{name}.env: {taken!r} is another experiment, too; rename one of them",
                source.at((name, "env")),
            )
        data.update(made)
    moved = [experiment for experiment in experiments.values() if experiment.is_moved]
    places = _places(source, {e.name: e for e in moved}) if moved else source.places
    return replace(source, data=data, places=places), warnings


def _places(source: Source, moved: Mapping[str, _Experiment]) -> dict[NodePath, Any]:
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
        self._source, self._keys = source, dict(given)
        self._moves: dict[NodePath, NodePath] = {}
        self._names: dict[str, Any] = {}

    @property
    def is_moved(self) -> bool:
        """Whether a part of it has another path now."""
        return bool(self._moves or self._names)

    def translate(self) -> Iterator[str]:
        """Rename its keys; yields warnings of those that have no effect."""
        for old, new in EXPERIMENT_KEYS.items():
            self._rename(old, new)
        yield from self._checkpoints()
        for key in [key for key in self._keys if key in EXPERIMENT_IGNORED]:
            del self._keys[key]
            yield self._said((key,), EXPERIMENT_IGNORED[key])
        yield from self._resources()
        if self._keys.get("alg", _SCRIPT) != _SCRIPT:
            self._env_of_config()
        yield from self._environments()
        yield from self._samples()

    def each(self) -> dict[str, Any]:
        """The experiment by its name; of several environments one for each."""
        if not self._names:
            return {self.name: self._keys}
        return {name: {**self._keys, "env": env} for name, env in self._names.items()}

    def paths(self, path: NodePath) -> Iterator[NodePath]:
        """Where a path within the experiment has gone."""
        for old, new in self._moves.items():
            if path[: len(old)] == old:
                path = (*new, *path[len(old) :])
        yield from ((name, *path) for name in self._names or (self.name,))

    def _said(self, path: NodePath, message: str) -> str:
        place = self._source.at((self.name, *path), key=True)
        said = f"{'.'.join(map(str, (self.name, *path)))}: {message}"
        return f"{place}: {said}" if place else said

    def _rename(self, old: str, new: str) -> None:
        if old not in self._keys:
            return
        self._expect_absent(new, (old,))
        self._keys = {new if key == old else key: value for key, value in self._keys.items()}
        self._moves[(old,)] = (new,)

    def _expect_absent(self, key: str, other: NodePath) -> None:
        if key in self._keys:
            said = (
                f"{'.'.join(map(str, (self.name, *other)))}: says the same as `{key}`; give one of"
                " them"
            )
            raise SpecError(said, self._source.at((self.name, *other), key=True))

    def _checkpoints(self) -> Iterator[str]:
        given = self._keys.get("checkpoint_config")
        if not isinstance(given, dict) or not given.keys() <= CHECKPOINT_KEYS.keys():
            return
        del self._keys["checkpoint_config"]
        for old, value in given.items():
            new, path = CHECKPOINT_KEYS[old], ("checkpoint_config", old)
            if new in EXPERIMENT_IGNORED:
                yield self._said(path, EXPERIMENT_IGNORED[new])
                continue
            self._expect_absent(new, path)
            self._keys[new] = value
            self._moves[path] = (new,)

    def _resources(self) -> Iterator[str]:
        given = self._keys.get("resources")
        if not isinstance(given, dict):
            return
        key = next(
            (old for old, new in self._moves.items() if new == ("resources",)), ("resources",)
        )
        resources = {name: value for name, value in given.items() if name not in RESOURCES_IGNORED}
        for name in [name for name in given if name in RESOURCES_IGNORED]:
            yield self._said((*key, name), RESOURCES_IGNORED[name])
        for extra, name in _EXTRA.items():
            if isinstance(resources.get(extra), (int, float)) and isinstance(
                resources.get(name, 0), (int, float)
            ):
                resources[name] = resources.get(name, 0) + resources.pop(extra)
        self._keys["resources"] = resources

    def _env_of_config(self) -> None:
        config = self._keys.get("config")
        if isinstance(config, dict) and "env" in config:
            self._expect_absent("env", ("config", "env"))
            self._keys["config"] = {key: value for key, value in config.items() if key != "env"}
            self._keys["env"] = config["env"]
            self._moves[("config", "env")] = ("env",)

    def _environments(self) -> Iterator[str]:
        env = self._keys.get("env")
        options = env.get("grid_search") if isinstance(env, dict) and len(env) == 1 else None
        if (
            isinstance(options, list)
            and options
            and all(isinstance(option, str) for option in options)
        ):
            self._names = {f"{self.name}-{option}".replace("/", "-"): option for option in options}
            key = ("config", "env") if ("config", "env") in self._moves else ("env",)
            yield self._said(key, f"one experiment for each environment: {', '.join(self._names)}")

    def _samples(self) -> Iterator[str]:
        """`num_samples` counts how often the whole grid is tried; `num_trials` counts trials."""
        if "num_samples" not in self._keys:
            return
        old = next(
            (old for old, new in self._moves.items() if new == ("num_samples",)), ("num_samples",)
        )
        self._rename("num_samples", "num_trials")
        samples, combinations = self._keys["num_trials"], _grid_size(self._keys.get("config"))
        if combinations > 1 and isinstance(samples, int) and samples > 0:
            self._keys["num_trials"] = samples * combinations
            yield self._said(
                old,
                f"each of the grid's {combinations:,} combinations {samples:,} times:"
                f" {samples * combinations:,} trials",
            )


def _grid_size(node: Any) -> int:
    if isinstance(node, dict):
        options = node.get("grid_search")
        return (
            len(options) or 1
            if isinstance(options, list)
            else math.prod(map(_grid_size, node.values()))
        )
    return math.prod(map(_grid_size, node)) if isinstance(node, list) else 1


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


#: Keys of an experiment that are accepted and have no effect -> why.
EXPERIMENT_IGNORED: Mapping[str, str] = {
    "pass_criteria": "it is for RLlib's own tests; `stop` ends a trial",
    "frameworks": "belonged to TensorFlow; the networks run on PyTorch now",
    "local_dir": "the command line says where files go: `--local-dir`",
    "keep_checkpoints_num": "all checkpoints are kept",
    "checkpoint_score_attr": "all checkpoints are kept",
    **dict.fromkeys(("upload_dir", "sync_function", "sync_to_cloud", "sync_to_driver"), _NO_SYNC),
    **dict.fromkeys(
        ("loggers", "export_formats"), "results go to MLflow and TensorBoard in any case"
    ),
}


#: The same inside `resources`.
RESOURCES_IGNORED: Mapping[str, str] = dict.fromkeys(
    ("driver_cpu_limit", "driver_gpu_limit"),
    "the trial's own process has one CPU, its workers the rest",
)
