"""Which processes a dead driver has left."""

import os
import signal
import subprocess
import sys

import pytest

from tune_tasks.commands.checks.processes import end, left_processes
from tune_tasks.model.driver_mark import VARIABLE, own_mark

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")


@pytest.fixture
def mark_of_the_dead():
    code = "from tune_tasks.model.driver_mark import own_mark; print(own_mark())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def start():
    """Starts a process that looks like one of Ray's."""
    started = []

    def start(mark, command=("ray::IDLE", "60")):
        env = {**os.environ, **({VARIABLE: mark} if mark else {})}
        started.append(subprocess.Popen(command, executable="/bin/sleep", env=env))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.processes
def test_those_of_a_dead_driver_are_found_and_ended(start, mark_of_the_dead):
    left, alive, nobodys = start(mark_of_the_dead), start(own_mark()), start("")
    user = start(mark_of_the_dead, ("train", "60"))  # what a script has left running on purpose
    ours = {process.pid for process in (left, alive, nobodys, user)}
    found = [process for process in left_processes() if process.pid in ours]
    assert [process.pid for process in found] == [left.pid]
    end(found)
    assert left.wait(10) == -signal.SIGKILL
    assert [p.poll() for p in (alive, nobodys, user)] == [None] * 3
