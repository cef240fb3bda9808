"""Sweep files of W&B, from its documentation and its examples."""

import pytest

from tests.convert.reading import comments, config, convert, experiment
from tune_tasks.errors import SpecError

# docs.wandb.ai, "Define a sweep configuration"
DEFINED = """
program: train.py
name: sweepdemo
method: bayes
metric:
  goal: minimize
  name: validation_loss
parameters:
  learning_rate:
    min: 0.0001
    max: 0.1
  batch_size:
    values: [16, 32, 64]
  epochs:
    values: [5, 10, 15]
  optimizer:
    values: ["adam", "sgd"]
"""
# github.com/wandb/sweeps, examples/local-controller/sweep-local-hyperband.yaml
HYPERBAND = """
description: sweep examples using local controller and hyperband
program: train-local.py
project: sweeps-examples
method: grid
controller:
  type: local
metric:
  name: loss_metric
  goal: minimize
early_terminate:
  type: hyperband
  max_iter: 10
  s: 2
  eta: 3
parameters:
  epochs:
    value: 20
  variance:
    value: 5
  base:
    values: [10,15,20]
  direction:
    values: [-1,0.1,1]
"""
# github.com/wandb/sweeps, examples/nested-params/sweep-nested-cli.yaml
NESTED = """
program: train-nested-cli.py
method: grid
metric: {name: loss, goal: minimize}
parameters:
  batch_size:
    values: [32, 64]
  optimizer:
    parameters:
      lr:
        values: [0.001, 0.0001]
      nadam:
        parameters:
          beta:
            values: [0.9, 0.95]
"""
SMALL = "method: random\nrun_cap: 5\nparameters: {lr: {min: 0.0, max: 1}}\n"


def test_a_sweep_of_the_documentation():
    assert config(DEFINED) == {
        "learning_rate": {"uniform": [0.0001, 0.1]},
        "batch_size": {"choice": [16, 32, 64]},
        "epochs": {"choice": [5, 10, 15]},
        "optimizer": {"choice": ["adam", "sgd"]},
    }
    made = experiment(DEFINED)
    assert made.pop("config")["script_file_path"] == "train.py"
    assert made == {
        "metric": "validation_loss",
        "mode": "min",
        "num_trials": 100,
        "search": "auto",
    }
    assert convert(DEFINED).splitlines()[1] == "sweepdemo:"


def test_the_whole_text():
    assert convert(HYPERBAND, "local.yaml") == (
        """\
# Converted from a W&B sweep, local.yaml
# sweep examples using local controller and hyperband
# project (line 4): MLflow's experiment has the name of the experiment here
# controller (line 6): the search runs in the sweep itself
local:
    metric: loss_metric
    mode: min
    # W&B's hyperband is one bracket, as asha is
    # the rungs were at [1, 3], and are at [1, 3, 9] here
    # W&B goes by a run's best value so far, asha by its value at the rung
    scheduler:
        asha: {time_attr: training_iteration, grace_period: 1, reduction_factor: 3, max_t: 10}
    config:
        # it has to have train(config, status_reporter): wandb.config and the command line are not filled,
        #   and what wandb.log() got is reported by status_reporter
        script_file_path: train-local.py
        epochs: 20
        variance: 5
        base: {grid_search: [10, 15, 20]}
        direction: {grid_search: [-1, 0.1, 1]}
"""
    )


def test_nested_parameters_are_a_grid_in_theirs():
    assert config(NESTED) == {
        "batch_size": {"grid_search": [32, 64]},
        "optimizer": {
            "lr": {"grid_search": [0.001, 0.0001]},
            "nadam": {"beta": {"grid_search": [0.9, 0.95]}},
        },
    }
    assert "num_trials" not in experiment(NESTED)


@pytest.mark.parametrize(
    ("rule", "asha"),
    [
        # docs.wandb.ai, "Sweep configuration options": rungs [3, 9, 27, 81], and [9, 3]
        ("{type: hyperband, min_iter: 3}", (3, 3, 2187)),
        ("{type: hyperband, max_iter: 27, s: 2}", (3, 3, 27)),
        ("{type: hyperband, max_iter: 100, s: 3, eta: 2, strict: true}", (12, 2, 100)),
        ("{type: hyperband, min_iter: 100, eta: 1.5}", (100, 1.5, 1142)),
    ],
)
def test_hyperband_is_asha(rule, asha):
    made = experiment(f"{SMALL}metric: {{name: loss}}\nearly_terminate: {rule}\n")
    grace, factor, last = asha
    assert made["scheduler"] == {
        "asha": {
            "time_attr": "training_iteration",
            "grace_period": grace,
            "reduction_factor": factor,
            "max_t": last,
        }
    }


def test_what_hyperband_changes_is_said():
    text = f"{SMALL}metric: {{name: loss}}\nearly_terminate: {{type: hyperband, min_iter: 3"
    by_best = "W&B goes by a run's best value so far, asha by its value at the rung"
    assert by_best in comments(text + "}")
    strict = comments(text + ", strict: true, s: 2}")
    assert by_best not in strict
    assert "early_terminate.strict (line 5): asha always goes by the value at the rung" in strict
    assert "early_terminate.s (line 5) is left out, as W&B does beside min_iter" in strict
    assert any("so max_t is made up" in line for line in strict)
    assert "early_terminate.foo (line 5) is left out" in comments(text + ", foo: 1}")
    other = f"{SMALL}metric: {{name: loss}}\nearly_terminate: {{type: envelope}}"
    assert "scheduler" not in experiment(other)
    assert "early_terminate (line 5): no rule of ours is 'envelope'; see `scheduler`" in comments(
        other
    )


def test_the_metric_its_goal_and_its_target():
    made = experiment(f"{SMALL}metric: {{name: val_acc, goal: maximize, target: 0.95}}\n")
    assert (made["metric"], made["mode"]) == ("val_acc", "max")
    assert made["budget"] == {"goal": 0.95}
    assert experiment(f"{SMALL}metric: {{name: acc}}")["mode"] == "min"
    text = f"{SMALL}metric: {{name: acc, impute: best, impute_while_running: latest}}"
    assert "metric.impute (line 4), best: a failed trial counts as the worst here" in comments(text)
    assert "metric.impute_while_running (line 4) has no counterpart" in comments(text)


def test_several_metrics():
    made = experiment(
        "method: custom\nparameters: {a: {value: 1}}\n"
        "metrics: [{name: acc, goal: maximize}, {name: ms}]\n"
    )
    assert made["objectives"] == {"acc": "max", "ms": "min"}


def test_a_list_of_one_metric_is_that_metric():
    one = f"{SMALL}metric: {{name: acc, goal: maximize, target: 0.9}}"
    listed = f"{SMALL}metrics: [{{name: acc, goal: maximize, target: 0.9}}]"
    assert experiment(listed) == experiment(one)
    assert experiment(one)["budget"] == {"goal": 0.9}


def test_what_several_metrics_leave_out_is_said():
    text = (
        "method: custom\nparameters: {a: {min: 0.5, max: 1}}\n"
        "metrics: [{name: acc, goal: maximize, target: 0.9, impute: best},"
        " {name: ms, impute_while_running: latest, foo: 1}]\n"
        "early_terminate: {type: hyperband, min_iter: 3}\n"
    )
    assert experiment(text)["objectives"] == {"acc": "max", "ms": "min"}
    assert not {"budget", "scheduler"} & experiment(text).keys()
    assert config(text) == {"a": {"uniform": [0.5, 1]}}
    assert {
        "early_terminate (line 4): a scheduler goes by one metric, and here are several",
        "metrics.0.target (line 3): budget.goal is of one metric, and here are several",
        "metrics.0.impute (line 3), best: a failed trial counts as the worst here",
        "metrics.1.impute_while_running (line 3) has no counterpart",
        "metrics.1.foo (line 3) has no counterpart",
    } <= set(comments(text))


@pytest.mark.parametrize(
    ("cap", "trials", "comment"),
    [
        ("", None, None),
        ("run_cap: 3", 3, None),
        ("run_cap: 8", None, "run_cap (line 16): the whole grid is 8 trials"),
        ("run_cap: 90", None, "run_cap (line 16): the whole grid is 8 trials"),
    ],
)
def test_a_grid_is_not_tried_twice(cap, trials, comment):
    text = f"{NESTED}{cap}\n"
    assert experiment(text).get("num_trials") == trials
    assert comment is None or comment in comments(text)


def test_without_a_cap_a_number_is_needed():
    text = SMALL.replace("run_cap: 5\n", "")
    assert experiment(text)["num_trials"] == 100
    assert any(each.startswith("there is no run_cap") for each in comments(text))


@pytest.mark.parametrize(
    ("command", "script", "said"),
    [
        # docs.wandb.ai, "Sweep configuration options": the commands
        ("program: t.py\ncommand: ['${env}', python3, '${program}', '${args}']", "t.py", None),
        (
            (
                "program: t.py\ncommand: ['${env}', '${interpreter}', '${program}', '--config',"
                " your-training-config.json, '${args}']"
            ),
            "t.py",
            (
                "command: --config your-training-config.json is not given to it; what it needs of"
                " that goes into config"
            ),
        ),
        ("command: ['${env}', python, train-b.py, '${args}']", "train-b.py", None),
        ("", "train.py", "the file names no program: write yours"),
    ],
)
def test_the_program_and_its_command(command, script, said):
    text = f"{SMALL}{command}\n"
    assert experiment(text)["config"]["script_file_path"] == script
    about_the_command = [each for each in comments(text) if "command:" in each]
    if said is None:
        assert about_the_command == []
    else:
        assert said in comments(text)


def test_what_has_no_counterpart_is_said():
    text = f"{SMALL}entity: me\nimage_uri: img\njob: j\nkind: sweep\nprograms: x\nrun_capp: 3\n"
    said = comments(text)
    assert "entity (line 4): results go to your MLflow" in said
    assert "image_uri (line 5): there are no containers; script_file_path names a script" in said
    assert "run_capp (line 9): it is no key of a W&B sweep; did you mean 'run_cap'?" in said
    assert sum("(line " in each for each in said) == 6


def test_what_python_chooses():
    text = (
        "method: custom\nmetric: {name: loss}\n"
        "scheduler: {engine: optuna, source: s.py, search_space: space}\n"
    )
    assert config(text) == {}
    said = comments(text)
    assert "the search space is made by Python: write it here" in said
    assert "method custom: what Python chose has no counterpart" in said
    assert any(each.startswith("scheduler (line 3)") for each in said)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("parameters: {a: {value: 1}}", "1:1: file: lacks the key 'method'"),
        ("method: grid", "1:1: file: lacks the key 'parameters'"),
        (
            "method: grid\nparamters: {a: {value: 1}}",
            "1:1: file: lacks the key 'parameters'; did you mean 'paramters'?",
        ),
        (
            "method: gird\nparameters: {a: {value: 1}}",
            (
                "1:9: method: expected one of grid, random, bayes, custom; got 'gird'; did you mean"
                " 'grid'?"
            ),
        ),
        (
            "method: bayes\nparameters: {a: {min: 0, max: 1}}",
            "1:9: method: bayes needs a metric: metric: {name: ..., goal: ...}",
        ),
        (f"{SMALL}metric: loss", "4:9: metric: expected a mapping, got 'loss'"),
        (f"{SMALL}metric: {{goal: maximize}}", "4:9: metric: lacks the key 'name'"),
        (
            f"{SMALL}metric: {{name: a, goal: maximise}}",
            (
                "4:25: metric.goal: expected one of minimize, maximize; got 'maximise'; did you mean"
                " 'maximize'?"
            ),
        ),
        (f"{SMALL}program: 3", "4:10: program: expected a text, got 3"),
        (
            f"{SMALL}metric: {{name: a}}\nearly_terminate: {{type: hyperband}}",
            "5:18: early_terminate: lacks min_iter, or max_iter with s",
        ),
        (
            f"{SMALL}metric: {{name: a}}\nearly_terminate: {{type: hyperband, max_iter: 9}}",
            "5:36: early_terminate.max_iter: max_iter needs s, the number of rungs",
        ),
        (
            f"{SMALL}metric: {{name: a}}\nearly_terminate: {{type: hyperband, max_iter: 2, s: 2}}",
            "5:46: early_terminate.max_iter: no rung: 2 / 3 is below 1",
        ),
        (
            f"{SMALL}early_terminate: {{type: hyperband, min_iter: 3}}",
            "4:18: early_terminate: hyperband needs a metric: metric: {name: ..., goal: ...}",
        ),
        (
            "method: random\nrun_cap: 0\nparameters: {a: {value: 1}}",
            "2:10: run_cap: expected a whole number from 1 on, got 0",
        ),
        (
            f"{SMALL}command: train.py --a",
            "4:10: command: expected a list, such as [${env}, python3, ${program}]",
        ),
        (
            "method: random\nparameters: {a: {parameters: {uniform: {value: [0, 1]}}}}",
            "2:30: parameters.a.parameters: a mapping with 'uniform' would be searched here; rename it",
        ),
        (
            "method: random\nparameters: {eval: {value: 1}, b: {value: 2}}",
            "2:13: parameters: a mapping with 'eval', 'b' would be searched here; rename it",
        ),
        (
            f"{SMALL}metric: {{name: a}}\nmetrics: [{{name: b}}]",
            "5:1: metrics: metric and metrics: give one of them",
        ),
        (
            f"{SMALL}metrics: loss",
            "4:10: metrics: expected a list of at least one value, got 'loss'",
        ),
        (f"{SMALL}metrics: [a]", "4:11: metrics.0: expected a mapping, got 'a'"),
        (f"{SMALL}metrics: [{{}}]", "4:11: metrics.0: lacks the key 'name'"),
        (
            f"{SMALL}metrics: [{{name: a, goal: up}}]",
            "4:27: metrics.0.goal: expected one of minimize, maximize; got 'up'",
        ),
        (
            f"{SMALL}metrics: [{{name: a}}, {{name: a, goal: maximize}}]",
            "4:29: metrics.1.name: 'a' is there twice",
        ),
        (
            f"{SMALL}metric: {{name: a}}\nearly_terminate: {{type: hyperband, min_iter: 1, eta: 1}}",
            "5:54: early_terminate.eta: expected a number above 1, got 1",
        ),
        (
            "method: random\nparameters: {script_file_path: {value: 1}}",
            "2:14: parameters.script_file_path: it is a key of ours in config; rename it",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(text, message):
    with pytest.raises(SpecError) as caught:
        convert(text)
    assert str(caught.value) == f"sweep.yaml:{message}"
