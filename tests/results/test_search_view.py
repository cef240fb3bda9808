"""What is shown of a search: in numbers, and in the report."""

import json
from dataclasses import replace

import pytest

from tests.results.samples import summary
from tests.results.samples import trial as plain_trial
from tests.results.searches import DROPOUT, LR, drawn_trials, search, searched_trial
from tune_tasks.model.objective import Objective
from tune_tasks.model.trial import EndedBy, TrialState
from tune_tasks.results.report import report_text
from tune_tasks.results.search_view import search_view
from tune_tasks.results.summary import ExperimentSummary
from tune_tasks.results.words import report_lines


def text_of(experiment):
    return "\n".join(report_text(summary(experiment), experiment))


@pytest.fixture
def whole():
    """40 trials in which `lr` alone matters, and is best at its upper bound, as a model finds."""
    drawn = drawn_trials(30, lambda point: 1 - point["lr"])
    places = [0.9 + i / 100 for i in range(10)]
    found = (
        searched_trial(30 + i, {"lr": at, "dropout": 0.5}, 1 - at) for i, at in enumerate(places)
    )
    return search(*drawn, *found)


def test_the_numbers(whole):
    view = search_view(whole)
    assert dict(view.proposed_by) == {"try_first": 1, "start-up": 16, "tpe": 23}
    assert (view.covering, len(view.best.ended)) == (16, 40)
    assert next(iter(view.importance)) == "lr"
    assert view.best.improvements[-1].value == whole.best_value()
    assert view.stops == []
    assert view.next[0].startswith("`lr`: 5 of the best 5 lie at the upper bound 0.1: widen it")


def test_the_document(whole):
    (shown,) = json.loads(json.dumps(summary(whole).as_json()))["experiments"].values()
    made = shown["search"]
    assert made["algorithm"] == "tpe"
    assert made["proposed_by"] == {"try_first": 1, "start-up": 16, "tpe": 23}
    assert (made["ended"], made["importance_from"]) == (40, 16)
    assert next(iter(made["importance"])) == "lr"
    assert made["best_so_far"][-1]["value"] == whole.best_value()
    assert made["best_so_far"][0].keys() == {"ended", "index", "value"}
    assert made["next"] == list(search_view(whole).next)
    first, *_, last = shown["trials"]
    assert (first["proposed_by"], last["proposed_by"]) == ("try_first", "tpe")
    assert first["ended_by"] == "returned"


def test_without_domains_there_is_no_search():
    without = ExperimentSummary("exp", [plain_trial(0, mean_loss=1.0)], "/logs")
    assert search_view(without) is None
    assert summary(without).as_json()["experiments"]["exp"]["search"] is None
    assert "## The search" not in text_of(without)


def test_a_model_s_trials_do_not_say_what_matters(whole):
    """They are alike in what matters most."""
    few = [replace(trial, proposed_by="tpe") for trial in whole.trials[2:]]
    view = search_view(search(*whole.trials[:2], *few))
    assert view.importance == {}
    assert view.why_no_importance.startswith("1 trial that cover")


def test_failed_trials_are_as_bad_as_the_worst():
    """What fails on the upper half of `lr` matters, though failed trials have no value."""
    trials = [
        replace(trial, state=TrialState.ERROR, ended_by=EndedBy.ERROR)
        if trial.point["lr"] > 0.5
        else trial
        for trial in drawn_trials(17, lambda _: 1.0)
    ]
    trials[1] = replace(trials[1], last_result={**trials[1].last_result, "mean_loss": 2.0})
    view = search_view(search(*trials))
    assert view.covering == 16
    assert next(iter(view.importance)) == "lr"


def test_interrupted_trials_say_nothing(whole):
    ended = [replace(trial, cancelled=True) for trial in whole.trials]
    assert search_view(search(*ended)).covering == 0


def test_trials_that_are_all_alike():
    view = search_view(search(*(searched_trial(i, {"lr": 0.5}, 1.0) for i in range(20))))
    assert "do not differ" in view.why_no_importance


def test_the_report(whole):
    text = text_of(whole)
    assert "40 trials: 1 that the spec names (`try_first`), 16 spread over the space to" in text
    assert "to begin with, 23 by `tpe`." in text
    assert "| trials ended | trial | mean_loss |\n| --- | --- | --- |\n| 1 | 0 | " in text
    assert "(PED-ANOVA, roughly: from 16 trials that cover the space):" in text
    assert "| parameter | importance |\n| --- | --- |\n| lr | " in text
    assert "## What to try next\n\n- `lr`: 5 of the best 5" in text
    assert text.index("## Best trial") < text.index("## The search") < text.index("## Trials")
    assert "Stopped early" not in text


def test_the_command_says_what_to_try_next(whole):
    lines = list(report_lines(summary(whole)))
    assert lines[3].startswith("To try next: `lr`: 5 of the best 5 lie at the upper bound 0.1")


def test_too_few_trials_are_said_in_words(whole):
    text = text_of(search(*whole.trials[:9]))
    assert (
        "Importance of the parameters: 8 trials that cover the space ended so far; at least 16 are"
        " needed to say which parameters matter.\n" in text
    )


def test_stopped_trials_in_the_report(whole):
    stopped = [
        replace(
            trial,
            ended_by=EndedBy.SCHEDULER,
            stop_reason=f"rank 5 of {trial.index} at 3 iterations, the best 4 go on",
            last_result={**trial.last_result, "training_iteration": 3},
        )
        for trial in whole.trials[:30]
    ]
    text = text_of(search(*stopped, *whole.trials[30:]))
    assert "| at iteration | trials that reached it | stopped there |" in text
    assert "| 3 | 40 | 30 |" in text
    assert "- 30 × the scheduler: `script_0`" in text


def test_no_trial_has_begun():
    pending = searched_trial(
        0, {}, 1.0, state=TrialState.PENDING, attempts=0, last_result=None, proposed_by="qmc"
    )
    text = text_of(search(pending, dimensions=[LR, DROPOUT]))
    assert "No trial has begun; `tpe`." in text


def test_without_a_metric_to_go_by(whole):
    text = text_of(replace(whole, objective=None))
    assert "23 by `tpe`." in text
    assert "PED-ANOVA" not in text


def test_infeasible_trials_are_never_the_best_so_far_and_as_bad_as_the_worst():
    """The trials with the least loss are not allowed, so that what is best is at the other end."""

    def trials(is_infeasible):
        for trial in drawn_trials(17, lambda point: point["lr"]):
            is_low = LR.position(trial.point["lr"]) < 0.5
            words = "size 6 is not <= 5" if is_infeasible and is_low else None
            yield replace(trial, infeasible=words)

    experiment = search(*trials(is_infeasible=True))
    view = search_view(experiment)
    best = view.best.improvements[-1]
    assert best.value == experiment.best_value() > min(t.point["lr"] for t in experiment.trials)
    assert len(view.best.ended) == 17
    assert view.covering == 16
    assert view.importance != search_view(search(*trials(is_infeasible=False))).importance


def test_with_several_objectives_what_goes_by_one_metric_is_left_out(whole):
    other = Objective("timesteps_total", "min")
    view = search_view(replace(whole, others=(other,)))
    assert dict(view.proposed_by) == {"try_first": 1, "start-up": 16, "tpe": 23}
    assert (view.best, view.importance, view.next) == (None, {}, ())
    made = view.as_json()
    assert (made["best_so_far"], made["importance"], made["next"]) == ([], None, [])
    text = text_of(replace(whole, others=(other,)))
    assert "## The search" in text
    assert "How the best became better" not in text
    assert "mportance" not in text
