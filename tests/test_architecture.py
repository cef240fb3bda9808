"""The rules that hold the package together.

Who imports whom, what is exported, the tree of errors.
"""

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
    *(
        "model",
        "spec",
        "spec.expressions",
        "search",
        "results",
        "servers",
        "tracking",
        "recording",
        "trial",
        "cluster",
        "rllib.config",
        "rllib.envs",
        "rllib.algorithms",
        "rllib.data",
        "sweep",
        "commands",
    ),
    *(
        "errors",
        "model.text",
        "model.masking",
        "model.disk",
        "result",
        "tune_tasks",
        "model.stopping",
        "model.trial",
        "model.result_file",
    ),
    *(
        "spec.source",
        "rllib",
        "rllib.config.keys_2017",
        "spec.names",
        "spec.expressions.language",
        "spec.lookalikes",
        "spec.schema",
        "spec.search_space",
        "model.snapshot",
        "trial.script_end",
        "model.code_version",
        "trial.trainable",
        "trial.reporter",
    ),
    *(
        "rllib.config.catalog",
        "rllib.config.hints",
        "rllib.config.settings",
        "rllib.config.given",
        "rllib.config.options",
    ),
    *(
        "rllib.data.recorded_data",
        "rllib.config.data_keys",
        "rllib.data.recording",
        "rllib.config.replay_keys",
        "rllib.algorithms.connectors",
        "rllib.envs.atari",
        "rllib.envs.env_class",
        "rllib.envs.env_check",
        "rllib.envs.wrappers",
    ),
    *("rllib.envs.env_errors", "rllib.envs.environments"),
    *(
        "rllib.config.model_keys",
        "rllib.config.algorithm_config",
        "rllib.algorithms.actor_critic",
        "rllib.algorithms.workers",
    ),
    *("rllib.algorithms.a3c", "rllib.algorithms.a2c", "rllib.algorithms.es", "rllib.quiet"),
    *(
        "rllib.shares",
        "rllib.results",
        "rllib.callbacks",
        "rllib.checkpoints",
        "rllib.trainable",
        "rllib.evaluate",
    ),
    *("rllib.planning", "sweep.plan", "cluster.nodes"),
    *(
        "results.summary",
        "results.leaderboard",
        "results.plots",
        "results.report",
        "search.scheduler",
        "tracking.mlflow_view",
        "servers.mlflow_database",
        "servers.mlflow_client",
        "tracking.mlflow_store",
        "recording.protocol",
        "tracking.standing",
    ),
    *(
        "sweep.records",
        "tracking.base",
        "tracking.mlflow",
        "tracking.tensorboard",
        "recording.pump",
        "recording.recorder",
    ),
    *(
        "recording.client",
        "trial.monitor",
        "trial.import_hook",
        "trial.user_mlflow",
        "trial.process_state",
        "trial.forking",
        "trial.attempt",
    ),
    *(
        "sweep.status",
        "sweep.request",
        "commands.deployment",
        "servers.prefect",
        "servers.prefect_main",
    ),
    *(
        "cluster.local",
        "cluster.task_runner",
        "sweep.run_view",
        "trial.task",
        "sweep.postmortem",
        "sweep.hearing",
        "sweep.interruption",
        "sweep.pausing",
        "sweep.resumption",
        "sweep.driver",
        "sweep.execution",
    ),
    *(
        "flows",
        "flows.tune",
        "flows.train",
        "sweep.launch",
        "commands.deploy",
        "commands.ui",
        "commands.best",
        "api",
        "cli",
    ),
]
UPWARD = {("flows.tune", "cli"), ("flows.train", "cli")}  # a flow's file is a script too

IMPORTED_BY = {
    "pydantic": {"spec.schema", "sweep.request", "commands.deployment", "commands.deploy"},
    "pydantic_core": {"spec.schema"},
    "yaml": {"spec.source"},
    "matplotlib": {"results.plots"},
    "tree": {"rllib.algorithms.connectors"},
    "pyarrow": {"rllib.data.recorded_data", "rllib.data.recording"},
    "numpy": {
        *(
            "spec.expressions.language",
            "trial.attempt",
            "trial.process_state",
            "rllib.algorithms.connectors",
            "rllib.envs.wrappers",
            "rllib.envs.environments",
            "rllib.algorithms.a3c",
            "rllib.algorithms.es",
            "rllib.envs.env_check",
        ),
        *("rllib.data.recorded_data", "rllib.data.recording"),
    },
    "pandas": {"results.summary"},
    "rich": {"sweep.status"},
    "mlflow": {
        "servers.mlflow_client",
        "tracking.mlflow_store",
        "tracking.mlflow",
        "trial.user_mlflow",
    },
    "tensorboardX": {"tracking.tensorboard"},
    "uvicorn": {"servers.prefect_main"},
    "starlette": {"servers.prefect_main"},
    "httpx": {"commands.deploy", "servers.prefect"},
    "ray": {
        *(
            "cluster.local",
            "cluster.task_runner",
            "recording.recorder",
            "recording.client",
            "trial.task",
            "sweep.postmortem",
            "sweep.hearing",
            "sweep.driver",
            "sweep.execution",
        ),
        *(
            "rllib.config.catalog",
            "rllib.algorithms.connectors",
            "rllib.envs.environments",
            "rllib.config.model_keys",
            "rllib.config.settings",
            "rllib.config.algorithm_config",
        ),
        *(
            "rllib.algorithms.actor_critic",
            "rllib.algorithms.workers",
            "rllib.algorithms.a3c",
            "rllib.algorithms.a2c",
            "rllib.algorithms.es",
        ),
        *(
            "rllib.quiet",
            "rllib.callbacks",
            "rllib.trainable",
            "rllib.evaluate",
            "rllib.data.recorded_data",
            "rllib.data.recording",
        ),
        "rllib.config.data_keys",
    },
    "gymnasium": {
        *(
            "rllib.envs.env_errors",
            "rllib.envs.atari",
            "rllib.envs.env_class",
            "rllib.envs.env_check",
            "rllib.envs.wrappers",
            "rllib.envs.environments",
        ),
        *("rllib.evaluate", "rllib.config.algorithm_config"),
    },
    "torch": {
        "rllib.algorithms.actor_critic",
        "rllib.algorithms.a3c",
        "rllib.algorithms.es",
        "rllib.data.recorded_data",
    },
    "scipy": {"rllib.algorithms.es"},
    "typing_extensions": {"rllib.algorithms.actor_critic", "rllib.algorithms.es"},
    "PIL": {"rllib.envs.wrappers", "rllib.evaluate"},
    "prefect_ray": {"cluster.task_runner", "sweep.driver"},
    "prefect": {
        *(
            "cluster.task_runner",
            "sweep.run_view",
            "trial.task",
            "sweep.postmortem",
            "sweep.hearing",
            "sweep.pausing",
            "sweep.driver",
            "sweep.execution",
        ),
        *(
            "servers.prefect",
            "servers.prefect_main",
            "sweep.launch",
            "commands.deploy",
            "flows.tune",
            "flows.train",
        ),
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
    """Dotted names that a file imports, at its top and in its functions.

    Not what type checkers alone see.
    """
    pending = [ast.parse(path.read_text())]
    while pending:
        node = pending.pop()
        if (
            isinstance(node, ast.If)
            and isinstance(node.test, ast.Name)
            and node.test.id == "TYPE_CHECKING"
        ):
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
    own = {
        name.removeprefix("tune_tasks.")
        for name in imports(FILES[module])
        if name.split(".")[0] == "tune_tasks"
    }
    upward = {name for name in own if ORDER.index(name) >= ORDER.index(module)}
    assert {(module, name) for name in upward} <= UPWARD


@pytest.mark.parametrize("module", FILES)
def test_a_third_party_library_is_imported_where_it_belongs(module):
    libraries = (
        {name.split(".")[0] for name in imports(FILES[module])}
        - sys.stdlib_module_names
        - {"tune_tasks"}
    )
    assert libraries == {library for library in libraries if module in IMPORTED_BY.get(library, ())}


def test_what_is_light_stays_light():
    light = ", ".join(
        f"tune_tasks.{name}"
        for name in (
            "spec.schema",
            "sweep.plan",
            "trial.reporter",
            "trial.attempt",
            "trial.monitor",
            "cli",
        )
    )
    code = f"import sys, tune_tasks, {light}; print(*{HEAVY} & set(sys.modules))"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        == "\n"
    )


def test_the_exported_names():
    assert sorted(tune_tasks.__all__) == EXPORTED
    assert all(getattr(tune_tasks, name).__name__ == name for name in EXPORTED)
    with pytest.raises(AttributeError, match="no attribute 'run_experiment'"):
        _ = tune_tasks.run_experiment


def test_the_tree_of_errors_is_drawn_as_it_is():
    classes = dict(
        inspect.getmembers(errors, lambda c: inspect.isclass(c) and issubclass(c, BaseException))
    )
    for name, error in classes.items():
        (line,) = [
            line
            for line in errors.__doc__.splitlines()
            if name in line.replace("`", " ").split()[:4]
        ]
        (above,) = error.__bases__
        if above in classes.values():
            (parent,) = [
                line for line in errors.__doc__.splitlines() if above.__name__ in line.split()[:3]
            ]
            assert line.index("── ") == parent.index(above.__name__) + 1, name
    assert errors.TrialStopped.__bases__ == (BaseException,)
    assert {name for name, error in classes.items() if getattr(error, "exit_code", None) == 2} == {
        *(
            "BadInputError",
            "SpecError",
            "ExpressionError",
            "UsageError",
            "ConfigError",
            "ResourcesError",
            "TrainableError",
        ),
    }


@pytest.mark.parametrize("kind", [errors.SpecError, errors.ExpressionError])
def test_an_error_travels_with_its_place(kind):
    error = pickle.loads(pickle.dumps(kind("stop: bad", errors.Location("f.yaml", 3, 4))))
    assert (type(error), str(error), error.exit_code) == (kind, "f.yaml:3:4: stop: bad", 2)
    assert str(error.within("e")) == "f.yaml:3:4: e.stop: bad"


def test_a_config_error_travels_with_its_key():
    error = pickle.loads(pickle.dumps(errors.ConfigError("bad", ("model", "dim"))))
    assert (str(error), error.key, error.exit_code) == (
        "config.model.dim: bad",
        ("model", "dim"),
        2,
    )


def test_did_you_mean():
    assert (
        errors.did_you_mean("mean_acuracy", ["mean_loss", "mean_accuracy"])
        == "; did you mean 'mean_accuracy'?"
    )
    assert errors.did_you_mean("zzz", ["mean_loss"]) == ""
