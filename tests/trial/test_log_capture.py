"""What a trial prints: in its file, and in the logger."""

import contextlib
import logging
import os
import sys

import pytest

from tune_tasks.trial.log_capture import LogCapture


@pytest.fixture
def capture(tmp_path, capfd, caplog):
    """A LogCapture as a context on the real file descriptors; what it forwards is in `caplog`."""
    caplog.set_level(logging.INFO)

    @contextlib.contextmanager
    def capture():
        with (
            capfd.disabled(),
            LogCapture(tmp_path / "trial.log", logging.getLogger("trial")) as log,
        ):
            yield log

    return capture


def test_whatever_prints_is_captured(capture, tmp_path, caplog):
    with capture() as log:
        print("print")
        sys.stdout.flush()
        os.write(1, b"a file descriptor\n")
        os.system("echo a child; echo its errors >&2")
        print("stderr \udcff", file=sys.stderr)
        log.forward()
    expected = ["print", "a file descriptor", "a child", "its errors", "stderr \\udcff"]
    assert caplog.messages == expected
    assert (tmp_path / "trial.log").read_text().splitlines() == expected


def test_lines_are_forwarded_once_and_whole(capture, caplog):
    with capture() as log:
        os.write(1, b"one\ntw")
        log.forward()
        os.write(1, b"o\nthree")
        log.forward()
        assert caplog.messages == ["one", "two"]
        log.forward(last=True)
        log.forward(last=True)
    assert caplog.messages == ["one", "two", "three"]
    assert log.lines == 3


def test_a_flood_is_cut_in_the_loggers_middle_and_whole_in_the_file(capture, tmp_path, caplog):
    with capture() as log:
        os.write(1, b"x\n" * 2000 + b"the result\n")
        log.forward()
    assert caplog.messages == ["x"] * 250 + [f"… 1501 more lines, see {tmp_path}/trial.log"] + [
        "x"
    ] * 249 + ["the result"]
    assert (tmp_path / "trial.log").read_text().count("x\n") == 2000


def test_of_a_progress_bar_the_logger_has_the_last_step(capture, caplog):
    with capture() as log:
        os.write(1, b"".join(b"\r%d %%" % done for done in range(101)) + b"\nas on Windows\r\n\n")
        log.forward()
    assert (caplog.messages, log.lines) == (["100 %", "as on Windows", ""], 3)


def test_a_log_that_user_code_removed(capture, tmp_path, caplog):
    with capture() as log:
        (tmp_path / "trial.log").unlink()
        os.write(1, b"into nothing\n")
        log.forward(last=True)
    assert caplog.messages == []


def test_the_descriptors_are_given_back(tmp_path, capfd):
    with LogCapture(tmp_path / "trial.log", logging.getLogger("trial")):
        os.write(1, b"captured\n")
    os.write(1, b"not captured\n")
    assert capfd.readouterr().out == "not captured\n"
    assert (tmp_path / "trial.log").read_text() == "captured\n"


@pytest.mark.parametrize(("umask", "mode"), [(0o002, 0o664), (0o077, 0o600)])
def test_the_log_has_the_umasks_mode(tmp_path, capfd, umask, mode):
    before = os.umask(umask)
    try:
        with LogCapture(tmp_path / "trial.log", logging.getLogger("trial")):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "trial.log").stat().st_mode & 0o777 == mode
