"""What all tests share: no test sees the user's Prefect, MLflow or Ray configuration.

A test that takes time says why by a marker of `NOT_FAST`, and all others are `fast`.
"""

import os
import re
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tune_tasks.servers.prefect import DEFAULT_URL_VARIABLE

pytest_plugins = ["tests.services.fixtures", "tests.commands.fixtures"]

for _name in [n for n in os.environ if n.startswith(("PREFECT_", "MLFLOW_", "RAY_"))]:
    del os.environ[_name]
# Before anything imports Prefect, which reads its configuration then; in a folder of its own for
# each run of the tests.
os.environ["PREFECT_HOME"] = tempfile.mkdtemp(prefix="tune-tasks-tests-")

# A server of the user's may answer on Prefect's default address.
os.environ[DEFAULT_URL_VARIABLE] = ""

# The machine is shared: how long an example takes says nothing.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

NOT_FAST = ("services", "rllib", "processes", "long")
SERVICES = Path(__file__).parent / "services"


class NoServices:
    """Refuses to import what the fast tests do without."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"ray", "prefect", "prefect_ray", "mlflow"}:
            raise ImportError(f"a fast test imports {name}: mark it, or import it where it is used")


def pytest_configure(config):
    if config.option.markexpr == "fast":
        sys.meta_path.insert(0, NoServices())


def pytest_ignore_collect(collection_path, config):
    """Leave out a module whose tests are all deselected, because collecting imports it."""
    expression = config.option.markexpr
    left_out = [name for name in NOT_FAST if expression == "fast" or f"not {name}" in expression]
    if collection_path == SERVICES:
        return True if "services" in left_out else None
    if collection_path.suffix == ".py" and left_out:
        pattern = rf"^pytestmark = \[?\s*pytest\.mark\.({'|'.join(left_out)})\b"
        return True if re.search(pattern, collection_path.read_text(), re.MULTILINE) else None
    return None


def pytest_collection_modifyitems(items):
    for item in items:
        if not any(item.get_closest_marker(name) for name in NOT_FAST):
            item.add_marker(pytest.mark.fast)
