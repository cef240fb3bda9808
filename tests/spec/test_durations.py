"""Durations: what a spec may write, and how people are told of them."""

import math

import pytest

from tune_tasks.spec.durations import parse_duration, shown_duration, shown_part


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (90, 90),
        (0.5, 0.5),
        ("90s", 90),
        ("30m", 1_800),
        ("6h", 21_600),
        (" 1.5 h ", 5_400),
        ("2d", 172_800),
        *[(wrong, None) for wrong in ("", "90", "6hours", "h", "-1h", "1h30m", "1e3s", True, None)],
        *[(wrong, None) for wrong in (-1, math.nan, math.inf, 10**400, [], "9" * 10 + "d")],
    ],
)
def test_what_it_stands_for(value, seconds):
    assert parse_duration(value) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (90, "90 s"),
        (0.25, "0.2 s"),
        (1_800, "30 min"),
        (3_600, "60 min"),
        (21_600, "6 h"),
        (86_400, "24 h"),
        (172_800, "2 days"),
    ],
)
def test_people_are_told_of_it_in_a_unit_of_which_it_has_two(seconds, text):
    assert shown_duration(seconds) == text


def test_a_part_is_told_in_the_unit_of_the_whole():
    assert shown_part(4_400, 21_600) == "1.2 of 6 h"
    assert shown_part(30, 21_600) == "0 of 6 h"
