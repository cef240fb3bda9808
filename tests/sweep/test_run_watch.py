"""What a flow run's states mean for the sweep. No server.

Without a flow run nothing looks at one.
"""

import threading

import pytest
from prefect.states import Cancelled, Cancelling, Paused, Pending, Running, Suspended

from tune_tasks.sweep.events import Pause
from tune_tasks.sweep.run_watch import RunWatch

pytestmark = pytest.mark.processes


def heeding(*states):
    watch = RunWatch("")
    for state in states:
        watch._heed(state)
    return watch


def paused():
    return Paused(timeout_seconds=600)


def suspended():
    return Suspended(timeout_seconds=600)


SEEN = {
    "nothing": ([], (Pause.OFF, False)),
    "running": ([Running()], (Pause.OFF, False)),
    "no state": ([None], (Pause.OFF, False)),
    "paused": ([paused()], (Pause.ON, False)),
    "paused, then on": ([paused(), Running()], (Pause.OFF, False)),
    "suspended": ([suspended()], (Pause.SUSPENDED, False)),
    "suspended, then resumed": ([suspended(), Pending()], (Pause.SUSPENDED, False)),
    "suspended, then cancelled": ([suspended(), Cancelled()], (Pause.SUSPENDED, True)),
    "cancelling": ([Running(), Cancelling()], (Pause.OFF, True)),
    "cancelled": ([Cancelled()], (Pause.OFF, True)),
}


@pytest.mark.parametrize(("states", "expected"), SEEN.values(), ids=SEEN)
def test_whether_trials_may_start(states, expected):
    watch = heeding(*states)
    assert (watch.pause, watch.is_cancelled) == expected


def test_the_first_suspension_is_kept():
    first = suspended()
    assert heeding(first, suspended()).suspended is first


def test_without_a_flow_run_nothing_looks():
    RunWatch("").close()
    assert "run watch" not in {thread.name for thread in threading.enumerate()}
