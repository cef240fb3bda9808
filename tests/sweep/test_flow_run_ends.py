"""What Prefect is told of a sweep's end by somebody else than its driver. No server."""

import pytest

from tests.sweep.told import Told, cancelled, returned
from tune_tasks.results.summary import Summary
from tune_tasks.sweep import flow_run_ends
from tune_tasks.sweep.flow_run_ends import end_state, tell_ends
from tune_tasks.sweep.past import past_sweep

pytestmark = pytest.mark.processes


@pytest.fixture
def told(tmp_path):
    made = Told(tmp_path)
    yield made
    made.die()


@pytest.fixture
def prefect(monkeypatch):
    """What Prefect is told of flow runs, by id: a message if they died, a state if they ended."""
    states = {}
    monkeypatch.setattr(
        flow_run_ends, "close_flow_runs", lambda runs, why: states.update(dict.fromkeys(runs, why))
    )
    monkeypatch.setattr(
        flow_run_ends, "end_flow_run", lambda run, end: states.update({run: end.name})
    )
    monkeypatch.setattr(flow_run_ends, "_tell_task_runs", lambda past, run: None)
    return states


def run_all(told, *outcomes):
    for index, outcome in enumerate(outcomes):
        told.begin(f"exp/{index}")
        told.end(f"exp/{index}", outcome)


def after(told, runs=("run-1",)):
    tell_ends(past_sweep(told.path, is_held=False), runs)


def test_the_end_that_its_driver_could_not_tell(told, prefect):
    run_all(told, *[returned()] * 4)
    told.close()
    after(told)
    assert prefect == {"run-1": "Completed"}


def test_a_sweep_that_somebody_has_stopped_is_cancelled(told, prefect):
    run_all(told, returned())
    told.begin("exp/1")
    told.stop()
    told.end("exp/1", cancelled())
    told.close()
    after(told)
    assert prefect == {"run-1": "Cancelled"}


def test_a_driver_that_died_has_crashed_and_those_before_it(told, prefect):
    run_all(told, returned())
    told.die()
    after(told, ["run-0", "run-1"])
    assert prefect == dict.fromkeys(["run-0", "run-1"], "its driver has died")


def test_what_prefect_knows_stays(told, prefect):
    told.die()
    after(told, [])
    assert prefect == {}


def test_the_states_of_ends():
    assert end_state(Summary("s", [], interrupted=True)).name == "Cancelled"
    assert end_state(Summary("s", [])).name == "Completed"
    assert end_state(Summary("s", [], ended_early="its trials failed")).name == "Failed"
