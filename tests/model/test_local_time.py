"""Moments and spans as they are shown."""

import time

import pytest

from tune_tasks.model.local_time import age, iso_time, local_time


@pytest.fixture
def east(monkeypatch):
    monkeypatch.setenv("TZ", "UTC-2")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_times_are_local(east):
    assert local_time(0) == "1970-01-01 02:00:00"
    assert iso_time(0.25) == "1970-01-01T02:00:00.250+02:00"
    assert iso_time(None) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s"), (59.9, "60 s"), (60, "1 min"), (7_199, "1 h"), (90_000, "1 d"), (1e7, "115 d")],
)
def test_an_age_has_one_unit(seconds, text):
    assert age(seconds) == text
