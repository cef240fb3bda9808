"""What all tests share: no test sees the user's Prefect, MLflow or Ray configuration."""

import os
import tempfile

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
