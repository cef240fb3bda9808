"""A script that is edited or deleted while its sweep runs.

Every trial runs what there was at the start.
"""

import subprocess
import sys
from pathlib import Path

from tune_tasks.model.trial import TrialState

SCRIPT = """
from pathlib import Path
import helper
def train(config, status_reporter):
    from package.late import LATE
    here = Path(__file__).parent
    data = int((here / "data.txt").read_text())
    status_reporter(timesteps_total=1, mean_loss=helper.VALUE, late=LATE, data=data, at=__file__)
    if config["x"] == 0:
        Path(__file__).write_text("def train(c, r): raise RuntimeError('edited')")
        (here / "helper.py").write_text("VALUE = 99")
        (here / "data.txt").write_text("5")
    if config["x"] == 1:
        for name in (Path(__file__).name, "helper.py", "package/late.py"):
            (here / name).unlink()
    if config["x"] == 2:
        raise ValueError("the end")
"""


def git(folder, *args):
    identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main")
    return subprocess.run(
        ["git", "-C", folder, *identity, *args], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_every_trial_runs_the_code_of_the_start(sweep, folder, mlflow_runs):
    (folder / "script.py").write_text(SCRIPT)
    (folder / "helper.py").write_text("VALUE = 0.5")
    (folder / "package").mkdir()
    (folder / "package" / "late.py").write_text("LATE = 7")
    (folder / "data.txt").write_text("3")
    git(folder, "init", "-q")
    git(folder, "add", "*.py")
    git(folder, "commit", "-qm", "code")
    summary = sweep(
        SCRIPT, config={"x": {"grid_search": [0, 1, 2]}}, max_concurrent_trials=1, isolate=True
    )
    first, second, third = summary.trials
    assert [trial.state for trial in summary.trials] == [
        TrialState.TERMINATED,
        TrialState.TERMINATED,
        TrialState.ERROR,
    ]
    info = {"late": 7, "data": 3, "at": str(folder / "script.py")}
    assert (first.last_result["mean_loss"], first.last_result["info"]) == (0.5, info)
    for later in (second, third):  # data are read as they are then
        assert (later.last_result["mean_loss"], later.last_result["info"]) == (
            0.5,
            {**info, "data": 5},
        )
    assert f'{folder}/script.py", line 17, in train\n    raise ValueError("the end")' in third.error
    assert not (folder / "script.py").exists()
    (experiment,) = summary.experiments
    code, commit = experiment.code, git(folder, "rev-parse", "HEAD")
    assert (code.git_commit, code.git_dirty, len(code.sha256)) == (commit, False, 64)
    shown = summary.as_json()["experiments"]["exp"]["code"]
    assert shown == {"sha256": code.sha256, "git_commit": commit, "git_dirty": False}
    trial_runs, (parent,) = mlflow_runs()
    for run in (parent, *trial_runs.values()):
        tags = run.data.tags
        assert (tags["tune_tasks.code_sha256"], tags["mlflow.source.git.commit"]) == (
            code.sha256,
            commit,
        )
        assert tags["tune_tasks.git_dirty"] == "false"
    assert Path(artifact(parent, "script.py")).read_text() == SCRIPT


MODULE = """
from kept_helper import VALUE
def train(config, status_reporter):
    import pathlib
    status_reporter(timesteps_total=1, mean_loss=VALUE)
    for name in (__file__, pathlib.Path(__file__).parent / "kept_helper.py"):
        pathlib.Path(name).write_text("1 / 0")
"""


def test_a_function_of_a_module_is_the_one_of_the_start_too(sweep, folder, monkeypatch):
    (folder / "kept_module.py").write_text(MODULE)
    (folder / "kept_helper.py").write_text("VALUE = 0.5")
    monkeypatch.syspath_prepend(folder)
    from kept_module import train

    try:
        summary = sweep(train, num_trials=2, max_concurrent_trials=1, isolate=True)
    finally:
        for name in ("kept_module", "kept_helper"):
            sys.modules.pop(name, None)
    assert [trial.last_result and trial.last_result["mean_loss"] for trial in summary.trials] == [
        0.5,
        0.5,
    ]
    assert (summary.failed, len(summary.experiments[0].code.sha256)) == ([], 64)


def artifact(run, name):
    from mlflow.artifacts import download_artifacts

    return download_artifacts(f"{run.info.artifact_uri}/{name}")
