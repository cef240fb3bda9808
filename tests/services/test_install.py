"""An installed wheel, where nothing of Prefect is configured and the user has a `flows/` folder.

And `tune-tasks ui`.
"""

import base64
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.services.waiting import until

ROOT = Path(__file__).parents[2]
SCRIPT = """
import flows
from tune_tasks import TrainingResult
def train(config, status_reporter):
    status_reporter.report(TrainingResult(timesteps_total=1, mean_loss=flows.LOSS))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The wheel, unpacked as an installation of its own beside the environment's."""
    folder = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", folder / "dist", ROOT], check=True)
    (wheel,) = (folder / "dist").iterdir()
    subprocess.run([*pip, "install", "--no-deps", "--target", folder / "site", wheel], check=True)
    return folder / "site"


@pytest.fixture
def environment(site, folder):
    """A user of their own, with an empty home, on the installed wheel.

    `tests/conftest.py` has set that nobody looks for a server on Prefect's default address.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
    home = folder / "home"
    home.mkdir()
    return {**kept, "HOME": str(home), "PYTHONPATH": str(site), "MARKER": str(folder)}


def test_a_fresh_install_runs_and_shows_its_runs(environment, folder, site):
    (folder / "flows").mkdir()
    (folder / "flows" / "__init__.py").write_text("LOSS = 0.25")
    (folder / "script.py").write_text(SCRIPT)
    (folder / "spec.json").write_text(
        json.dumps({"installed": {"config": {"script_file_path": "script.py"}}})
    )
    where = "import tune_tasks.flows.tune as tune; print(tune.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", where], env=environment, capture_output=True, text=True, check=True
    )
    assert found.stdout.startswith(str(site))

    command = [sys.executable, "-m", "tune_tasks.cli"]
    done = subprocess.run(
        [*command, "-f", "spec.json", "--json"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (trial,) = json.loads(done.stdout)["experiments"]["installed"]["trials"]
    assert trial["last_result"]["mean_loss"] == 0.25
    # Prefect's own place, for a later `prefect server start`
    assert (folder / "home" / ".prefect" / "prefect.db").exists()

    pages = subprocess.Popen(
        [*command, "ui", "--no-browser"], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        prefect, mlflow = (
            re.search(r"http://127\.0\.0\.1:\d+", pages.stdout.readline())[0] for _ in range(2)
        )
        assert (
            pages.stdout.readline()
            == f"The last sweep: {prefect}/runs/flow-run/{trial_flow_run(done.stdout)}\n"
        )
        assert "<title>Prefect" in page(prefect)
        assert "MLflow" in page(mlflow)
        flow_run = trial_flow_run(done.stdout)
        (auth_file,) = (folder / "home" / ".prefect" / "tune-tasks").glob("*/server.auth")
        answer = page(f"{prefect}/api/flow_runs/{flow_run}", auth_file.read_text())
        assert json.loads(answer)["state"]["type"] == "COMPLETED"
    finally:
        pages.send_signal(signal.SIGINT)
        pages.wait(timeout=60)
    assert pages.returncode == 0
    until(
        lambda: (
            not any(str(folder) in environ_of(process) for process in Path("/proc").glob("[0-9]*"))
        )
    )


def trial_flow_run(document):
    return json.loads(document)["prefect_url"].rsplit("/", 1)[-1]


def page(url, auth_string=""):
    headers = (
        {"Authorization": f"Basic {base64.b64encode(auth_string.encode()).decode()}"}
        if auth_string
        else {}
    )
    return (
        urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30)
        .read()
        .decode()
    )


def environ_of(process):
    try:
        return (process / "environ").read_text()
    except OSError:
        return ""
