"""What users import, and that it says the same as the spec file and the command line."""

import ast
import dataclasses
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tune_tasks
from tune_tasks import cli
from tune_tasks.spec.schema import ExperimentSpec
from tune_tasks.sweep.request import Request

ROOT = Path(__file__).parents[1]
EXPORTED = [
    "BadInputError",
    "Categories",
    "Experiment",
    "ExperimentSummary",
    "Fate",
    "Milestones",
    "Objective",
    "Observation",
    "Outcome",
    "Reached",
    "ReportError",
    "Scheduler",
    "Searcher",
    "ServiceError",
    "SpecError",
    "StatusReporter",
    "Steps",
    "Summary",
    "TrainingResult",
    "Trial",
    "TrialState",
    "TrialStopped",
    "TrialSummary",
    "TuneError",
    "Unit",
    "run_experiments",
]
ONLY_IN_A_FILE = {
    "budget",
    "checkpoint",
    "checkpoint_at_end",
    "constraints",
    "isolate",
    "max_concurrent_trials",
    "search",
    "try_first",
    "scheduler",
    "warm_start",
    "max_failures",
    "metric",
    "mode",
    "objectives",
    "retry",
    "stop_grace_s",
}
"""The keys of an experiment that neither the command line nor the flow `train` has."""

KEYS = set(ExperimentSpec.model_fields)
REQUEST = {field.name: field.default for field in dataclasses.fields(Request)}


def test_the_exported_names():
    assert tune_tasks.__all__ == EXPORTED
    assert all(getattr(tune_tasks, name).__name__ == name for name in EXPORTED)
    with pytest.raises(AttributeError, match="no attribute 'run_experiment'"):
        _ = tune_tasks.run_experiment


def test_the_page_of_what_is_stable_names_them():
    page = (ROOT / "docs" / "stability.md").read_text()
    assert [name for name in EXPORTED if f"`{name}`" not in page] == []


@pytest.mark.processes
def test_an_import_in_a_training_script_brings_in_nothing_of_the_driver():
    rooms = ["cli", "flows", "results", "search", "spec", "sweep", "tracking"]
    code = f"""if True:
        import sys
        from tune_tasks import StatusReporter, TrainingResult, TrialStopped
        rooms = [name.split(".")[1] for name in sys.modules if name.startswith("tune_tasks.")]
        print(sorted(set(rooms) & {{*{rooms}}}))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    "path",
    [*ROOT.glob("examples/*.py"), *ROOT.glob("docs/*.md"), ROOT / "README.md"],
    ids=lambda path: path.name,
)
def test_examples_and_documents_import_only_what_is_exported(path):
    text = path.read_text()
    sources = (
        [text] if path.suffix == ".py" else re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    )
    names = [name for source in sources for name in names_of_ours(ast.parse(source))]
    assert set(names) <= {*EXPORTED, "tune_tasks.testing"}


def names_of_ours(tree):
    """What a program imports from the package, or takes of it; modules within it by their path."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if "tune_tasks." in alias.name)
        elif isinstance(node, ast.ImportFrom) and node.module == "tune_tasks":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module.startswith("tune_tasks."):
            yield node.module
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "tune_tasks":
            yield node.attr


def test_a_training_result_has_the_path_that_older_scripts_import_it_by():
    assert importlib.import_module("tune_tasks.result").TrainingResult is tune_tasks.TrainingResult


def test_an_experiment_has_the_keys_of_a_spec_with_their_defaults():
    keys = {
        field.name: _default(field)
        for field in dataclasses.fields(tune_tasks.Experiment)
        if field.name not in ("name", "trainable")
    }
    spec = ExperimentSpec().model_dump() | {"resources": {}, "checkpoint": {}, "budget": {}}
    assert keys == spec


def _default(field):
    if field.default is dataclasses.MISSING:
        return field.default_factory()
    return field.default


def test_run_experiments_has_what_a_flow_run_has():
    parameters = inspect.signature(tune_tasks.run_experiments).parameters
    own = {"scheduler": None, "searcher": None, "display": "auto", "spec": inspect.Parameter.empty}
    theirs = {name: default for name, default in REQUEST.items() if name != "spec_file"}
    assert {name: p.default for name, p in parameters.items()} == theirs | own


def flow_parameters(name):
    """Of a flow, with their defaults; read, because the import of a flow is one of Prefect."""
    tree = ast.parse((ROOT / "flows" / f"{name}.py").read_text())
    (function,) = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    arguments = function.args.args
    assert len(arguments) == len(function.args.defaults)
    defaults = map(ast.literal_eval, function.args.defaults)
    return dict(zip([argument.arg for argument in arguments], defaults, strict=True))


def test_the_flow_tune_has_the_fields_of_a_request():
    assert flow_parameters("tune") == REQUEST


def test_the_flow_train_has_those_and_the_keys_of_one_experiment():
    parameters = flow_parameters("train")
    assert REQUEST.items() - {("spec", None)} <= parameters.items()
    assert parameters.keys() - REQUEST.keys() - {"experiment_name"} == (
        KEYS - REQUEST.keys() - ONLY_IN_A_FILE
    )


def test_the_command_line_has_those_too():
    parser = cli.parser(command="run")
    flags = {action.dest for action in parser._actions} - {"help", "command"}
    of_a_request = (REQUEST.keys() - {"spec", "spec_file"}) | {"file"}
    of_the_output = {"classic", "json"}
    of_an_experiment = (KEYS - ONLY_IN_A_FILE) | {"experiment_name"}
    assert flags == of_a_request | of_the_output | of_an_experiment


@pytest.mark.parametrize(
    ("experiment", "spec"),
    [
        ({"trainable": print, "seed": 0}, {"seed": 0}),
        ({"trainable": Path("a.py")}, {"config": {"script_file_path": "a.py"}}),
        (
            {"alg": "PPO", "env": "CartPole-v1", "restore": Path("c"), "checkpoint_freq": 2},
            {"alg": "PPO", "env": "CartPole-v1", "restore": "c", "checkpoint_freq": 2},
        ),
    ],
)
def test_an_experiment_as_a_spec_has_what_was_given(experiment, spec):
    assert tune_tasks.Experiment("e", **experiment).as_spec() == spec


def test_an_algorithm_needs_no_trainable():
    experiment = tune_tasks.Experiment("e", print, alg="PPO")
    with pytest.raises(tune_tasks.BadInputError, match=r"^experiment 'e' has a trainable and alg="):
        tune_tasks.run_experiments(experiment, display="none")


def test_a_warm_start_with_all_its_defaults_is_not_left_out():
    experiment = tune_tasks.Experiment("e", "train.py", warm_start={})
    assert experiment.as_spec()["warm_start"] == {}
