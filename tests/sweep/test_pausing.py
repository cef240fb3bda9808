"""What a flow run's states mean for the sweep. No server.

Without a flow run nothing looks at one.
"""

import threading

import pytest
from prefect.states import Cancelled, Paused, Pending, Running, Suspended

from tune_tasks.sweep.pausing import PauseWatch


def heeding(*states):
    watch = PauseWatch("")
    for state in states:
        watch._heed(state)
    return watch


def paused():
    return Paused(timeout_seconds=600)


def suspended():
    return Suspended(timeout_seconds=600)


SEEN = {
    "nothing": ([], (False, False, False)),
    "running": ([Running()], (False, False, False)),
    "no state": ([None], (False, False, False)),
    "paused": ([paused()], (True, False, False)),
    "paused, then on": ([paused(), Running()], (False, False, False)),
    "suspended": ([suspended()], (True, False, True)),
    "suspended, then resumed": ([suspended(), Pending()], (True, False, True)),
    "suspended, then cancelled": ([suspended(), Cancelled()], (True, True, True)),
    "cancelled": ([Cancelled()], (False, False, False)),
}


@pytest.mark.parametrize(("states", "expected"), SEEN.values(), ids=SEEN)
def test_what_is_on(states, expected):
    watch = heeding(*states)
    assert (watch.is_on, watch.is_cancelled, watch.suspended is not None) == expected


def test_the_first_suspension_is_kept():
    first = suspended()
    assert heeding(first, suspended()).suspended is first


def test_without_a_flow_run_nothing_looks():
    PauseWatch("").close()
    assert "pause watch" not in {thread.name for thread in threading.enumerate()}
