"""The commands by which the runs of deployments start."""

import os
import shlex
import subprocess

import pytest

from tune_tasks.commands.deployed_engine import command_of_runner, command_of_worker

MODULE = "-m tune_tasks.commands.deployed_engine"


@pytest.fixture
def python(tmp_path):
    """Makes an interpreter that prints its own path and its arguments."""

    def make(name):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text('#!/bin/sh\necho "$0 $*"\n')
        path.chmod(0o755)
        return str(path)

    return make


def run(command, path):
    env = {"PATH": f"{path}:{os.environ['PATH']}"}
    return subprocess.run(
        shlex.split(command), env=env, capture_output=True, text=True, check=True
    ).stdout


def test_a_worker_takes_the_python_that_was_deployed_with_if_it_is_there(python, tmp_path):
    of_path = python("bin/python")
    deployed = python("its own/python")
    assert run(command_of_worker(deployed), tmp_path / "bin") == f"{deployed} {MODULE}\n"
    absent = str(tmp_path / "absent" / "python")
    assert run(command_of_worker(absent), tmp_path / "bin") == f"{of_path} {MODULE}\n"


def test_a_runner_takes_its_own_python():
    assert command_of_runner().endswith(f"{MODULE} served")
