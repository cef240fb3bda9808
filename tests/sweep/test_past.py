"""A sweep can be shown from its journal and files: as its driver has shown it, or would have."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.sweep.told import SPEC, Told, cancelled, failed, returned, row
from tune_tasks.model.checkpoint import CheckpointRef
from tune_tasks.model.checkpoint_folder import note_restored_from
from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.milestones import Reached
from tune_tasks.model.objective import Objective
from tune_tasks.model.trial import EndedBy, Outcome, TrialState
from tune_tasks.results.attempts import attempt_lines
from tune_tasks.results.words import report_lines
from tune_tasks.sweep.events import CheckpointKept, MilestonesReached, ResultsLost, Ticked
from tune_tasks.sweep.past import past_sweep
from tune_tasks.sweep.sweep_state import SweepState


@pytest.fixture
def told(tmp_path):
    made = Told(tmp_path)
    yield made
    made.die()


def as_json(document):
    return json.loads(json.dumps(document, default=list))


def shown(told):
    return as_json(past_sweep(told.path).document())


def trial_of(document, index):
    return document["experiments"]["exp"]["trials"][index]


def without_what_is_hidden(document):
    """The configs of trials that never began are known to their plan alone."""
    for experiment in document["experiments"].values():
        for trial in experiment["trials"]:
            if trial["logdir"] is None:
                trial["name"] = trial["config"] = None
    return document


def test_the_document_is_the_one_that_the_driver_has_printed(told):
    told.begin("exp/0", row(1, mean_loss=0.5), row(2, mean_loss=float("nan")))
    told.end("exp/0", returned(2))
    told.begin("exp/1", row(1, mean_loss=0.3))
    told.end("exp/1", failed(1))
    told.begin("exp/1", row(1, mean_loss=0.2))
    told.end("exp/1", returned(1))
    told.begin("exp/2")
    told.stop()
    told.end("exp/2", cancelled())
    summary = told.close()
    past = past_sweep(told.path)
    assert past.state is SweepState.STOPPED
    theirs = without_what_is_hidden(as_json(summary.as_json()))
    ours = without_what_is_hidden(as_json(past.summary().as_json()))
    assert ours == theirs
    assert past.summary().one_line() == summary.one_line()
    assert list(report_lines(past.summary()))[:3] == list(report_lines(summary))[:3]
    assert ours["interrupted"]


def test_a_search_is_shown_from_the_journal(tmp_path):
    """The points, who has proposed them, and what was searched."""
    config = {"lr": {"loguniform": [1e-5, 1e-1]}, "act": {"choice": ["relu", "tanh"]}}
    spec = {"exp": {"num_trials": 3, "try_first": [{"lr": 0.01}], "config": config}}
    told = Told(tmp_path, spec=spec, room=1)
    told.begin("exp/0", row(1, mean_loss=0.5))
    told.end("exp/0", returned(1))
    told.begin("exp/1", row(1, mean_loss=0.3), row(2, mean_loss=0.2))
    told.end("exp/1", Outcome(TrialState.TERMINATED, EndedBy.SCHEDULER, "rank 2 of 2", reports=2))
    told.stop()
    summary = told.close()
    past = past_sweep(told.path).summary()
    (ours,), (theirs,) = past.experiments, summary.experiments
    assert ours.dimensions == theirs.dimensions != ()
    points = [trial.point for trial in theirs.listed if trial.attempts]
    assert [trial.point for trial in ours.listed] == points
    document = as_json(past.as_json())["experiments"]["exp"]
    assert document["search"] == as_json(summary.as_json())["experiments"]["exp"]["search"]
    assert document["search"]["algorithm"] == "random"
    assert document["search"]["proposed_by"] == {"try_first": 1, "random": 1}
    assert document["search"]["stopped_early"] == [
        {"first": 2, "last": 2, "reached": 1, "stopped": 1}
    ]
    assert [trial["proposed_by"] for trial in document["trials"]] == ["try_first", "random", None]
    assert document["trials"][1]["ended_by"] == "scheduler"


def attempts(document, index):
    return [
        (a["number"], a["state"], a["cause"], a["ended_by"], a["reports"])
        for a in trial_of(document, index)["attempts"]
    ]


def test_every_attempt_says_why_it_started_and_how_it_ended(told):
    told.begin("exp/0", row(1, mean_loss=0.3))
    told.end("exp/0", failed(1))
    told.begin("exp/0")
    told.stop()
    told.end("exp/0", cancelled())
    told.close()
    told.take()
    told.begin("exp/0", row(1, mean_loss=0.1))
    told.end("exp/0", returned(1))
    document = shown(told)
    first = trial_of(document, 0)["attempts"][0]
    assert first["error"].endswith("ValueError: bad")
    assert first["logdir"].endswith("script_0_lr=1")
    assert first["started"] < first["ended"]
    _, driver = document["drivers"]
    resumed = f"resumed by process {driver['pid']} on {driver['host']}"
    assert attempts(document, 0) == [
        (1, "ERROR", "first start", "error", 1),
        (2, "TERMINATED", "retry after attempt 1 has failed", "cancelled", 0),
        (3, "TERMINATED", resumed, "returned", 1),
    ]
    assert attempts(document, 3) == []
    assert document["state"] == "running"


def test_an_attempt_says_which_checkpoint_it_went_on_from(told):
    told.begin("exp/0", row(1, mean_loss=0.3))
    told.end("exp/0", failed(1))
    told.begin("exp/0", row(1, mean_loss=0.3))
    logdir = trial_of(shown(told), 0)["attempts"][1]["logdir"]
    note_restored_from(AttemptPaths(Path(logdir)), CheckpointRef(1, 40, 40))
    first, second = trial_of(shown(told), 0)["attempts"]
    assert first["checkpoint"] is None
    assert second["checkpoint"] == {"attempt": 1, "number": 40, "reports": 40}
    past = past_sweep(told.path)
    lines = list(attempt_lines(past.summary(), past.attempts_of))
    assert any(", from checkpoint 40 of attempt 1" in line for line in lines)


def test_a_rule_of_retry_says_why_and_what_the_attempt_was_given(tmp_path):
    rule = {"on": "ValueError", "counts": False, "resources": {"memory": "x2"}}
    resources = {"cpu": 1, "memory": 100}
    spec = {"exp": {**SPEC["exp"], "resources": resources, "retry": [rule], "max_failures": 0}}
    told = Told(tmp_path, spec=spec)
    told.begin("exp/0")
    told.end("exp/0", failed())
    assert trial_of(shown(told), 0)["state"] == "PENDING"
    told.begin("exp/0")
    told.stop()
    told.end("exp/0", cancelled())
    summary = told.close()
    document = shown(told)
    first, second = trial_of(document, 0)["attempts"]
    assert first["resources"] is None
    assert second["cause"] == "retry after attempt 1 has failed, by the rule 'ValueError'"
    assert second["resources"] == {"cpu": 1, "gpu": 0, "memory": 200}
    assert trial_of(document, 0)["resources"] == trial_of(summary.as_json(), 0)["resources"]


def test_what_a_dead_driver_has_left(told):
    told.begin("exp/0", row(1, mean_loss=0.3))
    told.end("exp/0", returned(1))
    told.begin("exp/1", row(1, mean_loss=0.2))  # it runs
    told.begin("exp/2", row(1, mean_loss=0.4))
    told.paths("exp/2", 1).write_outcome(returned(1))  # it has ended, unseen
    told.die()
    document = shown(told)
    assert (document["state"], document["ended_early"]) == ("dead", "its driver has died")
    assert not document["interrupted"]
    assert attempts(document, 0) == [(1, "TERMINATED", "first start", "returned", 1)]
    assert attempts(document, 1) == [(1, "TERMINATED", "first start", "cancelled", 1)]
    assert "driver died" in trial_of(document, 1)["stop_reason"]
    assert attempts(document, 2) == [(1, "TERMINATED", "first start", "returned", 1)]
    assert trial_of(document, 3)["state"] == "PENDING"
    ended = {e.info.key: e.outcome for e in past_sweep(told.path).ended()}
    assert {key: str(o.ended_by) for key, o in ended.items()} == {
        "exp/0/1": "returned",
        "exp/1/1": "cancelled",
        "exp/2/1": "returned",
    }


def test_a_sweep_whose_driver_died_at_its_very_end_lacks_nothing(tmp_path):
    spec = {"exp": {**SPEC["exp"], "num_trials": 1}}
    told = Told(tmp_path, spec=spec)
    told.begin("exp/0")
    told.end("exp/0", returned())
    told.die()
    past = past_sweep(told.path)
    assert past.state is SweepState.DEAD
    assert past.summary().ended_well


def test_what_a_budget_has_ended(tmp_path):
    spec = {"exp": {**SPEC["exp"], "max_failures": 0, "budget": {"failures": 1, "time": "6h"}}}
    told = Told(tmp_path, spec=spec)
    told.begin("exp/0", row(1, mean_loss=0.3))
    told.begin("exp/1", row(1, mean_loss=0.3))
    told.end("exp/0", failed(1))
    told.end("exp/1", replace(returned(1), ended_by=EndedBy.BUDGET))
    summary = told.close()
    past = past_sweep(told.path)
    reason = "budget: 1 trial failed"
    assert summary.experiments[0].used_up == past.summary().experiments[0].used_up == reason
    assert shown(told)["experiments"]["exp"]["ended_by_budget"] == reason
    assert past.state is SweepState.FINISHED
    # Another driver goes on, and finds the same: what was ended stays ended.
    told.take()
    assert past_sweep(told.path).summary().experiments[0].used_up == reason
    assert [attempt[1] for attempt in attempts(shown(told), 1)] == ["TERMINATED"]
    told.die()
    # With more of it what was ended is to go on.
    spec["exp"]["budget"]["failures"] = 2
    again = Told(tmp_path, spec=spec)
    assert past_sweep(told.path).summary().experiments[0].used_up is None
    state, cause = attempts(shown(again), 1)[1][1:3]
    assert (state, cause.partition(" on ")[0]) == ("PENDING", f"resumed by process {os.getpid()}")
    again.die()


def test_while_it_runs(told):
    told.begin("exp/0", row(1, mean_loss=0.3))
    told.tell(Ticked(told.now()))
    document = shown(told)
    (driver,) = document["drivers"]
    assert driver["pid"] == os.getpid()
    running = trial_of(document, 0)
    assert (running["state"], running["attempts"][0]["state"]) == ("RUNNING", "RUNNING")
    assert running["last_result"]["mean_loss"] == 0.3
    assert running["config"]["hf_token"] == "***"
    assert trial_of(document, 1)["state"] == "PENDING"


def test_results_that_have_gone_are_a_reason_to_run_again(told):
    told.begin("exp/0")
    told.end("exp/0", returned())
    told.tell(ResultsLost(told.now(), "exp/0"))
    told.begin("exp/1")
    assert attempts(shown(told), 0) == [(1, "TERMINATED", "first start", "returned", 0)]
    told.end("exp/1", returned())
    assert attempts(shown(told), 0)[1][:2] == (2, "PENDING")
    told.begin("exp/0")
    assert attempts(shown(told), 0)[1][2] == "its results were no longer there"


def test_failed_trials_that_are_given_another_attempt(tmp_path):
    spec = {"exp": {**SPEC["exp"], "num_trials": 1, "max_failures": 0}}
    told = Told(tmp_path, spec=spec)
    told.begin("exp/0")
    told.end("exp/0", failed())
    told.close()
    assert past_sweep(told.path).state is SweepState.FINISHED
    told.take(retry_failed=True)
    told.begin("exp/0")
    told.end("exp/0", returned())
    told.close()
    assert [a[1] for a in attempts(shown(told), 0)] == ["ERROR", "TERMINATED"]
    assert "resumed by" in attempts(shown(told), 0)[1][2]


def test_a_tracker_knows_whether_it_is_to_have_the_checkpoint(tmp_path):
    keys = {"checkpoint": {"log": True}, "metric": "mean_loss"}
    told = Told(tmp_path, spec={"exp": {**SPEC["exp"], **keys}})
    told.begin("exp/0", row(1, mean_loss=0.3))
    told.end("exp/0", returned(1))
    told.close()
    (ended,) = past_sweep(told.path).ended()
    rules = ended.info.trial.checkpoint
    assert (rules.log, rules.objective) == (True, Objective("mean_loss", "min"))


def test_trackers_are_told_of_it_as_the_driver_has_told_them(told):
    told.begin("exp/0", row(1, mean_loss=0.3))
    told.end("exp/0", returned(1))
    told.close()
    past = past_sweep(told.path)
    info = past.info
    theirs = told.info
    assert info.experiments["exp"].folder == theirs.experiments["exp"].folder
    assert info.experiments["exp"].constants == {"hf_token": "***"}
    assert (info.sweep, info.flow_run_id, info.tracking_uri) == (
        theirs.sweep,
        theirs.flow_run_id,
        theirs.tracking_uri,
    )
    assert "hf_token: '***'" in info.spec_text
    (ended,) = past.ended()
    assert (ended.info.pid, ended.info.hostname, ended.info.started_at) == (7, "host", 5.0)
    assert ended.progress.reports == 1


def test_each_attempt_of_a_member_of_a_population_has_its_own_config(told):
    told.begin("exp/0", row(1))
    told.begin("exp/1", row(1))
    reason = "rank 4 of 4 at 1 iterations; goes on from trial 3, lr 1 -> 9"
    moved = replace(told.core.trial("exp/0"), config={"lr": 9}, searched={"lr": 9})
    told.journal.moved([(moved, 2)])
    told.end("exp/0", Outcome(TrialState.TERMINATED, EndedBy.EXPLOITED, reason, reports=1))
    told.begin("exp/0", row(1), row(2))
    past = past_sweep(told.path)
    first, second = trial_of(as_json(past.document()), 0)["attempts"]
    assert (first["searched"], second["searched"]) == ({"lr": 1}, {"lr": 9})
    assert (first["ended_by"], second["cause"]) == ("exploited", reason)
    assert trial_of(as_json(past.document()), 0)["config"] == {"lr": 9}
    assert trial_of(as_json(past.document()), 1)["attempts"][0]["searched"] is None
    lines = list(attempt_lines(past.summary(), past.attempts_of))
    assert any("lr=9" in line and reason in line for line in lines)
    (ended,) = past.ended()
    assert ended.info.trial.searched == {"lr": 1}


def test_a_paused_trial_waits_and_its_next_attempt_says_that_it_was_promoted(tmp_path):
    spec = {
        "exp": {
            **SPEC["exp"],
            "metric": "mean_loss",
            "stop": {"training_iteration": 9},
            "scheduler": {"asha": {"mode": "promote", "max_t": 9, "reduction_factor": 2}},
        }
    }
    told = Told(tmp_path, spec=spec, room=1)
    reason = "paused at 1 iteration: rank 1 of 1, one goes on once 2 are there"
    for index in (0, 1):
        told.begin(f"exp/{index}", row(1, mean_loss=index))
        reached = (Reached(0, 1, 1, float(index)),)
        told.tell(CheckpointKept(told.now(), f"exp/{index}", 1, 1, 1))
        told.tell(MilestonesReached(told.now(), f"exp/{index}", 1, 1, reached))
        if index == 0:
            told.end("exp/0", Outcome(TrialState.TERMINATED, EndedBy.PAUSED, reason, reports=1))
            trial = trial_of(shown(told), 0)
            assert (trial["state"], trial["stop_reason"]) == ("PENDING", reason)
            assert trial["cancelled"]
            ended = trial["attempts"][0]["ended"]
    told.end("exp/1", Outcome(TrialState.TERMINATED, EndedBy.PAUSED, reason, reports=1))
    document = shown(told)
    first, second = trial_of(document, 0)["attempts"]
    assert first["ended_by"] == "paused"
    assert first["ended"] == ended
    assert second["cause"] == f"promoted, after it was {reason}"
    told.stop()
    first = trial_of(shown(told), 1)
    assert (first["state"], first["ended_by"]) == ("TERMINATED", "cancelled")
    assert first["stop_reason"] == f"Ctrl-C; it was {reason}"
    told.die()
