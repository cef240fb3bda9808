"""`tune-tasks rerun`: what it refuses before it starts anything."""

import pytest

from tests.sweep.told import SPEC, Told, cancelled, failed, returned, row
from tune_tasks.commands.rerun import _difference
from tune_tasks.model.trial import EndedBy, Outcome, TrialState
from tune_tasks.results.summary import Summary
from tune_tasks.sweep.journal import journal_path, read_history
from tune_tasks.sweep.repeat import Repeat


@pytest.fixture
def told(spec_folder):
    made = Told(spec_folder / "tune_results")
    made.begin("exp/0")
    made.end("exp/0", returned())
    made.close()
    return made


def test_a_trial_that_was_never_started(told, refusal):
    assert f"the sweep {told.sweep} has started no trial '9'" in refusal("rerun", "last", "9")


def test_a_sweep_that_is_not_there(told, refusal):
    assert "no sweep 'x' in " in refusal("rerun", "x", "0")


def test_a_folder_that_has_gone(told, refusal):
    assert "the sweep ran in the folder /cwd, which is not there" in refusal("rerun", "last", "0")


@pytest.fixture
def difference(spec_folder):
    """Compares a trial that is run again with the original, each with its reports and its end."""

    def compare(original, again):
        results = spec_folder / "tune_results"
        for sweep, (rows, outcome) in {"a": original, "b": again}.items():
            made = Told(results, sweep, {"exp": {**SPEC["exp"], "max_failures": 0}})
            made.begin("exp/0", *rows)
            made.end("exp/0", outcome)
            made.close()
        history = read_history(journal_path(results, "a"))
        repeat = Repeat(history, history.trials()["exp/0"])
        return _difference(results, Summary("b", []), repeat)

    return compare


ROWS = [row(1, mean_loss=0.5), row(2, mean_loss=0.25)]


def test_the_same_reports_and_the_same_end(difference):
    assert difference((ROWS, returned(2)), (ROWS, returned(2))) is None


def test_a_report_that_differs(difference):
    said = "report 2 is missing; the original has it"
    assert difference((ROWS, returned(2)), (ROWS[:1], returned(1))) == said


def test_another_end(difference):
    said = "it ended as TERMINATED, the original as ERROR"
    assert difference(([], failed()), ([], returned())) == said


def test_a_trial_that_was_interrupted_is_compared_as_far_as_it_came(difference):
    assert difference((ROWS[:1], cancelled(1)), (ROWS, returned(2))) is None


STOPPED = Outcome(TrialState.TERMINATED, EndedBy.SCHEDULER, "rank 5 of 5", reports=1)


@pytest.mark.parametrize(
    ("original", "again", "said"),
    [
        ((ROWS[:1], STOPPED), (ROWS, returned(2)), None),
        ((ROWS, returned(2)), (ROWS[:1], STOPPED), None),
        (
            (ROWS[:1], STOPPED),
            ([row(1, mean_loss=0.25)], returned(1)),
            "report 1: mean_loss is 0.25, was 0.5 (by -0.25)",
        ),
    ],
)
def test_one_that_a_scheduler_has_ended_is_compared_as_far_as_it_came(
    difference, original, again, said
):
    assert difference(original, again) == said
