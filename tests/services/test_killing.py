"""Our Prefect server is killed while trials run: it is started again, and told how they ended."""

import contextlib
import json
import os
import signal
from pathlib import Path

from tests.faults.results import wrong_in_prefect
from tests.services.waiting import until

SCRIPT = """
import time
from pathlib import Path
from tune_tasks import TrainingResult
def train(config, status_reporter):
    for step in range(5):
        status_reporter.report(TrainingResult(timesteps_total=step, mean_loss=1 / (step + 1)))
        while not Path("killed").exists():
            time.sleep(0.1)
"""


def test_prefect_server(command, folder, tmp_path_factory, mlflow_runs):
    home = tmp_path_factory.mktemp("prefect")
    (folder / "script.py").write_text(SCRIPT)
    (folder / "spec.yaml").write_text("exp: {num_trials: 3, config: {script_file_path: script.py}}")
    process = command(
        "-f", "spec.yaml", "--json", env={"PREFECT_HOME": str(home), "PREFECT_API_URL": ""}
    )
    until(lambda: list(folder.glob("tune_results/exp/*/*/result.json")), 120)
    os.kill(server_of(home), signal.SIGKILL)
    (folder / "killed").touch()
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    trials = json.loads(out)["experiments"]["exp"]["trials"]
    assert [(trial["state"], trial["reports"]) for trial in trials] == [("TERMINATED", 5)] * 3
    assert {run.info.status for run in mlflow_runs()[0].values()} == {"FINISHED"}
    assert "Warning: the Prefect server has died, and was started again" in err
    assert wrong_in_prefect(home) == []


def server_of(home):
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has just ended
            if f"tune_tasks.servers.prefect_main\0{home}" in (process / "cmdline").read_text():
                return int(process.name)
    raise AssertionError("no server")
