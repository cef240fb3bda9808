"""What follows from failures in a real sweep: by rules, and if the first trials all fail alike."""

import contextlib
import json
import socket
import uuid
from pathlib import Path

import pytest

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.failure import FailureCause
from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.trial import TrialState
from tune_tasks.recording.protocol import AttemptStatus
from tune_tasks.sweep.records import Attempt, TrialRecord

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

    summary = sweep(
        "import no_such_module\ndef train(config, status_reporter): ...",
        num_trials=50,
        max_concurrent_trials=1,
    )
    assert summary.ended_early == (
        "the first trials have all failed before any report: ModuleNotFoundError: No module named"
        " 'no_such_module' (trials 0, 1, 2); the others run all the same with --keep-going"
    )
    counts = summary.counts()
    assert counts == {TrialState.ERROR: 3, TrialState.PENDING: 47}
    assert (summary.interrupted, summary.ended_well) == (False, False)
    (group,) = summary.as_json()["experiments"]["exp"]["failures"]
    assert group["error"] == "ModuleNotFoundError: No module named 'no_such_module'"
    flow_run_id = uuid.UUID(summary.prefect_url.rsplit("/", 1)[-1])
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(flow_run_id).state
    assert (state.name, state.message) == ("Failed", summary.one_line())
    assert summary.ended_early in state.message


EATS = """
import ray
from pathlib import Path

def train(config, status_reporter):
    memory = ray.get_runtime_context().get_assigned_resources()["memory"]
    status_reporter(timesteps_total=1, memory=memory)
    if config["x"] == 1:
        open("nothing")
    marker = Path("seen")
    if marker.exists():
        return
    marker.touch()
    eaten = []
    while len(eaten) < 128:
        eaten.append(bytearray(b"x" * 2**26))
"""
GIB = 2**30


def memory():
    """The machine's bytes of memory, and those that are available."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    sizes = dict(line.split(":") for line in lines)
    return [int(sizes[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable")]


@pytest.mark.skipif(memory()[1] < 9 * GIB, reason="needs memory to fill")
def test_more_memory_after_ray_has_seen_too_little_and_a_failure_that_stops_the_sweep(
    command, folder
):
    """Ray's own watch over the memory ends the trial, at 4 GiB more than is in use now."""
    total, available = memory()
    threshold = (total - available + 4 * GIB) / total
    spec = {
        "resources": {"cpu": 1, "memory": MEMORY},
        "max_concurrent_trials": 1,
        "retry": [
            {"on": "out_of_memory", "times": 1, "resources": {"memory": "x2"}},
            {"on": "OSError", "do": "stop_sweep"},
        ],
        "config": {"script_file_path": "script.py", "x": {"grid_search": [0, 1, 2, 3]}},
    }
    (folder / "script.py").write_text(EATS)
    (folder / "spec.json").write_text(json.dumps({"exp": spec}))
    limit = {"RAY_memory_usage_threshold": f"{threshold:.3f}"}
    process = command("run", "-f", "spec.json", "--json", "--num-cpus", "1", env=limit)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 1, err
    document = json.loads(out)
    eater, opener, *others = document["experiments"]["exp"]["trials"]
    assert (eater["state"], eater["attempts"]) == ("TERMINATED", 2), eater["error"]
    assert eater["resources"]["memory"] == eater["last_result"]["info"]["memory"] == 2 * MEMORY
    assert f"tried again with 1 CPU, 0 GPUs, {2 * MEMORY / GIB:.3g} GiB of memory" in err
    assert (opener["state"], opener["cause"]) == ("ERROR", "exception")
    assert [trial["state"] for trial in others] == ["PENDING"] * 2
    assert (document["interrupted"], document["ended_early"]) == (
        False,
        "script_1_x=1 failed with FileNotFoundError: [Errno 2] No such file or directory:"
        " 'nothing'; `retry` says stop_sweep",
    )


def test_what_the_kernel_has_ended_ran_out_of_memory(monkeypatch, tmp_path):
    import ray

    from tune_tasks.sweep import outcomes

    def get(_reference):
        raise ray.exceptions.WorkerCrashedError

    monkeypatch.setattr(ray, "get", get)
    monkeypatch.setattr(outcomes, "kernel_kills", lambda: 5)
    causes = []
    for before, hostname in ((4, socket.gethostname()), (5, socket.gethostname()), (4, "other")):
        attempt = Attempt(1, AttemptPaths(tmp_path), None, None, kernel_kills=before)
        info = AttemptInfo(None, 1, tmp_path, hostname=hostname)
        record = TrialRecord(None, attempt, AttemptStatus(info))
        causes.append(outcomes.outcome_of(record, attempt).failure.cause)
    died = FailureCause.PROCESS_DIED
    assert causes == [FailureCause.OUT_OF_MEMORY, died, died]


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
    monkeypatch.setattr(outcomes, "_has_lost_its_raylet", lambda _exc: False)
    attempt = Attempt(1, AttemptPaths(tmp_path), None, None)
    outcome = outcomes.outcome_of(TrialRecord(None, attempt), attempt)
    assert (outcome.failure.cause, outcome.error_summary) == (cause, summary)


@pytest.mark.parametrize(
    ("raised", "is_own"),
    [("LocalRayletDiedError", True), ("NodeDiedError", True), ("NodeDiedError", False)],
)
def test_what_is_lost_with_the_drivers_own_machine_has_not_failed(
    raised, is_own, cluster, monkeypatch, tmp_path
):
    import ray

    from tune_tasks.sweep import outcomes

    class Ended(Exception):
        """In place of the end of this process, as Ray ends it."""

    def get(_reference):
        node = ray.get_runtime_context().get_node_id() if is_own else "ab"
        error = getattr(ray.exceptions, raised)
        raise error(f"node ID: {node}") if raised == "NodeDiedError" else error

    def end():
        raise Ended

    monkeypatch.setattr(ray, "get", get)
    monkeypatch.setattr(outcomes, "_wait_for_own_end", end)
    attempt = Attempt(1, AttemptPaths(tmp_path), None, None)
    with pytest.raises(Ended) if is_own else contextlib.nullcontext():
        outcomes.outcome_of(TrialRecord(None, attempt), attempt)
