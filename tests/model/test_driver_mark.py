"""Whether the driver that has left a mark still lives."""

import os
import signal
import subprocess
import sys

import pytest

from tune_tasks.model.driver_mark import is_alive, own_mark

CODE = """
from tune_tasks.model.driver_mark import own_mark
print(own_mark(), flush=True)
input()
"""


def test_this_process_lives():
    assert own_mark().startswith(f"{os.getpid()}:")
    assert is_alive(own_mark())


@pytest.mark.processes
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
def test_one_that_was_killed_does_not():
    with subprocess.Popen(
        [sys.executable, "-c", CODE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        mark = process.stdout.readline().strip()
        assert is_alive(mark)
        process.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not is_alive(mark)  # also before anybody has taken notice of its end
    assert not is_alive(mark)


def test_another_process_with_its_number_is_not_it():
    assert is_alive(f"{os.getpid()}:1") is (sys.platform != "linux")


@pytest.mark.parametrize("mark", ["", "7", "7:", "x:1"])
def test_what_is_no_mark_is_nobodys_death(mark):
    assert is_alive(mark)
