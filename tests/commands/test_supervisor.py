"""A command that outlives its driver: real processes, and a driver that does what it is told."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

PROGRAM = Path(__file__).with_name("supervised.py")
KILLED = "the sweep's driver was killed by SIGKILL"
BY_RAY = "the sweep's driver ended with code 1, as Ray ends it if the head of its cluster has died"
GOES_ON = "; another one goes on with the sweep\n"
HINT = "`tune-tasks run --resume the_sweep` goes on from there\n"


class Supervised:
    """The program, and what it has said."""

    def __init__(self, folder, *actions):
        self.said_file = folder / "said"
        command = [sys.executable, str(PROGRAM), str(folder), *actions]
        self.process = subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    @property
    def said(self):
        return self.said_file.read_text().splitlines() if self.said_file.exists() else []

    def end(self):
        _, self.stderr = self.process.communicate(timeout=60)
        return self.process.returncode

    def wait_until_it_waits(self):
        until(lambda: "waits" in self.said)


def until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_alive(pid):
    with contextlib.suppress(OSError):
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    return False


@pytest.fixture
def supervised(tmp_path):
    made = []

    def start(*actions):
        made.append(Supervised(tmp_path, *actions))
        return made[-1]

    yield start
    for program in made:
        with contextlib.suppress(OSError):
            os.killpg(program.process.pid, signal.SIGKILL)
        program.process.wait()
        program.process.stderr.close()


@pytest.mark.parametrize(("action", "code"), [("0", 0), ("1", 1), ("130", 130), ("raise", 5)])
def test_the_exit_code_is_the_drivers(supervised, action, code):
    program = supervised(action)
    assert program.end() == code
    assert program.stderr == ""
    assert program.said == ["driver of None"]


def test_another_driver_goes_on_with_the_sweep(supervised):
    program = supervised("keep+die", "keep+exit", "0")
    assert program.end() == 0
    assert program.stderr == f"{KILLED}{GOES_ON}{BY_RAY}{GOES_ON}"
    assert program.said == ["driver of None", "driver of the_sweep", "driver of the_sweep"]


def test_drivers_that_die_without_any_progress_are_not_started_for_ever(supervised):
    program = supervised("die", "die", "keep+die", "die", "die", "0")
    assert program.end() == 7
    assert program.said == ["driver of None", *4 * ["driver of the_sweep"], "given up: the_sweep"]
    assert program.stderr.endswith(f"{KILLED}, 3 times without any progress: {HINT}")


def test_a_sweep_that_was_ending_does_not_begin_anew(supervised):
    program = supervised("end+die", "0")
    assert program.end() == 7
    assert program.stderr == f"{KILLED} while the sweep was ending: {HINT}"


def test_a_driver_that_dies_before_its_sweep_has_begun_is_not_started_again(supervised):
    program = supervised("early", "0")
    assert program.end() == 1
    assert program.stderr == f"{KILLED} before the sweep had begun\n"


def test_what_a_dead_driver_leaves_behind_is_ended(supervised):
    program = supervised("leave+die", "0")
    assert program.end() == 0
    left = int(program.said[1])
    until(lambda: not is_alive(left))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_from_a_process_reaches_the_driver(supervised, number):
    program = supervised("wait")
    program.wait_until_it_waits()
    os.kill(program.process.pid, number)
    assert program.end() == 0
    assert program.said[-1] == str([number.name])


def test_the_end_of_the_terminal_asks_for_the_end_of_the_sweep(supervised):
    program = supervised("wait")
    program.wait_until_it_waits()
    os.killpg(program.process.pid, signal.SIGHUP)
    assert program.end() == 0
    assert program.said[-1] == "['SIGTERM']"


def test_a_sweep_that_was_started_with_nohup_outlives_its_terminal(supervised):
    ignored = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        program = supervised("wait")
        program.wait_until_it_waits()
        os.killpg(program.process.pid, signal.SIGHUP)
        os.kill(program.process.pid, signal.SIGINT)
        assert program.end() == 0
        assert program.said[-1] == "['SIGINT']"
    finally:
        signal.signal(signal.SIGHUP, ignored)


def test_a_driver_does_not_outlive_its_supervisor(supervised):
    program = supervised("wait")
    program.wait_until_it_waits()
    program.process.kill()
    until(lambda: program.said[-1] == "['SIGTERM']")


def test_a_driver_may_be_killed_with_its_supervisor(supervised, monkeypatch):
    monkeypatch.setenv("WHEN_KILLED", "SIGKILL")
    program = supervised("pid+wait")
    program.wait_until_it_waits()
    program.process.kill()
    until(lambda: not is_alive(int(program.said[1])))
    assert program.said[-1] == "waits"


def test_a_driver_that_dies_while_it_ends_the_sweep_is_not_started_again(supervised):
    program = supervised("wait+die", "0")
    program.wait_until_it_waits()
    os.kill(program.process.pid, signal.SIGTERM)
    assert program.end() == 130
    assert program.stderr == f"{KILLED} while the sweep was ending: {HINT}"
    assert program.said[-1] == "given up: the_sweep"
