"""What a flow run shows in Prefect.

The leaderboard and progress, kept up to date in place, the report, the task runs' tags.
"""

import json
import time
from types import SimpleNamespace

import pytest


@pytest.fixture
def artifacts(prefect):
    """The artifacts of a flow run by key."""
    from prefect.client.orchestration import get_client

    def read(summary):
        query = {"flow_runs": {"id": {"any_": [summary.prefect_url.rsplit("/", 1)[-1]]}}}
        # Whose own method wants a task run of every artifact
        with get_client(sync_client=True) as client:
            found = [
                SimpleNamespace(**artifact)
                for artifact in client.request("POST", "/artifacts/filter", json=query).json()
            ]
        keys = [artifact.key for artifact in found if artifact.key]
        assert len(set(keys)) == len(keys)
        return {artifact.key: artifact for artifact in found if artifact.key}

    return read


def train(config, reporter):
    reporter(timesteps_total=1, mean_accuracy=config["x"] / 10)
    if config["x"] == 3:
        raise ValueError("a bad x")
    time.sleep(3.5)  # the two one after the other take longer than the time between two updates
    reporter(timesteps_total=2, mean_accuracy=config["x"] / 5)


def test_leaderboard_progress_and_report(sweep, artifacts, task_runs):
    summary = sweep(train, config={"x": {"grid_search": [1, 2, 3]}}, max_concurrent_trials=1)
    shown = artifacts(summary)
    assert set(shown) == {"leaderboard-exp", "progress-exp", "report-exp"}
    board, progress, report = shown["leaderboard-exp"], shown["progress-exp"], shown["report-exp"]

    rows = json.loads(board.data)
    assert [(row["trial"], row["state"], row["mean_accuracy"]) for row in rows] == [
        ("script_env_1_x=2", "TERMINATED", "0.4"),
        ("script_env_0_x=1", "TERMINATED", "0.2"),
        ("script_env_2_x=3", "ERROR", "0.3"),
    ]
    assert [row["why it ended"] for row in rows] == ["train() returned"] * 2 + [
        "ValueError: a bad x"
    ]
    assert (
        board.description
        == progress.description
        == report.description
        == "3/3 done, best mean_accuracy 0.4, 1 failed"
    )
    assert (board.type, progress.type, progress.data, report.type) == (
        "table",
        "progress",
        100,
        "markdown",
    )
    assert board.updated > board.created  # one artifact, kept up to date

    assert report.data.startswith("# exp\n")
    assert report.data.count("(data:image/png;base64,") == 3
    assert (summary.experiments[0].logdir / "report" / "report.md").exists()
    assert {
        tuple(sorted(run.tags))
        for name, run in task_runs(summary).items()
        if name.startswith("script_")
    } == {("exp", "script")}


def test_names_that_prefect_does_not_take_are_told_apart(cluster, folder, artifacts):
    from tune_tasks import Experiment, run_experiments

    names = ["My Ünit", "my-nit", "--"]
    summary = run_experiments(
        [Experiment(name, lambda config, reporter: reporter(timesteps_total=1)) for name in names],
        display="none",
    )
    assert {"leaderboard-my-nit", "leaderboard-my-nit-2", "leaderboard-experiment"} < set(
        artifacts(summary)
    )
