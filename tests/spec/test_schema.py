"""What a spec may say, and what each mistake in it comes to."""

import json

import jsonschema
import pytest
import yaml

from tune_tasks.errors import SpecError
from tune_tasks.model.stopping import Criterion
from tune_tasks.model.trial import Resources
from tune_tasks.spec.json_schema import json_schema
from tune_tasks.spec.loading import load_spec, spec_from_data
from tune_tasks.spec.resources import parse_size
from tune_tasks.spec.schema import ExperimentSpec

DOCUMENT = """\
tune_mnist:
    env: mnist
    alg: script
    num_trials: 10
    resources:
        cpu: 1
    stop:
        mean_accuracy: 0.99
        time_total_s: 600
    config:
        script_file_path: examples/tune_mnist_ray.py
        script_entrypoint: train
        activation:
            grid_search: ['relu', 'elu', 'tanh']
"""
ALL_KEYS = {
    "env": "mnist",
    "alg": "script",
    "num_trials": 4,
    "resources": {"cpu": 0.5, "gpu": 2, "memory": "2GiB"},
    "stop": {"mean_loss": 0.1, "my_metric": "> 5"},
    "search": {"tpe": {"startup_trials": 8, "lag": 4, "failures": "ignore"}},
    "try_first": [{"lr": 0.5}],
    "scheduler": [{"asha": {"max_t": 9, "time_attr": "timesteps_total"}}, "plateau"],
    "warm_start": {"from": "results.csv", "use": "results", "top": 3},
    "budget": {
        "time": "6h",
        "trial_hours": 40,
        "cpu_hours": 80.5,
        "gpu_hours": 20,
        "patience": 40,
        "goal": 0.05,
        "failures": 0.5,
    },
    "config": {
        "script_file_path": "a.py",
        "script_min_iter_time_s": 1,
        "lr": {"eval": "random.random()"},
    },
    "seed": 7,
    "metric": "my_metric",
    "mode": "min",
    "objectives": {},
    "constraints": {"model_size": "<= 5e6"},
    "max_concurrent_trials": 2,
    "max_failures": 3,
    "retry": [
        {
            "on": "out_of_memory",
            "do": "retry",
            "times": 2,
            "counts": False,
            "wait_s": 30,
            "resources": {"cpu": 2, "gpu": "x2", "memory": "x1.5"},
        }
    ],
    "stop_grace_s": 0.5,
    "checkpoint": {"every_s": 300, "keep": 3, "keep_best": False, "log": True},
    "storage": "file:///shared/runs",
    "checkpoint_freq": 5,
    "checkpoint_at_end": True,
    "restore": "checkpoint_000010",
    "isolate": True,
}
KEYS = ", ".join(ALL_KEYS)
SIZE = "bytes or a size such as '2GiB' or '500MB', below 8 EiB"


def load(tmp_path, text, name="f.yaml"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return load_spec(path)


def refusal(tmp_path, text):
    with pytest.raises(SpecError) as caught:
        load(tmp_path, text)
    return str(caught.value).replace(f"{tmp_path}/", "")


def test_the_document_of_2017(tmp_path):
    spec = load(tmp_path, DOCUMENT)
    experiment = spec.experiments["tune_mnist"]
    assert (experiment.env, experiment.alg, experiment.num_trials) == ("mnist", "script", 10)
    assert experiment.criteria() == (
        Criterion("mean_accuracy", ">=", 0.99),
        Criterion("time_total_s", ">=", 600),
    )
    assert experiment.config["activation"] == {"grid_search": ["relu", "elu", "tanh"]}
    assert spec.folder == tmp_path


def test_the_defaults():
    experiment = spec_from_data({"e": {}}).experiments["e"]
    assert experiment.resources.resources() == Resources(cpu=1, gpu=0, memory=0)
    assert (experiment.alg, experiment.num_trials, experiment.stop, experiment.config) == (
        "script",
        None,
        {},
        {},
    )
    assert (
        experiment.seed,
        experiment.metric,
        experiment.mode,
        experiment.max_concurrent_trials,
    ) == (None,) * 4
    assert (experiment.max_failures, experiment.stop_grace_s, experiment.isolate) == (0, 10, False)


@pytest.mark.parametrize("name", ["f.yaml", "f.json"])
def test_every_key_in_either_form(tmp_path, name):
    text = (
        json.dumps({"a": ALL_KEYS, "b": {}})
        if name == "f.json"
        else yaml.safe_dump({"a": ALL_KEYS, "b": {}}, sort_keys=False)
    )
    experiments = load(tmp_path, text, name).experiments
    assert list(experiments) == ["a", "b"]
    assert experiments["a"].model_dump() == ALL_KEYS
    assert set(ALL_KEYS) == set(ExperimentSpec.model_fields)
    assert experiments["a"].resources.resources() == Resources(0.5, 2, 2 * 2**30)
    assert experiments["a"].criteria() == (
        Criterion("mean_loss", "<=", 0.1),
        Criterion("my_metric", ">", 5),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1:1: expected experiments: a mapping of a name to env, stop, config, …"),
        ("- e", "1:1: expected experiments: a mapping of a name to env, stop, config, …"),
        ("e:", "1:3: e: expected an experiment: a mapping with env, stop, config, …; got None"),
        ("' ': {}", "1:1: an experiment needs a name"),
        (r'"a\0": {}', r"1:1: an experiment's name has no control characters, got 'a\x00'"),
        ("a/b: {}\na_b: {}", "2:1: 'a_b' and 'a/b' would share the folder 'a_b'"),
        ("e:\n  conifg: {}", f"2:3: e.conifg: unknown key; did you mean 'config'? (known: {KEYS})"),
        ("resources: {cpu: 1}", f"1:13: resources.cpu: unknown key (known: {KEYS})"),
        ("e: {resources: {cpus: 1}}", "1:17: e.resources.cpus: unknown key; did you mean 'cpu'? (known: cpu, gpu, memory)"),
        ("e: {env: 5}", "1:10: e.env: expected a valid string, got 5"),
        ("e: {num_trials: 0}", "1:17: e.num_trials: expected a number greater than or equal to 1, got 0"),
        ("e: {num_trials: '3'}", "1:17: e.num_trials: expected a valid integer, got '3'"),
        ("e: {num_trials: 1e3}", "1:17: e.num_trials: expected a valid integer, got 1000.0"),
        ("e: {num_trials: 1000001}", "1:17: e.num_trials: expected a number less than or equal to 1000000, got 1000001"),
        (
            "e: {resources: 4}",
            "1:16: e.resources: expected a valid mapping, got 4; write resources: {cpu: 4}",
        ),
        (
            "e: {budget: 20s}",
            "1:13: e.budget: expected a valid mapping, got '20s'; write budget: {time: 20s}",
        ),
        ("e: {budget: last}", "1:13: e.budget: expected a valid mapping, got 'last'"),
        ("e: {budget: ''}", "1:13: e.budget: expected a valid mapping, got ''"),
        ("e: {budget: .nan}", "1:13: e.budget: expected a valid mapping, got nan"),
        ("e: {resources: 6h}", "1:16: e.resources: expected a valid mapping, got '6h'"),
        (
            "e: {warm_start: 20261129}",
            "1:17: e.warm_start: expected a valid mapping, got 20261129; write warm_start: {from: '20261129'}",
        ),
        (
            "e: {warm_start: 'a: b}'}",
            "1:17: e.warm_start: expected a valid mapping, got 'a: b}'; write warm_start: {from: 'a: b}'}",
        ),
        ("e: {warm_start: [last]}", "1:17: e.warm_start: expected a valid mapping, got ['last']"),
        ("e: {budget: [20s]}", "1:13: e.budget: expected a valid mapping, got ['20s']"),
        ("e: {resources: {cpu: -1}}", "1:22: e.resources.cpu: expected a number greater than or equal to 0, got -1"),
        ("e: {resources: {cpu: .inf}}", "1:22: e.resources.cpu: expected a finite number, got inf"),
        ("e: {resources: {gpu: 1.5}}", "1:22: e.resources.gpu: expected a fraction up to 1 or a whole number, got 1.5"),
        ("e: {resources: {memory: 2GX}}", f"1:25: e.resources.memory: expected {SIZE}, got '2GX'"),
        (f"e: {{resources: {{memory: {10**99}}}}}", f"1:25: e.resources.memory: expected {SIZE}, got 1{'0' * 17}...{'0' * 19}"),
        ("e: {resources: {memory: 9000000TiB}}", f"1:25: e.resources.memory: expected {SIZE}, got '9000000TiB'"),
        ("e: {resources: {memory: true}}", f"1:25: e.resources.memory: expected {SIZE}, got True"),
        ("e: {stop: [1]}", "1:11: e.stop: expected a valid mapping, got [1]"),
        ("e: {stop: {a: true}}", "1:15: e.stop.a: expected a number or a comparison such as '<= 0.1', got True"),
        ("e: {stop: {b: 1, a: '!= 3'}}", "1:21: e.stop.a: expected a number or a comparison such as '<= 0.1', got '!= 3'"),
        ("e: {objectives: {a: maximum}}", "1:21: e.objectives.a: expected 'max' or 'min', got 'maximum'"),
        ("e: {objectives: {a: max}, mode: max}", "1:33: e.mode: objectives stand in place of metric and mode: give one or the other"),
        ("e: {metric: b, objectives: {a: max}}", "1:13: e.metric: objectives stand in place of metric and mode: give one or the other"),
        ("e: {constraints: {a: 'at most 3'}}", "1:22: e.constraints.a: expected a number or a comparison such as '<= 0.1', got 'at most 3'"),
        ("e: {stop: {a: .nan}}", "1:15: e.stop.a: expected a finite number, got nan"),
        ("e: {config: 5}", "1:13: e.config: expected a valid mapping, got 5"),
        ("e: {seed: -1}", "1:11: e.seed: expected a number greater than or equal to 0, got -1"),
        ("e: {mode: max}", "1:11: e.mode: mode without metric: name the metric that 'best' goes by"),
        ("e: {metric: a, mode: up}", "1:22: e.mode: expected 'max' or 'min', got 'up'"),
        ("e: {max_concurrent_trials: 0}", "1:28: e.max_concurrent_trials: expected a number greater than or equal to 1, got 0"),
        ("e: {max_failures: -1}", "1:19: e.max_failures: expected a number greater than or equal to 0, got -1"),
        ("e: {retry: {on: a}}", "1:12: e.retry: expected a valid list, got {'on': 'a'}"),
        ("e: {retry: [a]}", "1:13: e.retry.0: expected a valid mapping, got 'a'"),
        ("e: {retry: [{do: fail}]}", "1:13: e.retry.0: lacks the key 'on', got {'do': 'fail'}"),
        ("e: {retry: [{onn: a}]}", "1:13: e.retry.0: lacks the key 'on', got {'onn': 'a'}\nf.yaml:1:14: e.retry.0.onn: unknown key; did you mean 'on'? (known: on, do, times, counts, wait_s, resources)"),
        ("e: {retry: [{on: 'a['}]}", "1:18: e.retry.0.on: not a regular expression: unclosed character class, at its character 2"),
        ("e: {retry: [{on: '(a)(?=b)'}]}", "1:18: e.retry.0.on: not a regular expression: look-around, including look-ahead and look-behind, is not supported, at its character 4"),
        ("e: {retry: [{on: ''}]}", "1:18: e.retry.0.on: expected a regular expression or a cause, got nothing"),
        ("e: {retry: [{on: a, do: stop_swep}]}", "1:25: e.retry.0.do: got 'stop_swep'; did you mean 'stop_sweep'? (known: retry, fail, stop_sweep)"),
        ("e: {retry: [{on: a, times: 0}]}", "1:28: e.retry.0.times: expected a number greater than or equal to 1, got 0"),
        ("e: {retry: [{on: a, wait_s: .inf}]}", "1:29: e.retry.0.wait_s: expected a finite number, got inf"),
        ("e: {retry: [{on: a, do: fail, wait_s: 5}]}", "1:39: e.retry.0.wait_s: says how to try again, but `do` is 'fail'; leave out one of both"),
        ("e: {retry: [{on: a, resources: {mem: x2}}]}", "1:33: e.retry.0.resources.mem: unknown key; did you mean 'memory'? (known: cpu, gpu, memory)"),
        ("e: {retry: [{on: a, resources: {memory: x}}]}", f"1:41: e.retry.0.resources.memory: expected {SIZE}, or a factor such as x2, got 'x'"),
        ("e: {retry: [{on: a, resources: {memory: x0}}]}", "1:41: e.retry.0.resources.memory: expected a factor above x0, x1000 at most, got 'x0'"),
        ("e: {retry: [{on: a, resources: {cpu: true}}]}", "1:38: e.retry.0.resources.cpu: expected a number >= 0, or a factor such as x2, got True"),
        ("e: {retry: [{on: a, resources: {gpu: 1.5}}]}", "1:38: e.retry.0.resources.gpu: expected a fraction up to 1 or a whole number, or a factor such as x2, got 1.5"),
        ("e: {stop_grace_s: .inf}", "1:19: e.stop_grace_s: expected a finite number, got inf"),
        ("e: {checkpoint: {every: 5}}", "1:18: e.checkpoint.every: unknown key; did you mean 'every_s'? (known: every_s, keep, keep_best, log)"),
        ("e: {checkpoint: {every_s: 0}}", "1:27: e.checkpoint.every_s: expected a number greater than 0, got 0"),
        ("e: {checkpoint: {keep: 0}}", "1:24: e.checkpoint.keep: expected a number greater than or equal to 1, got 0"),
        ("e: {checkpoint: true}", "1:17: e.checkpoint: expected a valid mapping, got True"),
        ("e: {isolate: on}", "1:14: e.isolate: expected a valid boolean, got 'on'"),
        (
            "e: {stop: {a: x}, env: 5,\n  aalg: 7}",
            "1:15: e.stop.a: expected a number or a comparison such as '<= 0.1', got 'x'\n"
            "f.yaml:1:24: e.env: expected a valid string, got 5\n"
            f"f.yaml:2:3: e.aalg: unknown key; did you mean 'alg'? (known: {KEYS})",
        ),
    ],
)  # fmt: skip
def test_each_mistake_is_one_message(tmp_path, text, message):
    assert refusal(tmp_path, text) == f"f.yaml:{message}"


def test_long_values_are_shortened_in_messages(tmp_path):
    assert len(refusal(tmp_path, f"e: [{'1, ' * 5000}]")) < 200


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"e": {"stopp": {}}}, f"e.stopp: unknown key; did you mean 'stop'? (known: {KEYS})"),
        ({"e": {"config": {"a": 10**4300}}}, "e.config.a: the number has too many digits"),
        ({"e": {"config": {"a": {1: 2}}}}, "e.config.a: a key must be a string, got 1"),
        ({1: {}}, "spec: a key must be a string, got 1"),
        (
            {"e": {"config": {"a": ["\ud800"]}}},
            r"e.config.a.0: expected text that UTF-8 can hold, got '\ud800'",
        ),
        ({"\ud800": {}}, r"spec: expected text that UTF-8 can hold, got '\ud800'"),
        ({}, "expected experiments: a mapping of a name to env, stop, config, …"),
        (5, "expected experiments: a mapping of a name to env, stop, config, …"),
    ],
)
def test_mistakes_in_a_dict_are_named_by_their_path(data, message):
    with pytest.raises(SpecError) as caught:
        spec_from_data(data)
    assert str(caught.value) == message


def test_a_dict_that_holds_itself():
    config = {}
    config["a"] = config
    with pytest.raises(SpecError, match="nested more than 64 levels deep"):
        spec_from_data({"e": {"config": config}})


def test_a_dict_is_copied_and_its_tuples_are_lists():
    data = {"e": {"config": {"a": {"grid_search": (1, 2)}, "b": [{"c": ()}]}}}
    spec = spec_from_data(data)
    data["e"]["config"]["b"].append(5)
    assert spec.experiments["e"].config == {"a": {"grid_search": [1, 2]}, "b": [{"c": []}]}


@pytest.mark.parametrize(
    ("text", "size"),
    [
        *[
            (0, 0),
            (5, 5),
            ("5", 5),
            ("2GiB", 2 * 2**30),
            ("500MB", 500_000_000),
            ("1.5 kib", 1536),
            ("2G", 2 * 2**30),
        ],
        *[("", None), ("-1", None), ("GiB", None), ("2 X", None), (True, None), ("1e3", None)],
    ],
)
def test_parse_size(text, size):
    assert parse_size(text) == size


def test_the_schema_takes_what_we_take_and_nothing_else():
    validator = jsonschema.Draft202012Validator(json_schema())
    validator.check_schema(json_schema())
    assert json_schema()["$id"] == "urn:tune-tasks:spec:1"
    good = [
        ALL_KEYS,
        yaml.safe_load(DOCUMENT)["tune_mnist"],
        {"config": {"a": [{"b": {"grid_search": [{"eval": "_i"}]}}]}},
    ]
    for experiment in good:
        validator.validate({"e": experiment})
    bad = [
        *[
            {"conifg": {}},
            {"num_trials": 0},
            {"stop": {"a": []}},
            {"resources": {"cpus": 1}},
            {"mode": "up"},
        ],
        *[
            {"config": {"a": {"grid_search": []}}},
            {"config": {"a": [{"eval": 5}]}},
            {"config": {"a": {"eval": "1", "b": 2}}},
        ],
    ]
    for experiment in bad:
        assert not validator.is_valid({"e": experiment}), experiment
    described = json_schema()["$defs"]["ExperimentSpec"]["properties"]
    assert set(described) == set(ExperimentSpec.model_fields)
    assert all("description" in key for key in described.values())


@pytest.mark.parametrize("name", ["_defaults", "x-defaults", ".defaults"])
def test_templates_are_no_experiments(tmp_path, name):
    text = (
        f"{name}: &t\n  resources: {{cpu: 2}}\n  nothing: of ours\ne:\n  resources: {{<<: [], cpu:"
        " 1}\n"
    )
    spec = load(tmp_path, text)
    assert list(spec.experiments) == ["e"]
    assert list(spec.source.data) == ["e"]
    jsonschema.Draft202012Validator(json_schema()).validate({name: {"nothing": 1}, "e": {}})
    assert (
        refusal(tmp_path, f"{name}: 5")
        == "f.yaml:1:1: expected an experiment: keys that begin with '_', 'x-', '.' are templates"
        " and do not run"
    )


def test_a_variable_is_named_where_it_is_an_error(tmp_path):
    assert refusal(tmp_path, "e: {num_trials: '${N}'}").endswith(
        "got '${N}'; variables are not replaced"
    )
    assert refusal(tmp_path, "e: {stop: {a: $N}}").endswith("got '$N'; variables are not replaced")
