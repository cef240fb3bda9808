"""When a sweep may end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tune_tasks.sweep.time_left import Workload, time_left_s, time_left_text


@pytest.mark.parametrize(
    ("workloads", "seconds"),
    [
        # 30 + 60 of those that run, and 4 × 60, by two at once
        ([Workload([60, 60], [30, 0], 4)], 165),
        # The last trial takes as long as it takes, however much there is beside it
        ([Workload([60, 60], [60, 0], 0)], 60),
        ([Workload([60, 60], [59, 59], 1)], 60),
        # One that takes longer than the others did may end at any moment
        ([Workload([60], [100], 0)], 0),
        # Each experiment by its own trials
        ([Workload([10, 10], [0], 1), Workload([100], [0], 0)], 100),
        ([Workload([10, 10], [0], 39), Workload([100], [0], 0)], 250),
        # What has ended altogether counts for the basis alone
        ([Workload([1, 1], [], 0), Workload([20], [10], 0)], 10),
    ],
)
def test_the_time_that_is_left(workloads, seconds):
    assert time_left_s(workloads) == seconds


@pytest.mark.parametrize(
    "workloads",
    [
        [],
        [Workload([], [5, 5], 10)],
        [Workload([3], [5, 5], 10)],  # the shortest of the first ones
        [Workload([60, 60], [], 4)],  # paused, or waiting for room
        [Workload([60, 60], [5], 4), Workload([], [], 1)],
    ],
)
def test_nothing_is_said_without_a_basis(workloads):
    assert time_left_s(workloads) is None


SECONDS = st.lists(st.floats(0, 1e6), max_size=5)


@given(SECONDS, SECONDS, st.integers(0, 1000))
def test_less_to_do_never_takes_longer(ended, running, pending):
    more = time_left_s([Workload(ended, running, pending + 1)])
    less = time_left_s([Workload(ended, running, pending)])
    assert more is None or less is None or 0 <= less <= more * (1 + 1e-9)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "about 10 s left"),
        (44, "about 40 s left"),
        (89, "about 90 s left"),
        (700, "about 12 min left"),
        (5_399, "about 90 min left"),
        (12_600, "about 3.5 h left"),
        (180_000, "about 2.1 days left"),
    ],
)
def test_the_words(seconds, text):
    assert time_left_text(seconds) == text
