"""A disk that is full, and folders that cannot be made.

The sweep waits, one trial fails, and the others go on.
"""

import subprocess
from pathlib import Path

import pytest

from tune_tasks.model.trial import TrialState
from tune_tasks.sweep import space
from tune_tasks.sweep.display import NoDisplay

FILLS = """
import errno, os
from pathlib import Path
def train(config, status_reporter):
    status_reporter(timesteps_total=1, mean_loss=config["x"])
    if config["x"] == 0:
        here = status_reporter.logdir
        (here.parent / "script_env_5_x=5").touch()  # in the way of that trial's folder
        with (here.parent.parent / "filler").open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(2**16))
            except OSError as exc:
                assert exc.errno == errno.ENOSPC
"""


@pytest.fixture
def small_disk(folder):
    """The results' folder on a disk of 8 MiB of its own."""
    place = folder / "tune_results"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "none", place],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"no disk can be mounted here, which takes root: {made.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


@pytest.fixture
def on_warning(monkeypatch):
    """Warnings of the sweep; `on_warning.do` is called at each."""

    class Warned(list):
        def do(self, text):
            """Nothing."""

    warned = Warned()

    def warn(_display, text):
        warned.append(text)
        warned.do(text)

    monkeypatch.setattr(NoDisplay, "warn", warn)
    return warned


def test_a_full_disk_is_waited_for(sweep, small_disk, on_warning, task_runs, mlflow_runs):
    on_warning.do = lambda _: [filler.unlink() for filler in small_disk.glob("exp/filler")]
    xs = list(range(6))
    summary = sweep(FILLS, config={"x": {"grid_search": xs}}, max_concurrent_trials=1)
    *others, last = summary.trials
    assert [trial.state for trial in others] == [TrialState.TERMINATED] * 5
    assert [text for text in on_warning if "no results" not in text] == []
    assert len(on_warning) == 1
    assert f"no results can be written to {small_disk}" in on_warning[0]
    assert last.state is TrialState.ERROR
    assert last.error_summary.endswith("script_env_5_x=5: File exists")
    assert last.error_summary.startswith("the trial's files cannot be made in ")
    assert (last.attempts, summary.ended_early) == (1, None)
    runs, _ = mlflow_runs()
    assert {name: run.info.status for name, run in runs.items()} == {
        **{trial.name: "FINISHED" for trial in others},
        last.name: "FAILED",
    }


def test_a_sweep_ends_with_what_is_done_where_the_disk_stays_full(
    sweep, small_disk, on_warning, monkeypatch, mlflow_runs
):
    monkeypatch.setattr(space, "_WAIT_S", 1.0)
    # With TensorBoard, which has no room either
    monkeypatch.setattr("tune_tasks.sweep.interruption.Patience.seconds", lambda *_: 2.0)
    summary = sweep(FILLS, config={"x": {"grid_search": [0, 1, 2]}}, max_concurrent_trials=1)
    states = [trial.state for trial in summary.trials]
    assert states == [TrialState.TERMINATED, TrialState.PENDING, TrialState.PENDING]
    assert summary.ended_early.startswith(f"no results could be written to {small_disk} for ")
    assert (summary.interrupted, summary.failed) == (False, [])
    assert summary.one_line().endswith(f"; ended early: {summary.ended_early}")
    trial_runs, (parent,) = mlflow_runs()
    assert ([run.info.status for run in trial_runs.values()], parent.info.status) == (
        ["FINISHED"],
        "FAILED",
    )
    assert not Path(small_disk, "exp", summary.sweep, "report", "report.md").exists()
