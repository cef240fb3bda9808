"""What Ctrl-C is answered by, at once."""

import math
from dataclasses import replace

from tests.sweep.cores import trial
from tune_tasks.sweep.interruption import CTRL_C
from tune_tasks.sweep.stop_words import stopping_words


def test_a_stop_says_how_many_trials_end_when_and_what_would_end_them_now():
    running = [trial(0), replace(trial(1), stop_grace_s=20.0)]
    assert stopping_words(CTRL_C, running, math.inf) == (
        "interrupted (Ctrl-C): stopping 2 running trials, at most 26 s; Ctrl-C again ends them now"
    )


def test_what_prefect_is_about_to_kill_has_less_time_and_no_keyboard():
    said = stopping_words("cancelled in Prefect", [trial(0)], 12.0)
    assert said == "cancelled in Prefect: stopping 1 running trial, at most 12 s"


def test_nothing_is_stopped_if_nothing_runs():
    assert stopping_words(CTRL_C, [], 30) == "interrupted (Ctrl-C): no trial runs; the sweep ends"
