"""The rules of who imports whom: rooms, libraries, and what is light."""

import ast
import functools
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import tune_tasks

ROOT = Path(tune_tasks.__file__).parent

# Which rooms import which library.
IMPORTED_BY = {
    "PIL": {"rllib"},
    "cloudpickle": {"testing"},
    "fsspec": {"spec", "trial"},
    "gymnasium": {"rllib"},
    "httpx": {"commands", "servers"},
    "cmaes": {"search"},
    "matplotlib": {"results"},
    "mlflow": {"servers", "tracking", "trial"},
    "optuna": {"search"},
    "packaging": {"commands"},
    "numpy": {"rllib", "search", "spec", "trial"},
    "pandas": {"results"},
    "prefect": {"cluster", "commands", "flows", "servers", "sweep", "trial"},
    "prefect_ray": {"cluster", "sweep"},
    "pyarrow": {"rllib"},
    "pytest": {"testing"},
    "pydantic": {"commands", "spec", "sweep"},
    "pydantic_core": {"spec", "sweep"},
    "ray": {"cluster", "recording", "rllib", "sweep", "trial"},
    "rich": {"commands", "sweep"},
    "scipy": {"rllib", "spec"},
    "starlette": {"servers"},
    "tensorboard": {"tracking"},
    "torch": {"rllib"},
    "tree": {"rllib"},
    "uvicorn": {"servers"},
    "yaml": {"convert", "spec"},
}
HEAVY = {"ray", "prefect", "mlflow", "numpy", "torch", "pandas", "rich"}


def files():
    folders = {"": ROOT, "flows": ROOT.parent / "flows"}
    for package, folder in folders.items():
        for path in sorted(folder.rglob("*.py")):
            parts = [package, *path.relative_to(folder).with_suffix("").parts]
            yield ".".join(p for p in parts if p not in ("", "__init__")) or "tune_tasks", path


FILES = dict(files())


@functools.cache
def imports(path):
    """The dotted names that a file imports, at its top or in a function, but not for types alone."""
    return list(_imports(path))


def _imports(path):
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
        for part in ("body", "orelse", "handlers", "finalbody", "cases"):
            pending.extend(getattr(node, part, ()))


def room(module):
    return module.partition(".")[0]


@pytest.mark.processes
def test_the_rooms_import_one_another_as_the_plan_says():
    """`.importlinter` is the plan: the floors, what a worker may import, what is pure."""
    result = subprocess.run(
        ["lint-imports"], cwd=ROOT.parent, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout


def test_flows_are_imported_by_what_starts_them_alone():
    """They are installed from a folder of their own, which import-linter does not see."""
    importers = {
        module
        for module, path in FILES.items()
        if any(name.startswith("tune_tasks.flows") for name in imports(path))
    }
    assert {room(module) for module in importers} == {"flows", "commands", "api"}


def test_every_folder_is_a_package_that_is_installed():
    packages = tomllib.loads((ROOT.parent / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {
        ".".join(("tune_tasks", *path.parent.relative_to(ROOT).parts))
        for path in ROOT.rglob("*.py")
    }
    assert set(packages["packages"]) == folders | {"tune_tasks.flows"}


@pytest.mark.parametrize("module", FILES)
def test_a_third_party_library_is_imported_where_it_belongs(module):
    ours = sys.stdlib_module_names | {"tune_tasks"}
    libraries = {name.split(".")[0] for name in imports(FILES[module])} - ours
    allowed = {library for library, rooms in IMPORTED_BY.items() if room(module) in rooms}
    assert libraries <= allowed


@pytest.mark.processes
def test_what_is_light_stays_light():
    light = ", ".join(
        f"tune_tasks.{name}"
        for name in (
            "spec.loading",
            "sweep.planning",
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
