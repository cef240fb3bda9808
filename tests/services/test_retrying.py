"""What follows from failures in a real sweep: by rules, and if the first trials all fail alike."""

import uuid
from types import SimpleNamespace

import pytest

from tune_tasks.model.failure import FailureCause
from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.trial import TrialState

BY_RULES = """
import os, signal
from pathlib import Path
import ray

def train(config, status_reporter):
    memory = ray.get_runtime_context().get_assigned_resources().get("memory", 0)
    status_reporter(timesteps_total=1, memory=memory)
    marker = Path(f"seen {config['x']}")
    is_first = not marker.exists()
    marker.touch()
    if config["x"] == "dies" and is_first:
        os.kill(os.getpid(), signal.SIGKILL)
    if config["x"] == "away" and is_first:
        raise ConnectionRefusedError("no answer")
    if config["x"] == "bad":
        raise ValueError("bad")
    if config["x"] == "huge":
        raise MemoryError
"""
RULES = [
    {"on": "process_died", "times": 1, "resources": {"memory": "x2"}},
    {"on": "ConnectionError", "times": 3, "wait_s": 1},
    {"on": "ValueError", "do": "fail"},
    {"on": "MemoryError", "resources": {"memory": "x1000"}},
]
MEMORY = 10**8


def test_rules_say_what_follows_from_which_failure(sweep):
    summary = sweep(
        BY_RULES,
        config={"x": {"grid_search": ["dies", "away", "bad", "huge"]}},
        resources={"cpu": 1, "memory": MEMORY},
        retry=RULES,
        max_failures=3,
    )
    dies, away, bad, huge = summary.trials
    assert (dies.state, dies.attempts, dies.resources.memory) == (
        TrialState.TERMINATED,
        2,
        2 * MEMORY,
    )
    assert dies.last_result["info"]["memory"] == 2 * MEMORY
    assert (away.state, away.attempts, away.resources.memory) == (TrialState.TERMINATED, 2, MEMORY)
    assert (bad.state, bad.attempts, bad.cause) == (TrialState.ERROR, 1, "exception")
    assert (huge.state, huge.attempts) == (TrialState.ERROR, 1)
    assert huge.not_tried_again == (
        "its next attempt would get 1 CPU, 0 GPUs, 93.1 GiB of memory, which no machine of the"
        " cluster has"
    )
    assert not summary.interrupted
    assert summary.ended_early is None


def test_a_sweep_whose_first_trials_all_fail_alike_stops(sweep, prefect):
    from prefect.client.orchestration import get_client

    summary = sweep("import no_such_module\ndef train(config, status_reporter): ...", num_trials=50)
    assert summary.ended_early == (
        "the first trials have all failed before any report: ModuleNotFoundError: No module named"
        " 'no_such_module' (trials 0, 1, 2)"
    )
    counts = summary.counts()
    assert 3 <= counts[TrialState.ERROR] < 10
    assert counts[TrialState.PENDING] > 40
    assert (summary.interrupted, summary.ended_well) == (False, False)
    (group,) = summary.as_json()["experiments"]["exp"]["failures"]
    assert group["error"] == "ModuleNotFoundError: No module named 'no_such_module'"
    flow_run_id = uuid.UUID(summary.prefect_url.rsplit("/", 1)[-1])
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(flow_run_id).state
    assert (state.name, state.message) == ("Failed", summary.one_line())
    assert summary.ended_early in state.message


@pytest.mark.parametrize(
    ("raised", "args", "cause", "summary"),
    [
        (
            "OutOfMemoryError",
            ["node ab was full\nset RAY_x"],
            FailureCause.OUT_OF_MEMORY,
            "out of memory: Ray ended the trial's process, because its machine ran short",
        ),
        (
            "NodeDiedError",
            ["node ab"],
            FailureCause.MACHINE_LOST,
            "the trial's machine was lost",
        ),
        (
            "ObjectLostError",
            ["ab", None, ""],
            FailureCause.MACHINE_LOST,
            "the trial's machine was lost",
        ),
        (
            "WorkerCrashedError",
            [],
            FailureCause.PROCESS_DIED,
            "the trial's process died: killed from outside, out of memory, or os._exit()",
        ),
        (
            "TaskUnschedulableError",
            ["no node"],
            FailureCause.EXCEPTION,
            "TaskUnschedulableError: The task is not schedulable: no node",
        ),
    ],
)
def test_what_ray_raises_for_a_task_is_the_cause(
    raised, args, cause, summary, monkeypatch, tmp_path
):
    import ray

    from tune_tasks.sweep import outcomes

    def get(_reference):
        raise getattr(ray.exceptions, raised)(*args)

    monkeypatch.setattr(ray, "get", get)
    attempt = SimpleNamespace(reference=None, paths=AttemptPaths(tmp_path), ending=None)
    outcome = outcomes.outcome_of(SimpleNamespace(status=None), attempt)
    assert (outcome.failure.cause, outcome.error_summary) == (cause, summary)
