"""The rules that hold the package together: who imports whom, what is exported, the tree of errors."""

import ast
import inspect
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import tune_tasks
from tune_tasks import errors

ROOT = Path(tune_tasks.__file__).parent
EXPORTED = ["Experiment", "Scheduler", "Summary", "TrainingResult", "run_experiments"]

# Each module imports only what stands before it. `tune_tasks` is the package's `__init__`.
ORDER = [
    *("errors", "text", "masking", "disk", "result", "tune_tasks", "stopping", "trial", "result_file"),
    *(
        "spec_source",
        "rllib",
        "rllib.keys_2017",
        "spec_names",
        "expressions",
        "lookalikes",
        "spec",
        "variants",
        "snapshot",
        "script_end",
        "code_version",
        "trainable",
        "reporter",
    ),
    *("rllib.catalog", "rllib.hints", "rllib.settings", "rllib.given", "rllib.options"),
    *(
        "rllib.recorded_data",
        "rllib.data_keys",
        "rllib.recording",
        "rllib.replay_keys",
        "rllib.connectors",
        "rllib.atari",
        "rllib.env_class",
        "rllib.env_check",
        "rllib.wrappers",
    ),
    *("rllib.env_errors", "rllib.environments"),
    *("rllib.model_keys", "rllib.config_keys", "rllib.actor_critic", "rllib.workers"),
    *("rllib.a3c", "rllib.a2c", "rllib.es", "rllib.quiet"),
    *("rllib.shares", "rllib.results", "rllib.callbacks", "rllib.checkpoints", "rllib.trainable", "rllib.evaluate"),
    *("rllib.planning", "plan", "cluster"),
    *(
        "summary",
        "leaderboard",
        "plots",
        "report",
        "scheduling",
        "mlflow_view",
        "mlflow_database",
        "mlflow_client",
        "mlflow_store",
        "recorder_protocol",
        "standing",
    ),
    *("records", "trackers.base", "trackers.mlflow", "trackers.tensorboard", "trackers", "pump", "recorder"),
    *("recorder_link", "monitor", "import_hook", "user_mlflow", "process_state", "forking", "attempt"),
    *("status", "request", "deployment", "services", "prefect_server"),
    *(
        "ray_local",
        "ray_runner",
        "run_view",
        "tasks",
        "postmortem",
        "hearing",
        "interruption",
        "pausing",
        "resumption",
        "sweep",
        "execution",
    ),
    *("flows", "flows.tune", "flows.train", "launch", "deploy", "ui", "best", "api", "cli"),
]
UPWARD = {("flows.tune", "cli"), ("flows.train", "cli")}  # a flow's file is a script too

IMPORTED_BY = {
    "pydantic": {"spec", "request", "deployment", "deploy"},
    "pydantic_core": {"spec"},
    "yaml": {"spec_source"},
    "matplotlib": {"plots"},
    "tree": {"rllib.connectors"},
    "pyarrow": {"rllib.recorded_data", "rllib.recording"},
    "numpy": {
        *(
            "expressions",
            "attempt",
            "process_state",
            "rllib.connectors",
            "rllib.wrappers",
            "rllib.environments",
            "rllib.a3c",
            "rllib.es",
            "rllib.env_check",
        ),
        *("rllib.recorded_data", "rllib.recording"),
    },
    "pandas": {"summary"},
    "rich": {"status"},
    "mlflow": {"mlflow_client", "mlflow_store", "trackers.mlflow", "user_mlflow"},
    "tensorboardX": {"trackers.tensorboard"},
    "uvicorn": {"prefect_server"},
    "starlette": {"prefect_server"},
    "httpx": {"deploy", "services"},
    "ray": {
        *("ray_local", "ray_runner", "recorder", "recorder_link", "tasks", "postmortem", "hearing", "sweep", "execution"),
        *("rllib.catalog", "rllib.connectors", "rllib.environments", "rllib.model_keys", "rllib.settings", "rllib.config_keys"),
        *("rllib.actor_critic", "rllib.workers", "rllib.a3c", "rllib.a2c", "rllib.es"),
        *("rllib.quiet", "rllib.callbacks", "rllib.trainable", "rllib.evaluate", "rllib.recorded_data", "rllib.recording"),
        "rllib.data_keys",
    },
    "gymnasium": {
        *("rllib.env_errors", "rllib.atari", "rllib.env_class", "rllib.env_check", "rllib.wrappers", "rllib.environments"),
        *("rllib.evaluate", "rllib.config_keys"),
    },
    "torch": {"rllib.actor_critic", "rllib.a3c", "rllib.es", "rllib.recorded_data"},
    "scipy": {"rllib.es"},
    "typing_extensions": {"rllib.actor_critic", "rllib.es"},
    "PIL": {"rllib.wrappers", "rllib.evaluate"},
    "prefect_ray": {"ray_runner", "sweep"},
    "prefect": {
        *("ray_runner", "run_view", "tasks", "postmortem", "hearing", "pausing", "sweep", "execution"),
        *("services", "prefect_server", "launch", "deploy", "flows.tune", "flows.train"),
    },
}
HEAVY = {"ray", "prefect", "mlflow", "numpy", "torch", "pandas", "rich"}


def files():
    folders = {"": ROOT, "flows": ROOT.parent / "flows"}
    for package, folder in folders.items():
        for path in sorted(folder.rglob("*.py")):
            parts = [package, *path.relative_to(folder).with_suffix("").parts]
            yield ".".join(p for p in parts if p not in ("", "__init__")) or "tune_tasks", path


FILES = dict(files())


def imports(path):
    """Dotted names that a file imports, at its top and in its functions; not what type checkers alone see."""
    pending = [ast.parse(path.read_text())]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module
        pending.extend(ast.iter_child_nodes(node))


def test_every_module_has_its_place():
    assert set(FILES) == set(ORDER)


@pytest.mark.parametrize("module", FILES)
def test_imports_run_downward(module):
    own = {name.removeprefix("tune_tasks.") for name in imports(FILES[module]) if name.split(".")[0] == "tune_tasks"}
    upward = {name for name in own if ORDER.index(name) >= ORDER.index(module)}
    if module == "trackers":  # its own parts
        upward = {name for name in upward if not name.startswith("trackers.")}
    assert {(module, name) for name in upward} <= UPWARD


@pytest.mark.parametrize("module", FILES)
def test_a_third_party_library_is_imported_where_it_belongs(module):
    libraries = {name.split(".")[0] for name in imports(FILES[module])} - sys.stdlib_module_names - {"tune_tasks"}
    assert libraries == {library for library in libraries if module in IMPORTED_BY.get(library, ())}


def test_what_is_light_stays_light():
    light = ", ".join(f"tune_tasks.{name}" for name in ("spec", "plan", "reporter", "attempt", "monitor", "cli"))
    code = f"import sys, tune_tasks, {light}; print(*{HEAVY} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"


def test_the_exported_names():
    assert sorted(tune_tasks.__all__) == EXPORTED
    assert all(getattr(tune_tasks, name).__name__ == name for name in EXPORTED)
    with pytest.raises(AttributeError, match="no attribute 'run_experiment'"):
        _ = tune_tasks.run_experiment


def test_the_tree_of_errors_is_drawn_as_it_is():
    classes = dict(inspect.getmembers(errors, lambda c: inspect.isclass(c) and issubclass(c, BaseException)))
    for name, error in classes.items():
        (line,) = [line for line in errors.__doc__.splitlines() if name in line.replace("`", " ").split()[:4]]
        (above,) = error.__bases__
        if above in classes.values():
            (parent,) = [line for line in errors.__doc__.splitlines() if above.__name__ in line.split()[:3]]
            assert line.index("── ") == parent.index(above.__name__) + 1, name
    assert errors.TrialStopped.__bases__ == (BaseException,)
    assert {name for name, error in classes.items() if getattr(error, "exit_code", None) == 2} == {
        *("BadInputError", "SpecError", "ExpressionError", "UsageError", "ConfigError", "ResourcesError", "TrainableError"),
    }


@pytest.mark.parametrize("kind", [errors.SpecError, errors.ExpressionError])
def test_an_error_travels_with_its_place(kind):
    error = pickle.loads(pickle.dumps(kind("stop: bad", errors.Location("f.yaml", 3, 4))))
    assert (type(error), str(error), error.exit_code) == (kind, "f.yaml:3:4: stop: bad", 2)
    assert str(error.within("e")) == "f.yaml:3:4: e.stop: bad"


def test_a_config_error_travels_with_its_key():
    error = pickle.loads(pickle.dumps(errors.ConfigError("bad", ("model", "dim"))))
    assert (str(error), error.key, error.exit_code) == ("config.model.dim: bad", ("model", "dim"), 2)


def test_did_you_mean():
    assert errors.did_you_mean("mean_acuracy", ["mean_loss", "mean_accuracy"]) == "; did you mean 'mean_accuracy'?"
    assert errors.did_you_mean("zzz", ["mean_loss"]) == ""
