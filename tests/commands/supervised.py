"""A program for the tests of the supervisor: `supervised.py FOLDER ACTION…`.

Each driver takes the next action. What happens is noted in `FOLDER/said`.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tune_tasks.commands.supervisor import supervise

folder = Path(sys.argv[1])
journal = folder / "the_sweep" / "journal.jsonl"
asked = []


def say(text):
    with (folder / "said").open("a") as file:
        file.write(f"{text}\n")


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def keep_something():
    with journal.open("a") as file:
        file.write('"will_retry":false')


def end_the_sweep():
    with journal.open("a") as file:
        file.write('"kind":"driver" "kind":"end all"')


def leave_processes():
    sleeper = "import time; time.sleep(600)"
    program = (
        f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', '{sleeper}']).wait()"
    )
    process = subprocess.Popen([sys.executable, "-c", program], start_new_session=True)
    say(process.pid)


def wait_for_a_signal():
    say("waits")
    while not asked:
        time.sleep(0.01)
    time.sleep(0.2)  # for a second one, which must not come
    say(asked)


ACTIONS = {
    "pid": lambda: say(os.getpid()),
    "die": die,
    "keep": keep_something,
    "end": end_the_sweep,
    "leave": leave_processes,
    "wait": wait_for_a_signal,
    "hang": lambda: time.sleep(600),
    "exit": lambda: os._exit(1),
    "raise": lambda: sys.exit(5),
}


def give_up(path):
    say(f"given up: {path.parent.name}")
    return 7


def drive(began, dead):
    signal.signal(signal.SIGINT, lambda number, _: asked.append(signal.Signals(number).name))
    signal.signal(signal.SIGTERM, lambda number, _: asked.append(signal.Signals(number).name))
    drivers = folder / "drivers"
    number = len(drivers.read_text()) if drivers.exists() else 0
    with drivers.open("a") as file:
        file.write("x")
    actions = sys.argv[2 + number].split("+")
    say(f"driver of {dead.sweep if dead else None}")
    if actions[0] == "early":
        die()
    journal.parent.mkdir(exist_ok=True)
    began(journal)
    for action in actions:
        if action.isdecimal():
            return int(action)
        ACTIONS[action]()
    return 0


if __name__ == "__main__":
    when_killed = signal.Signals[os.environ.get("WHEN_KILLED", "SIGTERM")]
    sys.exit(supervise(drive, give_up, when_killed=when_killed))
