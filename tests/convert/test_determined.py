"""Experiment files of Determined, from its documentation and its examples."""

import math
from itertools import pairwise

import pytest

from tests.convert.distributions import POSITIONS, distance, quantiles
from tests.convert.reading import comments, config, convert, experiment
from tune_tasks.errors import SpecError

# docs.determined.ai, experiment configuration reference
REFERENCE = """
name: reference
hyperparameters:
  global_batch_size: 64
  optimizer_config:
    optimizer:
      type: categorical
      vals:
        - SGD
        - Adam
        - RMSprop
    learning_rate:
      type: log
      minval: -5.0
      maxval: 1.0
      base: 10.0
  num_layers:
    type: int
    minval: 1
    maxval: 3
  layer1_dropout:
    type: double
    minval: 0.2
    maxval: 0.5
searcher:
  name: random
  metric: accuracy
  max_trials: 5
"""
# github.com/determined-ai/determined, examples/computer_vision/iris_tf_keras/adaptive.yaml
ADAPTIVE = """
name: iris_tf_keras_adaptive_search
environment:
  image:
    cpu: determinedai/tensorflow-ngc-dev:0736b6d
hyperparameters:
  learning_rate:
    type: log
    minval: -5.0
    maxval: 1.0
    base: 10.0
  learning_rate_decay: 1.0e-6
  layer1_dense_size:
    type: int
    minval: 4
    maxval: 32
searcher:
  name: adaptive_asha
  metric: categorical_accuracy
  smaller_is_better: false
  time_metric: batches
  max_time: 6400
  max_trials: 512
entrypoint: >-
  python3 -m determined.launch.tensorflow --
  python3 train.py
"""
# examples/deepspeed/gpt_neox/hp_search.yaml, shortened
GRID = """
name: gpt-neox-zero-hp-search
debug: false
hyperparameters:
  search_world_size: true
  conf_file:
      - 2-7B.yml
      - determined_cluster.yml
  overwrite_values:
    fp16:
      loss_scale: 2
    pipe_parallel_size:
      type:  categorical
      vals:
        - 1
        - 2
        - 4
  wandb_group: null
environment:
    environment_variables:
        - HF_AUTH_TOKEN=very-secret
resources:
  slots_per_trial: 16
  shm_size: 1G
searcher:
  name: grid
  metric: tflops
  smaller_is_better: false
  max_length:
    batches: 100
  max_concurrent_trials: 4
min_validation_period:
    batches: 10
checkpoint_policy: none
max_restarts: 2
entrypoint:
  - python3
  - -m
  - determined.launch.deepspeed
  - --trial
  - gpt2_trial:GPT2Trial
"""


def small(
    searcher="{name: random, metric: loss, max_trials: 4}", rest="", a="{type: const, val: 1}"
):
    return f"searcher: {searcher}\nhyperparameters:\n  a: {a}\n{rest}"


def test_the_example_of_the_reference():
    assert config(REFERENCE) == {
        "global_batch_size": 64,
        "optimizer_config": {
            "optimizer": {"choice": ["SGD", "Adam", "RMSprop"]},
            "learning_rate": {"loguniform": [1e-5, 10.0]},
        },
        "num_layers": {"int": [1, 3]},
        "layer1_dropout": {"uniform": [0.2, 0.5]},
    }
    made = experiment(REFERENCE)
    del made["config"]
    assert made == {
        "metric": "accuracy",
        "mode": "min",
        "num_trials": 5,
        "search": "random",
        "max_concurrent_trials": 16,
        "max_failures": 5,
    }
    assert "log [-5.0, 1.0] are exponents of 10.0" in comments(REFERENCE)


def test_the_whole_text():
    assert convert(ADAPTIVE, "adaptive.yaml") == (
        """\
# Converted from a Determined experiment, adaptive.yaml
# a trial had one slot; if that was a GPU, add resources: {gpu: 1}
# environment (line 3): there are no containers: a trial runs in the Python and the variables of the
#   command
iris_tf_keras_adaptive_search:
    metric: categorical_accuracy
    mode: max
    num_trials: 512
    search: random
    # it is Determined's default
    max_concurrent_trials: 16
    # the script has to report 'batches' in info; training_iteration counts its reports
    stop: {batches: 6400}
    # there were brackets with 3, 4, 5 rungs; asha is the one with 5, and hyperband would be all with 1
    #   to 5
    scheduler: {asha: {time_attr: batches, grace_period: 25, reduction_factor: 4, max_t: 6400}}
    # it is Determined's default
    max_failures: 5
    config:
        # it has to have train(config, status_reporter), which reports what the trial or the core context
        #   reported; hyperparameters are config
        # determined.launch.tensorflow started processes on several GPUs: the script starts its own
        script_file_path: train.py
        # log [-5.0, 1.0] are exponents of 10.0
        learning_rate: {loguniform: [1.0e-05, 10.0]}
        learning_rate_decay: 1.0e-06
        layer1_dense_size: {int: [4, 32]}
"""
    )


def test_a_grid_its_resources_and_its_secrets():
    assert config(GRID) == {
        "search_world_size": True,
        "conf_file": ["2-7B.yml", "determined_cluster.yml"],
        "overwrite_values": {
            "fp16": {"loss_scale": 2},
            "pipe_parallel_size": {"grid_search": [1, 2, 4]},
        },
        "wandb_group": None,
    }
    made = experiment(GRID)
    assert made["config"]["script_file_path"] == "gpt2_trial.py"
    del made["config"]
    assert made == {
        "resources": {"gpu": 16},
        "metric": "tflops",
        "mode": "max",
        "max_concurrent_trials": 4,
        "stop": {"batches": 100},
        "max_failures": 2,
    }
    said = comments(GRID)
    named = (
        "debug",
        "environment",
        "min_validation_period",
        "checkpoint_policy",
        "resources.shm_size",
    )
    for key in named:
        assert any(each.startswith(f"{key} (line ") for each in said), key
    assert "very-secret" not in convert(GRID)


@pytest.mark.parametrize(
    ("given", "domain", "theirs"),
    [
        (
            "{type: int, minval: 8, maxval: 64}",
            {"int": [8, 64]},
            [8 + int(u * 57) for u in POSITIONS],
        ),
        (
            "{type: double, minval: .2, maxval: .8}",
            {"uniform": [0.2, 0.8]},
            [0.2 + u * 0.6 for u in POSITIONS],
        ),
        (
            "{type: log, base: 10, minval: -10, maxval: -7}",
            {"loguniform": [1e-10, 1e-7]},
            [10 ** (-10 + u * 3) for u in POSITIONS],
        ),
        (
            "{type: log, base: 2, minval: -0.5, maxval: 3.5}",
            {"loguniform": [0.707106781187, 11.313708499]},
            [2 ** (-0.5 + u * 4) for u in POSITIONS],
        ),
        (
            "{type: log, base: 0.5, minval: 1, maxval: 3}",
            {"loguniform": [0.125, 0.5]},
            [0.5 ** (1 + u * 2) for u in POSITIONS],
        ),
        (
            "{type: categorical, vals: [16, 32, 64]}",
            {"choice": [16, 32, 64]},
            [[16, 32, 64][int(u * 3)] for u in POSITIONS],
        ),
    ],
)
def test_the_same_values_are_as_likely(given, domain, theirs):
    made = config(small(a=given))["a"]
    assert made == domain
    assert distance(quantiles(made), theirs) < 0.01


@pytest.mark.parametrize(
    ("given", "points"),
    [
        # docs.determined.ai, "Grid Method"
        ("{type: int, minval: 0, maxval: 2, count: 3}", [0, 1, 2]),
        ("{type: int, minval: 0, maxval: 2, count: 100}", [0, 1, 2]),
        ("{type: double, minval: 0.1, maxval: 0.5, count: 3}", [0.1, 0.3, 0.5]),
        ("{type: log, base: 10, minval: -5, maxval: -3, count: 3}", [1e-5, 1e-4, 1e-3]),
        ("{type: categorical, vals: [10, 20]}", [10, 20]),
        ("{type: int, minval: 2, maxval: 5, count: 1}", [4]),
        ("{type: double, minval: 1, maxval: 2, count: 1}", [1.5]),
        ("{type: log, base: 10, minval: -4, maxval: -2, count: 1}", [1e-3]),
        ("{type: int, minval: 14748367, maxval: 214748367, count: 2}", [14748367, 214748367]),
    ],
)
def test_the_points_of_a_grid(given, points):
    text = small("{name: grid, metric: loss}", a=given)
    assert config(text)["a"] == {"grid_search": points}


def test_constants_and_what_only_looks_like_a_type():
    assert config(small(a="{type: const, val: [c]}"))["a"] == ["c"]
    assert config(small("{name: grid, metric: x}", a="{type: const, val: c}"))["a"] == "c"
    assert config(small(a="{b: {}, d: [{type: 3}]}"))["a"] == {"b": {}, "d": [{"type": 3}]}


@pytest.mark.parametrize(
    ("searcher", "scheduler"),
    [
        (
            "{name: adaptive_asha, mode: aggressive, max_trials: 64, max_rungs: 2, max_length: 100}",
            {"asha": ("training_iteration", 25, 4, 100)},
        ),
        (
            "{name: adaptive_asha, mode: conservative, max_trials: 99, max_length: {epochs: 81}, divisor: 3}",
            {"hyperband": ("epochs", 1, 3, 81)},
        ),
        (
            "{name: adaptive_asha, max_trials: 99, bracket_rungs: [2], max_length: {records: 800}}",
            {"asha": ("records", 200, 4, 800)},
        ),
        (
            "{name: async_halving, num_rungs: 3, max_trials: 9, max_time: 64, time_metric: batches}",
            {"asha": ("batches", 4, 4, 64)},
        ),
        ("{name: adaptive_asha, max_trials: 3, max_length: 100}", None),
        ("{name: single, max_length: {batches: 937}}", None),
    ],
)
def test_rungs(searcher, scheduler):
    text = small(searcher.replace("{name", "{metric: loss, name", 1))
    keys = ("time_attr", "grace_period", "reduction_factor", "max_t")
    wanted = scheduler and {
        kind: dict(zip(keys, values, strict=True)) for kind, values in scheduler.items()
    }
    assert experiment(text).get("scheduler") == wanted
    assert config(text) == {"a": 1}


def test_rungs_that_differ_are_said():
    # examples/hf_trainer_api/hf_image_classification/adaptive.yaml
    text = small(
        "{name: adaptive_asha, time_metric: batches, max_time: 100, max_trials: 64, max_rungs: 4,"
        " divisor: 4, metric: eval_loss}"
    )
    said = comments(text)
    assert "the rungs were at [1, 6, 25], and are at [1, 4, 16, 64] here" in said
    single = small("{name: adaptive_asha, max_trials: 3, max_length: 100, metric: x}")
    assert "with a single rung no trial was stopped early" in comments(single)


@pytest.mark.parametrize(
    ("searcher", "resources", "most"),
    [
        ("max_concurrent_trials: 0", "{}", None),
        ("max_concurrent_trials: 3", "{}", 3),
        ("max_concurrent_trials: 3", "{slots_per_trial: 2, max_slots: 4}", 2),
        ("max_concurrent_trials: 0", "{max_slots: 4}", 4),
        ("max_concurrent_trials: 1", "{max_slots: 4}", 1),
    ],
)
def test_how_many_run_at_once(searcher, resources, most):
    given = f"{{name: random, metric: loss, max_trials: 4, {searcher}}}"
    made = experiment(small(given, f"resources: {resources}\n"))
    assert made.get("max_concurrent_trials") == most


def test_what_else_has_a_counterpart():
    text = small(
        rest=(
            "max_restarts: 9000\ndata: {url: http://x}\nreproducibility: {experiment_seed: 7}\n"
            "description: why\n"
        )
    )
    made = experiment(text)
    assert (made["max_failures"], made["seed"]) == (1000, 7)
    assert config(text) == {"a": 1, "data": {"url": "http://x"}}
    assert "why" in comments(text)


def test_a_custom_searcher():
    text = small(
        "{name: custom, metric: loss, unit: batches}", a="{type: int, minval: 1, maxval: 2}"
    )
    assert config(text) == {"a": {"int": [1, 2]}}
    assert "searcher custom: what its Python chose has no counterpart" in comments(text)
    assert "custom did not say how many" in comments(text)


@pytest.mark.parametrize(
    ("entrypoint", "script", "said"),
    [
        # docs.determined.ai, experiment configuration reference: the formats of an entrypoint
        ("model_def:CIFAR10Trial", "model_def.py", "entrypoint model_def:CIFAR10Trial"),
        (
            "determined_lib.trial:trial_classes.NestedTrial",
            "determined_lib/trial.py",
            "entrypoint determined_lib.trial:trial_classes.NestedTrial",
        ),
        ("./hello.sh args...", "train.py", "entrypoint ./hello.sh args...: write your script"),
        (
            "python3 -m determined.launch.torch_distributed train.py --epochs 1",
            "train.py",
            "--epochs 1 is not given to it; what it needs of that goes into config",
        ),
        ("null", "train.py", "the file has no entrypoint: write your script"),
    ],
)
def test_the_entrypoint(entrypoint, script, said):
    text = small(rest=f"entrypoint: {entrypoint}\n")
    assert experiment(text)["config"]["script_file_path"] == script
    assert said in comments(text)


def test_what_has_no_counterpart_is_said():
    text = small(
        "{name: random, metric: loss, max_trials: 4, source_trial_id: 3, divisor: 4}",
        "checkpoint_storage: {type: s3, secret_key: hidden}\nlabel: [x]\nworkspace: w\n",
        "{type: int, minval: 1, maxval: 3, count: 2}",
    )
    said = comments(text)
    assert "hyperparameters.a.count (line 3) is left out: it is for the searcher grid" in said
    assert "label (line 5): it is no key of a Determined experiment; did you mean 'labels'?" in said
    assert any(each.startswith("searcher.source_trial_id (line 1): ") for each in said)
    assert "searcher.divisor (line 1): it says nothing about random" in said
    assert "hidden" not in convert(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hyperparameters: {a: 1}", "1:1: file: lacks the key 'searcher'"),
        ("searcher: {metric: x}", "1:11: searcher: lacks the key 'name'"),
        (
            "searcher: {name: randon, metric: x}",
            (
                "1:18: searcher.name: expected one of single, random, grid, adaptive_asha, adaptive,"
                " adaptive_simple, async_halving, sync_halving, custom; got 'randon'; did you mean"
                " 'random'?"
            ),
        ),
        ("searcher: {name: random, max_trials: 3}", "1:11: searcher: lacks the key 'metric'"),
        ("searcher: {name: random, metric: x}", "1:11: searcher: lacks the key 'max_trials'"),
        (
            "searcher: {name: adaptive_asha, metric: x, max_trials: 3}",
            "1:11: searcher: lacks max_time with time_metric, or max_length",
        ),
        (
            "searcher: {name: single, metric: x, max_length: {weeks: 3}}",
            "1:49: searcher.max_length: expected one of batches, records, epochs, and a number",
        ),
        (
            small(a="{type: dbl, minval: 1, maxval: 2}"),
            (
                "3:13: hyperparameters.a.type: expected one of const, categorical, int, double, log;"
                " got 'dbl'; did you mean 'double'?"
            ),
        ),
        (
            small(a="{type: log, minval: -3, maxval: 1}"),
            "3:6: hyperparameters.a: lacks the key 'base'",
        ),
        (
            small(a="{type: log, minval: -3, maxval: 999, base: 10}"),
            "3:38: hyperparameters.a.maxval: log takes exponents: 10 to the power of 999 is no number above 0",
        ),
        (
            small(a="{type: double, minval: 3, maxval: 1}"),
            "3:29: hyperparameters.a.minval: minval 3 is above maxval 1",
        ),
        (
            small("{name: grid, metric: x}", a="{type: double, minval: 0, maxval: 1}"),
            "3:6: hyperparameters.a: lacks the key 'count'",
        ),
        (
            small(a="{type: int, minval: 0.5, maxval: 1}"),
            "3:26: hyperparameters.a.minval: int takes whole numbers, got 0.5",
        ),
        (small(a="{type: const}"), "3:6: hyperparameters.a: lacks the key 'val'"),
        (
            small(a="{grid_search: [1, 2]}"),
            (
                "3:6: hyperparameters.a: a mapping with 'grid_search' would be searched here; rename"
                " it"
            ),
        ),
        (
            small(a="[{choice: [1, 2]}]"),
            (
                "3:6: hyperparameters.a: a value that holds a mapping such as {choice: [...]} would"
                " be searched here"
            ),
        ),
        (
            small(a="{type: log, minval: 0, maxval: 1, base: 0}"),
            "3:46: hyperparameters.a.base: expected a number above 0, got 0",
        ),
        (
            small(rest="  data: 1\ndata: {a: 1}\n"),
            "5:1: data: 'data' is a hyperparameter, too; rename it",
        ),
        (
            small("{name: adaptive_asha, metric: x, max_trials: 3, max_length: 9, divisor: 1}"),
            "1:83: searcher.divisor: expected a number above 1, got 1",
        ),
        (
            small(
                "{name: adaptive_asha, metric: x, max_trials: 3, max_length: 9, bracket_rungs: [a]}"
            ),
            "1:89: searcher.bracket_rungs: expected a list of whole numbers from 1 on",
        ),
        (
            small(rest="entrypoint: 3\n"),
            "4:13: entrypoint: expected a text or a list of texts",
        ),
        (
            small(rest="  script_file_path: x\n"),
            "4:3: hyperparameters.script_file_path: it is a key of ours in config; rename it",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(text, message):
    with pytest.raises(SpecError) as caught:
        convert(text)
    assert str(caught.value) == f"sweep.yaml:{message}"


def test_log_and_its_grid_agree():
    text = small(
        "{name: grid, metric: x}", a="{type: log, base: 10, minval: -4, maxval: -1, count: 7}"
    )
    points = config(text)["a"]["grid_search"]
    steps = [math.log10(high) - math.log10(low) for low, high in pairwise(points)]
    assert steps == pytest.approx([0.5] * 6)
