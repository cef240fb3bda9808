"""What a deployment holds, and what is refused before anything is created."""

import pytest

from tune_tasks.commands.deployment import Timing, draft, parse_parameters
from tune_tasks.errors import UsageError
from tune_tasks.sweep.request import Request

SPEC = """
digits:
    num_trials: 4
    config: {script_file_path: train.py, lr: {grid_search: [0.1, 1e-2]}}
module:
    config: {script_file_path: "package.module:train"}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "train.py").write_text("def train(config, status_reporter): pass")
    (tmp_path / "specs" / "nightly.yaml").write_text(SPEC)
    return tmp_path


def drafted(timing=None, **given):
    options = {"name": None, "tags": (), "paused": False, **given}
    parameters = parse_parameters(options.pop("parameters", ()))
    return draft(
        Request(spec_file="specs/nightly.yaml", **parameters), timing or Timing(), **options
    )


def test_the_specs_content_travels_with_its_scripts_absolute(folder):
    assert drafted().parameters == {
        "spec": {
            "digits": {
                "num_trials": 4,
                "config": {
                    "script_file_path": f"{folder}/specs/train.py",
                    "lr": {"grid_search": [0.1, 0.01]},
                },
            },
            "module": {"config": {"script_file_path": "package.module:train"}},
        }
    }


def test_it_is_named_after_the_file_and_describes_what_it_runs():
    assert drafted().name == "nightly"
    assert drafted(name="other").name == "other"
    assert (
        drafted(parameters=["num_trials=3"]).description
        == "Sweep of specs/nightly.yaml. digits: 3 trials, module: 3 trials."
    )


def test_given_parameters_stand_beside_the_spec():
    settings = ["num_trials=3", 'stop={"mean_loss": 0.1}', "address=auto", "local_dir=tune_results"]
    parameters = dict(drafted(parameters=settings).parameters)
    del parameters["spec"]
    assert parameters == {"num_trials": 3, "stop": {"mean_loss": 0.1}, "address": "auto"}


REFUSED_PARAMETERS = {
    "num_trails=3": (
        "--param: the flow has no parameter 'num_trails'; did you mean 'num_trials'? (known:"
        " num_trials, seed, "
    ),
    "num_trials": "--param num_trials: expected KEY=VALUE, e.g. num_trials=20",
    "num_trials=ten": "--param num_trials: expected a valid integer, got 'ten'",
    "num_trials=0": "--param num_trials: expected greater than or equal to 1, got 0",
    "seed=1.5": "--param seed: expected a valid integer, got 1.5",
    f"seed={'9' * 5000}": "--param seed: expected a valid integer, got '999",
    "stop=0.1": "--param stop: expected a valid JSON object, got 0.1",
    "spec={}": "--param spec: the spec is given with -f",
}


@pytest.mark.parametrize(
    ("setting", "message"), REFUSED_PARAMETERS.items(), ids=lambda text: text[:20]
)
def test_a_parameter_that_is_refused(setting, message):
    with pytest.raises(UsageError) as refused:
        parse_parameters([setting])
    assert str(refused.value).startswith(message)


REFUSED_TIMINGS = {
    "two": (
        Timing("0 2 * * *", 60),
        "--cron and --interval: a deployment has one schedule; give one of",
    ),
    "seconds": (
        Timing("0 0 2 * * *"),
        "--cron: expected five fields (minute, hour, day, month and weekday), e.g. '0 2",
    ),
    "no cron": (Timing(""), "--cron: expected five fields"),
    "words": (Timing("every night"), "--cron: expected five fields"),
    "a zone alone": (
        Timing(timezone="UTC"),
        "--timezone without a schedule; give --cron, --interval or --rrule with it",
    ),
    "a zone that does not exist": (
        Timing("0 2 * * *", timezone="Europe/Berln"),
        (
            "--timezone: no time zone 'Europe/Berln'; did you mean 'Europe/Berlin'? (expected a"
            " name such as"
        ),
    ),
}


@pytest.mark.parametrize(("timing", "message"), REFUSED_TIMINGS.values(), ids=REFUSED_TIMINGS)
def test_a_schedule_that_is_refused(timing, message):
    with pytest.raises(UsageError) as refused:
        drafted(timing)
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize("name", ["", " ", "a/b", "50%"])
def test_a_name_that_prefect_would_refuse(name):
    with pytest.raises(UsageError, match="--name: expected a name without any of"):
        drafted(name=name)


def test_a_script_that_is_not_there_is_found_out_here(folder):
    (folder / "specs" / "train.py").unlink()
    with pytest.raises(
        Exception,
        match=r"digits.config.script_file_path: no file 'train.py'; looked at .*/train.py and .*",
    ):
        drafted()


def test_what_json_cannot_say(folder):
    (folder / "specs" / "nightly.yaml").write_text(
        "e: {config: {script_file_path: specs/train.py, x: .nan}}"
    )
    with pytest.raises(
        UsageError, match="the spec cannot be a deployment's parameter, which is JSON"
    ):
        drafted()


def test_what_is_given_beside_the_spec_is_not_in_it():
    given = drafted(parameters=["num_trials=3", "seed=1", 'stop={"mean_loss": 0.1}']).parameters
    assert given["spec"] == drafted().parameters["spec"]


PREFECTS_OWN = {
    "digits.config.a": "{__prefect_kind: jinja, template: '{{ 1 }}'}",
    "digits.config.a.1": "[1, {__prefect_kind: json, value: '1'}]",
    "digits.config.a.b": "{b: {__prefect_kind: workspace_variable, variable_name: x}}",
}


@pytest.mark.parametrize(("path", "value"), PREFECTS_OWN.items(), ids=PREFECTS_OWN)
def test_what_prefect_would_replace(folder, path, value):
    (folder / "specs" / "nightly.yaml").write_text(
        f"digits: {{config: {{script_file_path: specs/train.py, a: {value}}}}}"
    )
    with pytest.raises(UsageError) as refused:
        drafted()
    assert str(refused.value).startswith(
        f"{path}: a deployment's spec cannot have the key '__prefect_kind'"
    )


def test_a_secret_in_a_deployment_is_warned_of(folder):
    (folder / "specs" / "nightly.yaml").write_text(
        "e: {config: {script_file_path: train.py, api_key: s3cret}}"
    )
    found = drafted()
    assert found.parameters["spec"]["e"]["config"]["api_key"] == "s3cret"
    assert found.warnings == (
        (
            "e.config.api_key: Prefect stores a deployment's spec with its secrets and shows them"
            " on its pages; let the script read them from the environment or from a file"
        ),
    )


def test_a_table_beside_the_spec_is_found_by_the_worker(folder):
    spec = """
e:
    metric: mean_loss
    warm_start: {from: SOURCE}
    config: {script_file_path: specs/train.py, x: {uniform: [0, 1]}}
"""
    path = folder / "specs" / "nightly.yaml"
    (folder / "specs" / "good.csv").write_text("x,mean_loss\n0.5,1\n")
    found = {"good.csv": f"{folder}/specs/good.csv", "last": "last", "of_there.csv": "of_there.csv"}
    for source, travels in found.items():
        path.write_text(spec.replace("SOURCE", source))
        assert drafted().parameters["spec"]["e"]["warm_start"] == {"from": travels}


def test_a_deployment_has_no_searcher_of_ones_own(folder):
    spec = SPEC.replace("num_trials: 4", "num_trials: 4\n    search: own\n    metric: m")
    domain = spec.replace("{grid_search: [0.1, 1e-2]}", "{uniform: [0, 1]}")
    (folder / "specs" / "nightly.yaml").write_text(domain)
    with pytest.raises(UsageError, match="digits: search: own is a searcher of your own"):
        drafted()
