"""The best trial as a spec that runs it again."""

from dataclasses import replace

import pytest

from tune_tasks.commands.best_spec import best_checkpoint, best_json, experiment_of, spec_of
from tune_tasks.model.checkpoint import CheckpointRef
from tune_tasks.model.checkpoint_folder import new_aside, note_restored_from, put_in_place
from tune_tasks.model.checkpoint_manifest import MANIFEST, Manifest, seal
from tune_tasks.model.files import AttemptPaths, attempt_folder
from tune_tasks.model.objective import Objective
from tune_tasks.spec.reading import parse_source
from tune_tasks.spec.yaml_1_2 import dump_yaml
from tune_tasks.tracking.mlflow_store import FrontTrial, StoredTrial

SPEC = """
exp:
  env: digits
  num_trials: 8
  search: qmc
  try_first: [{lr: 0.5}]
  warm_start: {use: configs}
  stop: {mean_loss: "<= 0.1"}
  config: {script_file_path: train.py, lr: {eval: "random.random()"}}
other: {config: {}}
"""


def stored(script="", path="train.py"):
    config = {"script_file_path": path, "lr": 0.25}
    return StoredTrial(
        "exp",
        Objective.of("mean_loss"),
        0.1,
        "run",
        config,
        SPEC,
        {"mlflow.source.name": str(script)},
    )


def test_the_config_takes_the_place_of_the_search_space(tmp_path):
    (tmp_path / "train.py").touch()
    assert experiment_of(stored(), tmp_path) == {
        "env": "digits",
        "stop": {"mean_loss": "<= 0.1"},
        "config": {"script_file_path": "train.py", "lr": 0.25},
    }


def test_a_name_with_line_breaks_stays_in_its_comment(tmp_path):
    tags = {
        "tune_tasks.trial": "script_0_text=a\nb: c",
        "tune_tasks.sweep": "s",
        "tune_tasks.index": "0",
        "tune_tasks.seed": "1",
    }
    trial = replace(stored("/train.py"), tags={**tags, "mlflow.source.name": "/train.py"})
    text = spec_of(trial, tmp_path)
    assert text.startswith("# script_0_text=a b: c: mean_loss 0.1 (min)\n")
    assert parse_source(text, "best.yaml").data == {"exp": experiment_of(trial, tmp_path)}


def test_sweeps_that_were_left_out_are_said(tmp_path):
    tags = dict.fromkeys(("trial", "sweep", "index", "seed"), "0")
    tags = {f"tune_tasks.{name}": value for name, value in tags.items()}
    text = spec_of(replace(stored("/train.py"), tags=tags, sweeps=3, unlike=1), tmp_path)
    assert (
        "# 1 of 3 sweeps left out: they went by another metric than mean_loss, or had no best"
        " trial; `--all --metric mean_loss` looks at their trials, too\n" in text
    )


@pytest.fixture
def best(tmp_path):
    """The best trial, of which attempt 2 went on from attempt 1: with checkpoints of both."""
    losses = {1: [0.5, 0.1], 2: [0.3]}
    number = 0
    for attempt, each in losses.items():
        paths = AttemptPaths(attempt_folder(tmp_path, attempt))
        for loss in each:
            number += 1
            aside = new_aside(paths.checkpoints, number)
            seal(aside, Manifest(number, number, 1.0, number, 0, {"mean_loss": loss}))
            put_in_place(aside, paths.checkpoints, number)
    note_restored_from(paths, CheckpointRef(1, 2, 2))
    tags = {"tune_tasks.logdir": str(paths.folder), "tune_tasks.attempt": "2"}
    return replace(stored(), tags=tags)


def test_its_best_checkpoint_is_named_whichever_attempt_has_written_it(best, tmp_path):
    assert best_checkpoint(best) == tmp_path / "checkpoints" / "000002"
    (tmp_path / "checkpoints" / "000002" / MANIFEST).write_text("torn")
    assert best_checkpoint(best) == tmp_path / "attempt_2" / "checkpoints" / "000003"
    elsewhere = {"tune_tasks.logdir": "/not/on/this/machine", "tune_tasks.attempt": "2"}
    assert best_checkpoint(replace(best, tags=elsewhere)) is None


def test_its_best_checkpoint_is_in_the_storage_if_there_is_one(best, tmp_path):
    address = f"file://{tmp_path}/attempt_2"
    tags = {**best.tags, "tune_tasks.storage": address}
    named = best_checkpoint(replace(best, tags=tags))
    assert named == f"file://{tmp_path}/checkpoints/000002"
    tags["tune_tasks.storage"] = "oci://a storage that cannot be asked here/attempt_2"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("tune_tasks.trial.depot.DEPOT_AWAY_S", -1.0)
        named = best_checkpoint(replace(best, tags=tags))
    assert named == f"{tags['tune_tasks.storage']}/checkpoints"


@pytest.mark.parametrize(
    ("script", "written", "named"),
    [
        ("specs/train.py", "train.py", "specs/train.py"),  # it was found beside the spec
        ("train.py", "train.py", "train.py"),
        ("/elsewhere/train.py", "train.py", "/elsewhere/train.py"),
        ("", "package.module:train", "package.module:train"),
    ],
)
def test_the_script_is_found_from_the_working_directory(tmp_path, script, written, named):
    if script == written:
        (tmp_path / written).touch()
    trial = stored(tmp_path / script if script else "python", written)
    assert experiment_of(trial, tmp_path)["config"]["script_file_path"] == named


def test_yaml_reads_back_as_it_was():
    data = {
        "a": [
            "1e-4",
            "on",
            "no",
            "010",
            "0o17",
            "1_000",
            ".5",
            "5.",
            "~",
            "",
            "null",
            "<<",
            "2026-01-01",
            "x: y",
            "µ\n",
        ]
    }
    data |= {"b": [1e-4, 1e22, -0.0, 10, True, None, {}, [], {"1": 2}]}
    assert parse_source(dump_yaml(data), "spec.yaml").data == data


def test_a_secret_is_to_be_written(tmp_path):
    tags = {
        "tune_tasks.trial": "t",
        "tune_tasks.sweep": "s",
        "tune_tasks.index": "0",
        "tune_tasks.seed": "1",
    }
    config = {"script_file_path": "m:f", "api_key": "***", "db": {"url": "a://me:***@b"}}
    text = spec_of(replace(stored(), config=config, tags=tags), tmp_path)
    assert (
        "\n# Secrets are not stored: write yours in place of *** in config.api_key, config.db.url\n"
        in text
    )


POPULATION = """
exp:
  num_trials: 8
  metric: mean_loss
  scheduler: [plateau, {pbt: {interval: 3}}]
  config: {script_file_path: train.py, lr: {uniform: [0, 1]}}
"""


def test_a_member_of_a_population_is_alone_in_its_spec(tmp_path):
    tags = dict.fromkeys(("trial", "sweep", "index", "seed"), "0")
    tags = {f"tune_tasks.{name}": value for name, value in tags.items()}
    trial = replace(stored("/train.py"), spec_text=POPULATION, tags=tags)
    assert "scheduler" not in experiment_of(trial, tmp_path)
    assert "How that changed is not in this spec" in spec_of(trial, tmp_path)


def of_two(tmp_path):
    tags = {
        "tune_tasks.trial": "script_4",
        "tune_tasks.sweep": "s",
        "tune_tasks.index": "4",
        "tune_tasks.seed": "1",
        "mlflow.source.name": "/train.py",
    }
    front = [
        FrontTrial("s", 4, "script_4", "run", {"mean_loss": 0.1, "ms": 3.0}),
        FrontTrial("s", 7, "script_7", "other", {"mean_loss": 0.2, "ms": 1.0}),
    ]
    return replace(stored(), tags=tags, others=(Objective("ms", "min"),), front=front)


def test_the_knee_of_several_objectives_comes_with_the_front(tmp_path):
    text = spec_of(of_two(tmp_path), tmp_path)
    first, *comments = [line for line in text.splitlines() if line.startswith("#")]
    assert first == "# script_4: mean_loss 0.1 (min), ms 3 (min), the knee of the front"
    assert comments[2:5] == [
        "# The front, 2 trials:",
        "# script_4: mean_loss 0.1, ms 3 (trial 4 of s)",
        "# script_7: mean_loss 0.2, ms 1 (trial 7 of s)",
    ]
    shown = best_json(of_two(tmp_path), tmp_path)
    assert (shown["index"], shown["objectives"]) == (4, {"mean_loss": "min", "ms": "min"})
    assert [each["index"] for each in shown["front"]] == [4, 7]
    assert shown["spec"]["config"]["lr"] == 0.25


def test_one_trial_has_no_use_for_a_search(tmp_path):
    spec = SPEC.replace("num_trials: 8", "budget: {time: 6h}\n  scheduler: asha")
    assert experiment_of(replace(stored(), spec_text=spec), tmp_path).keys() == {
        "env",
        "stop",
        "config",
    }
