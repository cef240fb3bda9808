"""The status block of 2017, and the order of the trials in it."""

import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.sweep.views import ENDED, FAILED, record, view, waiting
from tune_tasks.model.stopping import parse_criterion
from tune_tasks.model.trial import EndedBy, Outcome, Resources, TrialState
from tune_tasks.results.budget_use import BudgetUse
from tune_tasks.sweep.status import StatusView, status_lines


def test_the_block_of_2017():
    records = [
        record(0, {"mean_accuracy": 0.991}, ENDED),
        record(1, {"mean_accuracy": 0.4567, "mean_loss": 1.5, "episode_reward_mean": 200.0}),
        record(2, running=True),
        record(3),
        record(4, {"info": {"own": 3.14159, "more": {"x": 1}}}, FAILED),
        record(5, {"mean_loss": float("nan")}, non_finite=2),
    ]
    assert list(status_lines(view(*records))) == [
        "== Status ==",
        "Resources used: 3/4 CPUs, 0/0 GPUs",
        "Tensorboard logdir: /tmp/ray/exp",
        " - script_mnist_1:\tRUNNING [pid=27708], 16 s, 20 ts, 200 rew, 1.5 loss, 0.457 acc",
        " - script_mnist_2:\tRUNNING [pid=27708]",
        " - script_mnist_5:\tRUNNING [pid=27708], 16 s, 20 ts, nan loss, 2 values not finite",
        " - script_mnist_0:\tTERMINATED, 16 s, 20 ts, 0.991 acc",
        " - script_mnist_3:\tPENDING",
        " - script_mnist_4:\tERROR, 16 s, 20 ts, 3.14 own, 1 more/x, ValueError: bad",
        "",
    ]


def test_the_best_that_has_ended_has_a_line():
    rows = [{"mean_loss": loss, "timestamp": float(i)} for i, loss in enumerate([3.0, 1.0, 2.0])]
    records = [record(i, row, ENDED) for i, row in enumerate(rows)]
    records += [record(3, {"mean_loss": 0.5}), record(4)]
    block = list(status_lines(view(*records)))
    assert block[3] == "Best ended trial: mean_loss 1 (trial 1 of 5), 1 has ended since"
    assert view(record(0, {"mean_loss": 0.5}), record(1)).best_so_far("exp") == ""
    assert view(record(0)).best_so_far("exp") == ""


def test_a_long_list_is_folded_with_counts():
    records = [record(i, {}, ENDED) for i in range(30)] + [
        record(30 + i, {"mean_loss": 1.0}) for i in range(3)
    ]
    lines = list(status_lines(view(*records, *(record(40 + i) for i in range(30)))))
    assert lines[3].startswith(" - script_mnist_30:\tRUNNING")
    assert lines[-2] == "   … 43 more trials: 13 PENDING, 30 TERMINATED"


def test_by_a_loss_the_smallest_is_first():
    losses = [record(i, {"mean_loss": loss}) for i, loss in enumerate([0.5, 0.1, 0.3])]
    assert [r.trial.index for r in view(*losses).best_first("exp")[0]] == [1, 2, 0]
    many = view(*(record(i, {"info": {"f1": i / 100}}, ENDED) for i in range(30)), metric="f1")
    listed, rest = many.best_first("exp")
    assert (listed[0].trial.index, rest) == (29, "… 10 more trials: 10 TERMINATED")


def test_infeasible_trials_come_after_the_feasible_ones():
    sizes = [(0.1, 9), (0.5, 1), (0.3, 2), (0.2, None)]
    records = [
        record(i, {"mean_loss": loss, "info": {"size": size}}, ENDED)
        for i, (loss, size) in enumerate(sizes)
    ]
    shown = view(*records, metric="mean_loss", constraints=(parse_criterion("size", "< 5"),))
    assert [r.trial.index for r in shown.best_first("exp")[0]] == [2, 1, 0, 3]
    assert shown.infeasibility(records[0]) == "size 9 is not < 5"
    assert shown.infeasibility(record(5)) is None


def test_the_block_has_the_metric_that_the_spec_names():
    block = list(
        status_lines(
            view(
                record(0, {"mean_validation_accuracy": 0.5, "mean_loss": 1.0}),
                metric="mean_validation_accuracy",
            )
        )
    )
    assert block[3].endswith("20 ts, 0.5 mean_validation_accuracy, 1 loss")


def test_trials_that_are_not_listed_are_counted():
    many = StatusView(
        4,
        0,
        {
            "exp": SimpleNamespace(
                folder=Path("/tmp/ray/exp"), objective=None, constraints=(), others=()
            )
        },
        [record(0, running=True), *(record(1 + i) for i in range(20))],
        {"exp": 999_979},
    )
    assert list(status_lines(many))[-2] == "   … 999980 more trials: 999980 PENDING"


def test_a_trial_that_is_to_be_tried_again_is_pending_and_its_attempt_says_what_it_was_given():
    again = waiting(0)
    given = record(1, {}, running=True)
    given.attempt.number = 2
    given.resources = Resources(2, 0, 2**30)
    shown = view(again, given)
    assert (shown.done(), shown.used()) == (0, (2, 0))
    assert [line for line in status_lines(shown) if line.startswith(" - ")] == [
        " - script_mnist_1:\tRUNNING [pid=27708], attempt 2 with 2 CPUs, 0 GPUs, 1 GiB of memory",
        " - script_mnist_0:\tPENDING, ValueError: bad",
    ]


NOON = 1_750_000_000.0


@pytest.fixture(autouse=True)
def in_one_zone(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


@pytest.mark.parametrize(
    ("use", "line"),
    [
        (BudgetUse("1.2 of 6 h", 3_600.0), "Budget: 1.2 of 6 h; ends at about 16:06"),
        (BudgetUse("1 of 9 days", 86_400.0), "Budget: 1 of 9 days; ends at about 2025-06-16 15:06"),
        (BudgetUse("3 of 40 trials without a better one"), "Budget: 3 of 40 trials without a"),
        (BudgetUse("6 of 6 h", 0.0, "budget: 6 h are over"), "Budget: 6 of 6 h; budget: 6 h are"),
    ],
)
def test_a_budget_is_in_the_block_with_the_time_at_which_the_sweep_ends(use, line):
    shown = view(record(0, running=True), record(1), budgets={"exp": use}, shown_at=NOON)
    (found,) = [each for each in status_lines(shown) if each.startswith("Budget")]
    assert found.startswith(line)


def test_a_sweep_ends_with_its_trials_if_that_is_before_its_budget_is_used():
    records = [record(0, {"time_total_s": 60.0}, ENDED), record(1, {"time_total_s": 30.0})]

    def shown(left_s, used_up=None):
        use = BudgetUse("1.2 of 6 h", left_s, used_up)
        return view(*records, record(2), budgets={"exp": use}, shown_at=NOON)

    assert next(shown(3_600.0).budget_lines()).endswith("ends at about 15:08")
    assert [shown(left).time_left_s() for left in (3_600.0, 10.0, None)] == [90, 10, 90]
    # What waits is not started any more.
    assert shown(None, "budget: 3 trials failed").time_left_s() == 30


def test_who_is_paused_says_why():
    reason = "paused at 9 iterations: rank 5 of 12, the best 4 go on"
    paused = record(0, {"mean_loss": 0.5}, Outcome(TrialState.TERMINATED, EndedBy.PAUSED, reason))
    paused.will_retry = True
    lines = list(status_lines(view(paused)))
    assert f" - script_mnist_0:\tPENDING, {reason}, 16 s, 20 ts, 0.5 loss" in lines
