"""Outlives the driver of a sweep, and starts another one if it dies.

A driver may die at any moment: Ray's C++ part ends the process that it is in if the cluster's head
dies, and the kernel ends it if the memory runs out. So the process that the user has started is a
small one that has no thread, no connection and no code of the user's. The driver is its child,
forked before anything was started, so that it begins as fast as if there were no supervisor.

A signal reaches the driver once: what a terminal sends goes to both of them, and is not forwarded;
what another process sends to the supervisor alone is.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

from tune_tasks.commands.command import EXIT_FAILED, EXIT_INTERRUPTED
from tune_tasks.commands.orphans import end_orphans

MOST_DEATHS = 3
"""Drivers that may die one after the other without any progress."""

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_ASKS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
_HEARD = {*_ASKS, signal.SIGCHLD}
_RAYS_CODE = 1
_SHOW_CURSOR = "\x1b[?25h"
_ENDS = (b'"kind":"end all"', b'"kind":"closed"')
# Not every end of an attempt: those that have died with a driver are no progress.
_PROGRESS = (b'"will_retry":false', b'"kind":"checkpoint kept"')


class Lifeline:
    """The driver's side of the pipe to its supervisor."""

    def __init__(self, pipe: IO[str]) -> None:
        self._pipe = pipe

    def sweep_began(self, journal: Path) -> None:
        """Tell which sweep is to go on if this driver dies."""
        self._tell({"journal": str(journal)})

    def ended(self) -> None:
        """Tell that the driver ends by itself: it has said what there was to say."""
        self._tell({"ended": True})

    def _tell(self, news: dict[str, object]) -> None:
        with suppress(OSError):  # the supervisor has been killed
            print(json.dumps(news), file=self._pipe, flush=True)


Began = Callable[[Path], object]
"""Told the path of the sweep's journal, once there is one."""


@dataclass(frozen=True)
class DeadDriver:
    """What the driver that takes its place is told of one that has died.

    Attributes:
        sweep: The id of the sweep that is to go on.
        death: How it died, in words.
    """

    sweep: str
    death: str


Drive = Callable[[Began, DeadDriver | None], int]
"""Runs a sweep, a new one or that of a driver that has died; returns the exit code.

What it raises comes out of `supervise`, in the child.
"""

GiveUp = Callable[[Path], int]
"""Closes what the dead drivers of a sweep have left open, and says how the sweep stands.

Returns the exit code that says it, too.
"""


@dataclass
class _Told:
    """What drivers have told, the last word of each kind.

    Attributes:
        journal: Of the sweep.
        ended: Whether the driver has ended by itself.
        death: How the last one died, in words; empty if none has.
    """

    journal: Path | None = None
    ended: bool = False
    death: str = ""

    def dead_driver(self) -> DeadDriver | None:
        """The last driver, if it has died, and has left a sweep."""
        return DeadDriver(self.journal.parent.name, self.death) if self.journal else None


def supervise(
    drive: Drive, give_up: GiveUp, *, when_killed: signal.Signals = signal.SIGTERM
) -> int:
    """Run a sweep in a child process, in another one if that dies; returns the exit code.

    Args:
        drive: Called in the child; must be called before this process has started a thread.
        give_up: Called in this process if no driver is started any more.
        when_killed: What the driver gets if this process dies.
    """
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    signal.pthread_sigmask(signal.SIG_BLOCK, _heard())
    told = _Told()
    done = 0
    deaths = 0
    while deaths < MOST_DEATHS:
        child = _Child(drive, told, when_killed)
        status = child.attend()
        if told.ended:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else EXIT_FAILED
        told.death = _death(status)
        end_orphans()
        # It was meant for the driver that was to come.
        child.is_asked_to_end |= signal.sigtimedwait(_ASKS & _heard(), 0) is not None
        if told.journal is None or child.is_asked_to_end or _is_ending(told.journal):
            break
        before = done
        done = _progress(told.journal)
        deaths = 1 if done > before else deaths + 1
        if deaths < MOST_DEATHS:
            _say(f"{told.death}; another one goes on with the sweep")
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _heard())
    return _gave_up(told.death, told.journal, give_up, was_asked=child.is_asked_to_end)


def _gave_up(what: str, journal: Path | None, give_up: GiveUp, *, was_asked: bool) -> int:
    if journal is None:
        _say(f"{what} before the sweep had begun")
        return EXIT_INTERRUPTED if was_asked else EXIT_FAILED
    why = f", {MOST_DEATHS} times without any progress"
    if was_asked or _is_ending(journal):
        why = " while the sweep was ending"
    _say(f"{what}{why}: `tune-tasks run --resume {journal.parent.name}` goes on from there")
    code = give_up(journal)
    return EXIT_INTERRUPTED if was_asked else code


def _heard() -> set[signal.Signals]:
    """What is waited for. What is ignored stays so, as `nohup` wants it for SIGHUP."""
    return {number for number in _HEARD if signal.getsignal(number) is not signal.SIG_IGN}


class _Child:
    """A driver's process.

    Attributes:
        is_asked_to_end: Whether somebody has asked for the sweep's end.
    """

    def __init__(self, drive: Drive, told: _Told, when_killed: signal.Signals) -> None:
        self._told = told
        self.is_asked_to_end = False
        reading, writing = os.pipe()
        supervisor = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(reading)
            _end_with(supervisor, when_killed)
            _be_the_driver(drive, os.fdopen(writing, "w"), told.dead_driver())
        os.close(writing)
        self._news = os.fdopen(reading)

    def attend(self) -> int:
        """Wait for the end of the process, and pass on what it is asked for; returns its status."""
        while True:
            info = signal.sigwaitinfo(_heard())
            number = signal.Signals(info.si_signo)
            if number in _ASKS:
                self._pass_on(number, by_process=info.si_code <= 0)
            status = self._reaped()
            if status is not None:
                self._hear()
                return status

    def _pass_on(self, number: signal.Signals, *, by_process: bool) -> None:
        self.is_asked_to_end = True
        if number is signal.SIGHUP:
            os.kill(self._pid, signal.SIGTERM)  # the terminal has gone: the sweep ends in order
        elif by_process:
            os.kill(self._pid, number)

    def _reaped(self) -> int | None:
        """Return the status of the driver if it has ended; lets go of everybody else who has."""
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == self._pid:
                    return status
                if pid == 0:
                    break
        return None

    def _hear(self) -> None:
        # Not to its end: processes that the driver has started may hold the pipe, too.
        os.set_blocking(self._news.fileno(), False)
        with suppress(BlockingIOError, TypeError):
            for line in self._news:
                news = json.loads(line)
                self._told.ended |= news.get("ended", False)
                if "journal" in news:
                    self._told.journal = Path(news["journal"])
        self._news.close()


def _end_with(supervisor: int, when_killed: signal.Signals) -> None:
    """Have this process get a signal if its supervisor dies."""
    _prctl(_PR_SET_PDEATHSIG, when_killed)
    if os.getppid() != supervisor:  # it was killed before it could be noticed
        os.kill(os.getpid(), when_killed)


def _be_the_driver(drive: Drive, pipe: IO[str], dead: DeadDriver | None) -> NoReturn:
    """Run the sweep and end this process, as if it had been started by the user."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _heard())
    if signal.SIGHUP in _heard():
        # The supervisor asks for what it means. Not SIG_IGN, which the children would inherit.
        signal.signal(signal.SIGHUP, lambda _number, _frame: None)
    lifeline = Lifeline(pipe)
    try:
        sys.exit(drive(lifeline.sweep_began, dead))
    finally:
        lifeline.ended()


def _is_ending(journal: Path) -> bool:
    """Whether the last driver was to end the sweep, or had ended it."""
    with suppress(OSError):
        _, _, since = journal.read_bytes().rpartition(b'"kind":"driver"')
        return any(kind in since for kind in _ENDS)
    return False


def _progress(journal: Path) -> int:
    """A number that grows with what is kept, as far as the journal says."""
    with suppress(OSError):
        text = journal.read_bytes()
        return sum(map(text.count, _PROGRESS))
    return 0


def _death(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        return f"the sweep's driver was killed by {_name(-code)}"
    hint = ", as Ray ends it if the head of its cluster has died" if code == _RAYS_CODE else ""
    return f"the sweep's driver ended with code {code}{hint}"


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


def _say(sentence: str) -> None:
    if sys.stderr.isatty():
        sentence = f"{_SHOW_CURSOR}{sentence}"  # the dead driver's table may have hidden it
    print(sentence, file=sys.stderr, flush=True)


def _prctl(option: int, value: int) -> None:
    """Linux alone has it; elsewhere an orphan is not noticed."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
