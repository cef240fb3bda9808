"""Ctrl-C and SIGTERM as the sweep hears of them."""

import itertools
import os
import signal

import pytest

from tune_tasks.sweep.interruption import Interruption, interruptible


def heard(*signals, before=(), apart_s=1.0):
    """What a listener is told, of signals before it listens and after."""
    told = []
    clock = map(apart_s.__mul__, itertools.count())
    with interruptible(clock.__next__) as interruption:
        for number in before:
            os.kill(os.getpid(), number)
        with interruption.calling(told.append):
            for number in signals:
                os.kill(os.getpid(), number)
    return told


def test_each_signal_is_told():
    assert heard(signal.SIGINT) == ["interrupted (Ctrl-C)"]
    assert heard(signal.SIGTERM) == ["interrupted (SIGTERM)"]


@pytest.mark.parametrize(
    ("parents", "number", "reason"),
    [
        ([7, 1], signal.SIGTERM, "interrupted (the process that had started this one has died)"),
        ([7, 1], signal.SIGINT, "interrupted (Ctrl-C)"),
        ([7, 7], signal.SIGTERM, "interrupted (SIGTERM)"),
    ],
)
def test_the_death_of_who_has_started_it_is_told_as_that(parents, number, reason):
    interruption = Interruption(parent=iter(parents).__next__)
    interruption.on_signal(number, None)
    assert interruption.reason == reason


def test_one_that_came_early_is_told_at_the_beginning():
    assert heard(before=[signal.SIGTERM]) == ["interrupted (SIGTERM)"]


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_only_a_further_ctrl_c_is_impatient(first):
    assert len(heard(first, signal.SIGTERM, signal.SIGTERM)) == 1
    assert len(heard(first, signal.SIGINT)) == 2


def test_two_that_come_together_are_one():
    assert len(heard(signal.SIGINT, signal.SIGINT, apart_s=0.01)) == 1


def test_a_wish_without_a_signal_is_the_first_or_none():
    told = []
    with interruptible() as interruption, interruption.calling(told.append):
        interruption.ask("cancelled in Prefect")
        interruption.ask("cancelled in Prefect")
        os.kill(os.getpid(), signal.SIGTERM)  # by which Prefect's worker cancels, too
        assert told == ["cancelled in Prefect"]
        os.kill(os.getpid(), signal.SIGINT)
    assert len(told) == 2


def test_the_handlers_are_put_back():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    heard()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_who_is_supervised_has_less_patience(monkeypatch):
    with interruptible() as alone:
        assert (alone.is_supervised, alone.patience_s) == (False, float("inf"))
    monkeypatch.setenv("PREFECT__ENABLE_CANCELLATION_AND_CRASHED_HOOKS", "false")
    with interruptible() as supervised:
        assert supervised.is_supervised
        assert supervised.patience_s < 30  # when Prefect kills
