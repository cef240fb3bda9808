"""What a sweep came to: the best trial, the texts, the JSON document and the table."""

import json
import math
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from tune_tasks.model.objective import Objective
from tune_tasks.model.trial import TrialState
from tune_tasks.results.summary import (
    ExperimentSummary,
    Summary,
    TrialSummary,
    objective_of,
    report_lines,
)

TERMINATED, ERROR, PENDING = TrialState.TERMINATED, TrialState.ERROR, TrialState.PENDING


def trial(index, state=TERMINATED, *, info=None, **metrics):
    result = (
        {"timesteps_total": 10, **metrics, **({"info": info} if info else {})}
        if metrics or info
        else None
    )
    return TrialSummary(
        experiment="exp",
        name=f"script_{index}_lr={index}",
        index=index,
        config={"lr": index, "fixed": 1},
        searched={"lr": index},
        state=state,
        stop_reason=None if state is PENDING else "train() returned",
        last_result=result,
        logdir=f"/logs/{index}",
        error="Traceback …\nValueError: bad" if state is ERROR else None,
    )


def experiment(*trials, name="exp", metric=None, mode=None, **keys):
    objective = objective_of(Objective.of_spec(metric, mode), trials)
    return ExperimentSummary(name, list(trials), Path("/logs"), objective, **keys)


def summary(*experiments):
    return Summary("a-sweep", list(experiments))


@pytest.mark.parametrize(
    ("trials", "metric", "mode", "chosen"),
    [
        ([], None, None, (None, "max")),
        ([trial(0)], None, None, (None, "max")),
        ([trial(0, mean_loss=1)], None, None, ("mean_loss", "min")),
        ([trial(0, mean_loss=1, mean_accuracy=1)], None, None, ("mean_accuracy", "max")),
        ([trial(0, mean_loss=1), trial(1, episode_reward_mean=1, mean_accuracy=1)], None, None, ("episode_reward_mean", "max")),
        ([trial(0, mean_loss=1, mean_accuracy=math.nan)], None, None, ("mean_loss", "min")),
        ([trial(0, mean_loss=1)], "my_metric", None, ("my_metric", "max")),
        ([trial(0, mean_loss=1)], "val_loss", None, ("val_loss", "min")),
        ([trial(0, mean_loss=1)], "val_loss", "max", ("val_loss", "max")),
        ([], "my_metric", "min", ("my_metric", "min")),
    ],
)  # fmt: skip
def test_the_metric_that_best_goes_by(trials, metric, mode, chosen):
    found = experiment(*trials, metric=metric, mode=mode)
    assert (found.metric, found.mode) == chosen


@pytest.mark.parametrize(
    ("trials", "keys", "best"),
    [
        (
            [trial(0, mean_accuracy=0.5), trial(1, mean_accuracy=0.9), trial(2, mean_accuracy=0.7)],
            {},
            1,
        ),
        ([trial(0, mean_loss=0.5), trial(1, mean_loss=0.1), trial(2, mean_loss=0.7)], {}, 1),
        ([trial(0, info={"m": 3}), trial(1, info={"m": 1})], {"metric": "m", "mode": "min"}, 1),
        ([trial(0, mean_loss=1), trial(1, mean_loss=1)], {}, 0),
        ([trial(0, mean_accuracy=1), trial(1, mean_accuracy=1)], {}, 0),
        (
            [
                trial(0, mean_loss=math.nan),
                trial(1, mean_loss=-math.inf),
                trial(2, mean_loss=5),
                trial(3),
            ],
            {},
            2,
        ),
        ([trial(0, ERROR, mean_loss=0.1), trial(1, mean_loss=5)], {}, 1),
        ([trial(0, ERROR, mean_loss=0.1)], {}, None),
        ([trial(0), trial(1)], {}, None),
        ([trial(0, mean_loss=1)], {"metric": "never"}, None),
        ([], {}, None),
    ],
)
def test_best(trials, keys, best):
    made = experiment(*trials, **keys)
    assert (made.best().index if made.best() else None) == best
    assert (
        summary(made).best() == summary(experiment(name="other"), made).best("exp") == made.best()
    )
    assert summary(made).best("no such") is None


def test_the_end_of_a_sweep_in_words():
    trials = [trial(0, mean_loss=0.5), trial(1, ERROR), trial(2, PENDING)]
    made = summary(experiment(*trials, unmet=["mean_acuracy"]), experiment(name="none"))
    assert list(report_lines(made)) == [
        "== exp ==",
        "Best trial: script_0_lr=0 with mean_loss 0.5",
        "  config: {'lr': 0}",
        " - script_0_lr=0:\tTERMINATED, train() returned",
        " - script_2_lr=2:\tPENDING, not started",
        " - script_1_lr=1:\tERROR, ValueError: bad",
        "     traceback: /logs/1/error.txt",
        "Warning: stop.mean_acuracy never triggered: no trial reported 'mean_acuracy'",
        "== none ==",
        "No best trial: no trial reported a metric to go by (set `metric` and `mode` in the spec)",
    ]
    assert made.one_line() == "3 trials: 1 PENDING, 1 TERMINATED, 1 ERROR; failed: script_1_lr=1"
    assert [t.index for t in made.failed] == [1]


def test_long_lists_are_folded():
    lines = list(report_lines(summary(experiment(*(trial(i, mean_loss=i) for i in range(1000))))))
    assert len(lines) < 30
    assert "   … 980 more" in lines
    failed = summary(experiment(*(trial(i, ERROR) for i in range(1000))))
    assert "   … 980 more failed" in list(report_lines(failed))
    assert failed.one_line().endswith("script_4_lr=4, …")


def test_the_json_document():
    made = summary(experiment(trial(0, mean_loss=0.5), trial(1, ERROR)))
    document = json.loads(json.dumps(made.as_json()))
    (name, shown), *_ = document["experiments"].items()
    assert (name, shown["metric"], shown["mode"], shown["best"]) == (
        "exp",
        "mean_loss",
        "min",
        shown["trials"][0],
    )
    assert shown["trials"][1] == {
        "name": "script_1_lr=1",
        "index": 1,
        "config": {"lr": 1, "fixed": 1},
        "state": "ERROR",
        "stop_reason": "train() returned",
        "last_result": None,
        "reports": 0,
        "logdir": "/logs/1",
        "mlflow_run_id": None,
        "error": "Traceback …\nValueError: bad",
        "non_finite": 0,
        "attempts": 0,
        "cancelled": False,
        "foreign_lines": 0,
        "missing": [],
    }


def test_the_table():
    table = summary(
        experiment(trial(0, mean_loss=0.5, info={"state": 9, "f1": 0.9}), trial(1, PENDING))
    ).dataframe()
    assert list(table.columns[:5]) == ["experiment", "index", "name", "state", "config/lr"]
    assert list(table["state"]) == ["TERMINATED", "PENDING"]
    assert (table["mean_loss"][0], table["f1"][0], math.isnan(table["mean_loss"][1])) == (
        0.5,
        0.9,
        True,
    )


def test_a_summary_travels():
    made = summary(experiment(trial(0, mean_loss=0.5)))
    assert pickle.loads(pickle.dumps(made)) == made


def test_secrets_are_in_the_config_alone():
    one = replace(
        trial(0, mean_accuracy=0.9),
        config={"lr": 0, "token": "s3cret"},
        searched={"lr": 0, "token": "s3cret"},
    )
    found = summary(experiment(one))
    assert found.best().config["token"] == "s3cret"
    shown = [
        repr(found),
        json.dumps(found.as_json()),
        found.dataframe().to_csv(),
        *report_lines(found),
    ]
    assert not [text for text in shown if "s3cret" in text]
    assert found.best().as_json()["config"] == {"lr": 0, "token": "***"}


def test_files_that_are_gone_and_lines_that_are_no_reports_are_said():
    lost = replace(trial(0, mean_loss=1), missing=("result.json", "params.json"))
    lacking, written_into = (
        replace(trial(1), missing=("params.json",)),
        replace(trial(2), foreign_lines=2),
    )
    said = replace(
        trial(3, ERROR),
        error="result.json was overwritten",
        missing=("result.json",),
        foreign_lines=1,
    )
    made = summary(experiment(lost, lacking, written_into, said))
    assert [line for line in report_lines(made) if line.startswith("Warning")] == [
        (
            "Warning: script_0_lr=0: something else has removed or truncated result.json,"
            " params.json in /logs/0"
        ),
        "Warning: script_1_lr=1: something else has removed or truncated params.json in /logs/1",
        (
            "Warning: script_2_lr=2: something else writes into its result.json; skipped 2 lines"
            " that are no reports"
        ),
    ]
    assert made.one_line().endswith("; failed: script_3_lr=3; without their reports: script_0_lr=0")


@pytest.mark.parametrize(
    ("trials", "ended_well"),
    [
        ([trial(0)], True),
        ([trial(0), trial(1, ERROR)], False),
        ([replace(trial(0), missing=("result.json",))], False),
        ([replace(trial(0), missing=("params.json",), foreign_lines=1)], True),
    ],
)
def test_a_sweep_has_ended_well_if_no_trial_failed_and_all_reports_are_there(trials, ended_well):
    assert summary(experiment(*trials)).ended_well is ended_well
    assert not replace(summary(experiment(*trials)), ended_early="no space").ended_well


NAN = math.nan


@pytest.mark.parametrize(
    ("trials", "metric", "why"),
    [
        (
            [trial(0, info={"val_loss": NAN}), trial(1, info={"val_loss": math.inf})],
            "val_loss",
            "val_loss was never finite",
        ),
        ([trial(0, mean_loss=NAN), trial(1)], None, "mean_loss was never finite"),
        (
            [replace(trial(0, mean_loss=NAN), reports=5, non_finite=1)],
            None,
            "mean_loss was not finite in the last report of any trial",
        ),
        ([trial(0, ERROR, mean_loss=1.0)], None, "every trial that reported mean_loss failed"),
        ([trial(0, mean_loss=1.0)], "f1", "no trial reported a number as 'f1'"),
    ],
)
def test_why_there_is_no_best(trials, metric, why):
    assert f"No best trial: {why}" in report_lines(summary(experiment(*trials, metric=metric)))
