"""A Determined experiment file as a draft of ours. Pure.

Source: the experiment configuration reference of docs.determined.ai and its schemas.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tune_tasks.convert.determined_hyperparameters import (
    constant_of,
    is_hyperparameter,
    setting_of,
)
from tune_tasks.convert.determined_searcher import put_searcher
from tune_tasks.convert.draft import Draft, expect_free, expect_plain, experiment_name
from tune_tasks.convert.given import Given
from tune_tasks.errors import did_you_mean
from tune_tasks.model.paths import NodePath

_SCRIPT = "train.py"
_LAUNCHER = "determined.launch."
_MAX_RESTARTS = 5
_MOST_RESTARTS = 1_000
_TRAIN = (
    "it has to have train(config, status_reporter), which reports what the trial or the core"
    " context reported; hyperparameters are config"
)
_CONTAINER = "there are no containers: a trial runs in the Python and the variables of the command"
_INTERVALS = "the script decides when it reports, and when it validates"
_CHECKPOINTS = "see `checkpoint` and `storage` for what is kept, and where it goes"
_SCHEDULED = "Ray places the trials"
_WITHOUT_COUNTERPART = {
    "bind_mounts": _CONTAINER,
    "checkpoint_policy": _CHECKPOINTS,
    "checkpoint_storage": _CHECKPOINTS,
    "data_layer": "it has had no effect in Determined either",
    "debug": "the trial's log has all that it prints",
    "environment": _CONTAINER,
    "integrations": "there are none",
    "internal": "it is Determined's own",
    "labels": "MLflow's tags can be set there",
    "log_policies": "see `retry`, which goes by a trial's error",
    "min_checkpoint_period": _CHECKPOINTS,
    "min_validation_period": _INTERVALS,
    "optimizations": "the script does what they did",
    "pbs": _SCHEDULED,
    "perform_initial_validation": _INTERVALS,
    "preemption_timeout": "see `stop_grace_s`, which is for stops",
    "profiling": "the script does it",
    "project": "MLflow's experiment has the name of the experiment here",
    "records_per_epoch": _INTERVALS,
    "retention_policy": "files stay until you delete them",
    "scheduling_unit": _INTERVALS,
    "security": "it is the server's",
    "slurm": _SCHEDULED,
    "tensorboard_storage": "TensorBoard's files are in the trials' folders",
    "workspace": "MLflow's experiment has the name of the experiment here",
}
_OTHER_RESOURCES = {
    "shm_size": _CONTAINER,
    "devices": _CONTAINER,
    "slots": "it has had no effect in Determined either",
}


def draft_of_experiment(given: Given, file: str) -> Draft:
    """The draft of an experiment.

    Args:
        given: The whole file.
        file: Its name.

    Raises:
        SpecError: If it is not a Determined experiment.
    """
    draft = Draft(experiment_name(given.text("name"), file))
    description = given.text("description")
    if description:
        draft.head.append(description)
    searcher = given.below("searcher")
    if searcher is None:
        given.expect("searcher")
        return draft
    slots, most = _slots(given, draft)
    put_searcher(searcher, draft, slots=slots, most_slots=most)
    _put_seed(given, draft)
    _put_restarts(given, draft)
    draft.keys["config"] = _config(given, draft, is_grid=searcher.take("name") == "grid")
    for key in given.rest():
        hint = did_you_mean(key, [*_WITHOUT_COUNTERPART, "hyperparameters", "resources"])
        unknown = f"it is no key of a Determined experiment{hint}"
        draft.left_out(given, key, _WITHOUT_COUNTERPART.get(key, unknown))
    return draft


# ── config ─────


def _config(given: Given, draft: Draft, *, is_grid: bool) -> dict[str, Any]:
    config: dict[str, Any] = {"script_file_path": _script(given, draft)}
    hyperparameters = given.below("hyperparameters")
    if hyperparameters is not None:
        expect_free(hyperparameters, config)
        config |= _settings(hyperparameters, draft, ("config",), is_grid=is_grid)
    if given.take("data"):
        if "data" in config:
            raise given.error("'data' is a hyperparameter, too; rename it", "data", of_key=True)
        config["data"] = constant_of(given, "data")
        draft.note(("config", "data"), "it was the experiment's `data`, beside hyperparameters")
    return config


def _settings(given: Given, draft: Draft, path: NodePath, *, is_grid: bool) -> dict[str, Any]:
    """The settings of a mapping of hyperparameters."""
    settings = {}
    for name in given:
        value = given.take(name)
        below = given.below(name) if isinstance(value, dict) else None
        if below is None:
            settings[name] = constant_of(given, name)
        elif is_hyperparameter(value):
            setting = setting_of(below, is_grid=is_grid)
            settings[name] = setting.value
            draft.note((*path, name), *setting.notes)
        else:
            settings[name] = _settings(below, draft, (*path, name), is_grid=is_grid)
    expect_plain(given, settings)
    return settings


def _script(given: Given, draft: Draft) -> str:
    entrypoint = given.take("entrypoint")
    if entrypoint is not None and not isinstance(entrypoint, (str, list)):
        raise given.error("expected a text or a list of texts", "entrypoint")
    words = entrypoint.split() if isinstance(entrypoint, str) else list(map(str, entrypoint or ()))
    script, rest = _script_in(words)
    notes = list(_about_script(words, script, rest))
    draft.note(("config", "script_file_path"), *notes)
    return script or _SCRIPT


def _script_in(words: list[str]) -> tuple[str | None, list[str]]:
    """The script that an entrypoint runs, and its arguments."""
    for i, word in enumerate(words):
        if word.endswith(".py"):
            return word, words[i + 1 :]
        module, separator, trial = word.partition(":")
        if separator and module.replace(".", "").isidentifier() and trial:
            return f"{module.replace('.', '/')}.py", words[i + 1 :]
    return None, []


def _about_script(words: list[str], script: str | None, rest: list[str]) -> Iterator[str]:
    if script is None:
        what = f"entrypoint {' '.join(words)}" if words else "the file has no entrypoint"
        yield f"{what}: write your script"
    elif not any(word.endswith(".py") for word in words):
        yield f"entrypoint {' '.join(words)}"
    yield _TRAIN
    if rest:
        yield f"{' '.join(rest)} is not given to it; what it needs of that goes into config"
    launcher = next((word for word in words if word.startswith(_LAUNCHER)), None)
    if launcher:
        yield f"{launcher} started processes on several GPUs: the script starts its own"


# ── The keys beside it ─────


def _slots(given: Given, draft: Draft) -> tuple[int, int | None]:
    """The slots of a trial, and the most of all trials."""
    resources = given.below("resources")
    slots = resources.whole("slots_per_trial") if resources else None
    if slots is None:
        draft.head.append("a trial had one slot; if that was a GPU, add resources: {gpu: 1}")
    else:
        note = "a slot is taken for a GPU; if it was a CPU, write {cpu: …}"
        draft.put("resources", {"gpu": slots}, note)
    if resources is None:
        return 1, None
    most = resources.whole("max_slots", least=1)
    for key in resources.rest():
        draft.left_out(resources, key, _OTHER_RESOURCES.get(key, _SCHEDULED))
    return slots or 1, most


def _put_seed(given: Given, draft: Draft) -> None:
    reproducibility = given.below("reproducibility")
    if reproducibility is None:
        return
    seed = reproducibility.whole("experiment_seed")
    if seed is not None:
        draft.put("seed", seed, "with the same seed other values are drawn than in Determined")
    for key in reproducibility.rest():
        draft.left_out(reproducibility, key, "it has no counterpart")


def _put_restarts(given: Given, draft: Draft) -> None:
    restarts = given.whole("max_restarts")
    if restarts is None:
        draft.put("max_failures", _MAX_RESTARTS, "it is Determined's default")
        return
    draft.put("max_failures", min(restarts, _MOST_RESTARTS))
    if restarts > _MOST_RESTARTS:
        draft.note(("max_failures",), f"max_restarts was {restarts}, which is more than it takes")
