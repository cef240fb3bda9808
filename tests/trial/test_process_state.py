"""What a script sets for its whole process, and what the next trial finds of it."""

import contextlib
import decimal
import functools
import gc
import io
import locale
import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest

from tune_tasks.trial.process_state import alarms_ended, put_back


def state():
    root, mine = logging.getLogger(), logging.getLogger("a_script")
    return {
        "cwd": Path.cwd(),
        "environment": dict(os.environ),
        "sys": (
            sys.argv,
            sys.stdout,
            sys.excepthook,
            sys.getrecursionlimit(),
            threading.excepthook,
        ),
        "warnings": (list(warnings.filters), warnings.showwarning),
        "logging": (
            root.level,
            list(root.handlers),
            logging.root.manager.disable,
            logging.getLogRecordFactory(),
        ),
        "logger": (mine.level, list(mine.handlers), mine.propagate, mine.disabled),
        "signals": [
            signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGALRM, signal.SIGUSR2)
        ],
        "alarm": signal.getitimer(signal.ITIMER_REAL)[0],
        "gc": (gc.isenabled(), gc.get_threshold()),
        "others": (
            locale.setlocale(locale.LC_ALL),
            socket.getdefaulttimeout(),
            decimal.getcontext().prec,
        ),
        "numpy": (np.geterr(), np.get_printoptions()["precision"]),
        "processes": multiprocessing.get_start_method(allow_none=True),
        "umask": umask(),
    }


def umask():
    os.umask(mask := os.umask(0o022))
    return mask


def change_everything(folder):
    os.chdir("/")
    os.environ["ADDED"] = "1"
    del os.environ["TO_BE_DELETED"]
    sys.stdout, sys.excepthook, threading.excepthook = io.StringIO(), print, print
    sys.setrecursionlimit(5000)
    warnings.simplefilter("error")
    logging.captureWarnings(True)
    logging.basicConfig(level=logging.DEBUG, force=True, filename=folder / "script.log")
    logging.disable(logging.CRITICAL)
    logging.setLogRecordFactory(functools.partial(logging.LogRecord))
    mine = logging.getLogger("a_script")
    mine.setLevel(1)
    mine.propagate, mine.disabled = False, True
    for number in (signal.SIGTERM, signal.SIGALRM, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    signal.alarm(1000)
    gc.disable()
    gc.set_threshold(1)
    locale.setlocale(locale.LC_ALL, "C")
    socket.setdefaulttimeout(3)
    decimal.getcontext().prec = 3
    np.seterr(all="raise")
    np.set_printoptions(precision=1)
    multiprocessing.set_start_method("spawn", force=True)
    os.umask(0o000)


@pytest.mark.parametrize("error", [None, ZeroDivisionError, KeyboardInterrupt])
def test_everything_is_as_before(tmp_path, monkeypatch, error):
    monkeypatch.setenv("TO_BE_DELETED", "0")
    logging.getLogger("a_script")
    before = state()
    with (
        contextlib.suppress(ZeroDivisionError, KeyboardInterrupt),
        put_back(tmp_path, {"GIVEN": "1"}),
        alarms_ended(),
    ):
        assert (Path.cwd(), os.environ["GIVEN"], sys.argv) == (tmp_path, "1", [""])
        change_everything(tmp_path)
        assert {name for name, value in state().items() if value == before[name]} == set()
        if error:
            raise error
    assert state() == before


def test_a_thing_that_cannot_be_put_back_keeps_no_other_from_it(tmp_path, monkeypatch):
    """As if a signal handler of the script's raised just then."""

    def set_threshold(*threshold, original=gc.set_threshold):
        original(*threshold)
        if threshold != (1,):
            raise TimeoutError

    monkeypatch.setenv("TO_BE_DELETED", "0")
    logging.getLogger("a_script")
    before = state()
    monkeypatch.setattr(gc, "set_threshold", set_threshold)
    with pytest.raises(TimeoutError), put_back(tmp_path, {}), alarms_ended():
        change_everything(tmp_path)
    now = state()
    gc.enable()  # the one step that was broken off
    assert {name for name, value in now.items() if value != before[name]} <= {"gc"}


def test_a_working_directory_that_was_removed_is_left_for_the_drivers(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with put_back(tmp_path, {}):
        assert Path.cwd() == tmp_path


def test_a_logger_that_a_script_made_says_nothing_more(tmp_path, capsys):
    with put_back(tmp_path, {}):
        logger = logging.getLogger("made_by_a_script")
        logger.addHandler(logging.FileHandler(tmp_path / "script.log"))
        logger.warning("in the file")
        (handler,) = logger.handlers
    assert (logger.handlers, handler.stream) == ([], None)  # closed: the file is complete
    assert (tmp_path / "script.log").read_text() == "in the file\n"


def test_what_our_own_threads_log_does_not_reach_the_scripts_handlers(tmp_path, capsys):
    say, said = threading.Event(), threading.Event()

    def http_client():
        say.wait()
        logging.getLogger("httpx").warning("ours")
        said.set()

    thread = threading.Thread(target=http_client)
    thread.start()
    with put_back(tmp_path, {}):
        logging.basicConfig(
            format="%(name)s %(message)s", level=logging.DEBUG, force=True, stream=sys.stderr
        )
        say.set()
        said.wait()
        logging.getLogger("httpx").info("the script's own")
        script = threading.Thread(
            target=logging.getLogger("a_script").info, args=["from a thread of the script"]
        )
        script.start()
        script.join()
    thread.join()
    # A thread that another test has left behind may import something that logs.
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if line.startswith(("httpx ", "a_script "))] == [
        "httpx the script's own",
        "a_script from a thread of the script",
    ]


def test_a_library_of_another_version_fails_no_trial(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", object())
    with put_back(tmp_path, {}):
        pass
