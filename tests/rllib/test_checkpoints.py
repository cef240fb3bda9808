"""What a checkpoint says of its trial."""

import os
import re
from pathlib import Path

import pytest

from tune_tasks.errors import UsageError
from tune_tasks.rllib import checkpoints
from tune_tasks.rllib.checkpoints import Checkpoint
from tune_tasks.trial.report_rows import Earlier

WHAT = Checkpoint("PPO", "CartPole-v1", {"lr": 0.1}, Earlier(4000, 12.5, 10), [(20.0, 20)], 73)


def save(folder):
    Path(folder).mkdir()
    (Path(folder) / "weights").write_text("w")


def test_it_is_read_as_it_was_written(tmp_path):
    folder = tmp_path
    checkpoints.write(folder, WHAT, save)
    read = Checkpoint.read(folder)
    assert (read.alg, read.env, read.config, read.earlier) == (
        WHAT.alg,
        WHAT.env,
        WHAT.config,
        WHAT.earlier,
    )
    assert read.recent_episodes().fields()["episode_reward_mean"] == 20.0
    assert read.recent_episodes().total == 73
    assert (checkpoints.algorithm_folder(folder) / "weights").read_text() == "w"


def test_another_folder_is_none(tmp_path):
    with pytest.raises(
        UsageError,
        match=re.escape(f"{tmp_path} is not a checkpoint of tune-tasks (expected a folder with"),
    ):
        Checkpoint.read(tmp_path)


def test_the_nearest_is_named(tmp_path):
    folder = tmp_path / "sweep" / "trial" / "checkpoints" / "000010"
    folder.mkdir(parents=True)
    checkpoints.write(folder, WHAT, save)
    with pytest.raises(UsageError, match=f"; did you mean {re.escape(str(folder))}\\?"):
        Checkpoint.read(tmp_path / "sweep")
    (folder / "trial.json").write_text("{}")
    with pytest.raises(UsageError, match="is not a checkpoint"):
        Checkpoint.read(folder)


def test_the_search_for_the_nearest_is_bounded(tmp_path, monkeypatch):
    folders = tmp_path / "a"
    for i in range(20):
        (folders / f"{i}" / "deep").mkdir(parents=True)
    looked = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: looked.append(path) or scandir(path))
    monkeypatch.setattr(checkpoints, "_MOST_ENTRIES", 5)
    folder = folders / "0" / "deep" / "deeper"
    folder.mkdir()
    checkpoints.write(folder, WHAT, save)
    looked.clear()
    with pytest.raises(
        UsageError, match=re.escape(f"{tmp_path} is not a checkpoint of tune-tasks (expected")
    ):
        Checkpoint.read(tmp_path)
    assert len(looked) <= 5


def test_the_root_of_all_files_is_no_checkpoint():
    with pytest.raises(UsageError, match=r"^/ is not a checkpoint of tune-tasks"):
        Checkpoint.read(Path("/"))


def test_a_folder_that_links_to_itself_and_a_pipe_end_the_search(tmp_path):
    (tmp_path / "again").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "trial.json")
    with pytest.raises(UsageError, match="is not a checkpoint"):
        Checkpoint.read(tmp_path)
