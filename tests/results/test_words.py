"""The end of a sweep in words."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from tests.results.samples import ERROR, PENDING, experiment, summary, trial
from tune_tasks.model.trial import TrialState
from tune_tasks.results.budget_use import BudgetUse
from tune_tasks.results.summary import ExperimentSummary, Summary
from tune_tasks.results.words import how_to_go_on, report_lines, where_to_look


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


def test_what_has_used_up_a_budget():
    use = BudgetUse("6 of 6 h", 0.0, "budget: 6 h are over")
    ended = experiment(trial(0, mean_loss=0.5), trial(1, PENDING), budget=use)
    made = summary(ended)
    assert " - script_1_lr=1:\tPENDING, not started: budget: 6 h are over" in list(
        report_lines(made)
    )
    assert made.one_line() == "2 trials: 1 PENDING, 1 TERMINATED; budget: 6 h are over"
    assert made.ended_well
    assert list(how_to_go_on(made)) == [
        "With a larger budget in the spec `tune-tasks run --resume a-sweep --accept-changes` goes"
        " on."
    ]
    shown = made.as_json()["experiments"]["exp"]
    assert shown["ended_by_budget"] == "budget: 6 h are over"
    assert [each["stop_reason"] for each in shown["trials"]] == [
        "train() returned",
        "not started: budget: 6 h are over",
    ]
    two = summary(ended, experiment(trial(0), name="other"))
    assert two.one_line().endswith("; exp: budget: 6 h are over")
    assert two.as_json()["experiments"]["other"]["ended_by_budget"] is None


def test_a_running_trial_has_been_started():
    made = summary(experiment(replace(trial(0, TrialState.RUNNING), reports=3, stop_reason=None)))
    assert " - script_0_lr=0:\tRUNNING, 3 reports so far" in list(report_lines(made))


def test_long_lists_are_folded():
    lines = list(report_lines(summary(experiment(*(trial(i, mean_loss=i) for i in range(1000))))))
    assert len(lines) < 30
    assert "   … 980 more" in lines
    failed = summary(experiment(*(trial(i, ERROR) for i in range(1000))))
    lines = list(report_lines(failed))
    assert (len(lines), lines[-2]) == (
        5,
        " - 1000 trials:\tERROR, ValueError: bad (trials 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, …)",
    )
    assert failed.one_line().endswith("script_4_lr=4, …")


def test_files_that_are_gone_and_lines_that_are_not_reports_are_said():
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
            " that are not reports"
        ),
    ]
    assert made.one_line().endswith("; failed: script_3_lr=3; without their reports: script_0_lr=0")


@pytest.mark.parametrize(
    ("trials", "metric", "why"),
    [
        (
            [trial(0, info={"val_loss": math.nan}), trial(1, info={"val_loss": math.inf})],
            "val_loss",
            "val_loss was never finite",
        ),
        ([trial(0, mean_loss=math.nan), trial(1)], None, "mean_loss was never finite"),
        (
            [replace(trial(0, mean_loss=math.nan), reports=5, non_finite=1)],
            None,
            "mean_loss was not finite in the last report of any trial",
        ),
        ([trial(0, ERROR, mean_loss=1.0)], None, "every trial that reported mean_loss failed"),
        (
            [trial(0, mean_loss=1.0)],
            "f1",
            "no trial reported a number as 'f1'; they report: mean_loss",
        ),
        (
            [trial(0, mean_loss=1.0)],
            "mean_los",
            "no trial reported a number as 'mean_los'; did you mean 'mean_loss'? they report:"
            " mean_loss",
        ),
        (
            [trial(0, ERROR, mean_loss=1.0), replace(trial(1, mean_loss=2.0), infeasible="a 9")],
            None,
            "no trial is feasible: a 9, for example",
        ),
    ],
)
def test_why_there_is_no_best(trials, metric, why):
    assert f"No best trial: {why}" in report_lines(summary(experiment(*trials, metric=metric)))


def test_it_is_said_by_what_a_trial_is_infeasible():
    made = experiment(replace(trial(0, mean_loss=1.0), infeasible="size 9 is not < 5"))
    lines = list(report_lines(summary(made)))
    assert " - script_0_lr=0:\tTERMINATED, train() returned; infeasible: size 9 is not < 5" in lines


def test_what_has_ended_early_says_how_to_go_on():
    left = replace(summary(experiment(trial(0, PENDING))), ended_early="the disk was full")
    assert list(how_to_go_on(left)) == [
        "Once that is mended, `tune-tasks run --resume a-sweep` runs those that are left."
    ]
    (line,) = how_to_go_on(replace(left, experiments=[experiment(trial(0, ERROR))]))
    assert "--resume a-sweep --failed` runs the trials that failed again, and those" in line
    assert not list(how_to_go_on(summary()))


def test_what_was_interrupted_or_has_failed_says_how_to_go_on():
    interrupted = replace(summary(experiment(trial(0, PENDING))), interrupted=True)
    assert list(how_to_go_on(interrupted)) == ["`tune-tasks run --resume a-sweep` goes on with it."]
    failed = summary(experiment(trial(0, ERROR)))
    assert list(how_to_go_on(failed)) == [
        "`tune-tasks run --resume a-sweep --failed` gives the trials that failed another attempt."
    ]
    (line,) = how_to_go_on(replace(failed, interrupted=True))
    assert line == (
        "`tune-tasks run --resume a-sweep` goes on with it; with --failed the trials that failed"
        " have another attempt."
    )


def test_trials_that_fail_alike_are_one_line():
    errors = ["no file /a/1", "no file /b/22", "bad"]
    trials = [
        replace(
            trial(index, ERROR),
            error=error,
            stop_reason="error; not tried again: so" if index == 1 else "error",
        )
        for index, error in enumerate(errors)
    ]
    assert list(report_lines(summary(experiment(*trials))))[2:] == [
        " - 2 trials:\tERROR, no file /a/1 (trials 0, 1)",
        "     traceback: /logs/0/error.txt",
        " - script_2_lr=2:\tERROR, bad",
        "     traceback: /logs/2/error.txt",
        "   script_1_lr=1 was not tried again: so",
    ]


def test_one_trial_is_no_plural():
    assert summary(experiment(trial(0))).one_line() == "1 trial: 1 TERMINATED"


def test_a_sweep_ends_with_the_addresses_of_its_views():
    compared = ExperimentSummary("a", [], Path("/logs/a"), view_url="http://m/#/experiments/1")
    plain = ExperimentSummary("b", [], Path("/logs/b"))
    summary = Summary(
        "a-sweep", [compared, plain], prefect_url="http://p/runs/1", tracking_uri="http://m"
    )
    assert list(where_to_look(summary))[:-1] == [
        "Prefect flow run:   http://p/runs/1",
        "MLflow experiments: a, b in http://m",
        "MLflow, compared:   http://m/#/experiments/1",
        "TensorBoard:        tensorboard --logdir /logs/a",
        "TensorBoard:        tensorboard --logdir /logs/b",
    ]


def test_a_sweep_ends_with_the_file_of_its_report(tmp_path):
    summary = Summary("a-sweep", [ExperimentSummary("a", [], tmp_path)], tracking_uri="http://m")
    assert not [line for line in where_to_look(summary) if "Report" in line]
    (tmp_path / "report").mkdir()
    (tmp_path / "report/report.md").touch()
    assert f"Report:             {tmp_path}/report/report.md" in where_to_look(summary)


def test_without_a_server_there_is_no_address_of_it():
    summary = Summary("a-sweep", [], tracking_uri="sqlite:////logs/mlflow.db")
    assert not [line for line in where_to_look(summary) if line.startswith("Prefect")]
