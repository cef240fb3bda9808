"""ASHA's promotions: who waits at a rung, and who goes on next."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tune_tasks.model.milestones import Reached
from tune_tasks.model.objective import Objective
from tune_tasks.search.asha import rungs
from tune_tasks.search.judge import Pause
from tune_tasks.search.promotion import Promotion, expected_at
from tune_tasks.testing.judge_contract import OBJECTIVE

STEPS = rungs(1, 81, 3)


def promotion(factor=3, steps=STEPS):
    return Promotion(OBJECTIVE, "training_iteration", steps, factor)


def at(step, value=None):
    return Reached(0, step, step, value, value, value)


def come(judge, step, *values):
    """Trials 0, 1, … come to a rung."""
    return [judge.judge(index, at(step, value)) for index, value in enumerate(values)]


def test_who_is_not_among_the_best_waits_and_hears_why():
    said = come(promotion(), 9, 0.5, 0.4, 0.3, 0.6, 0.7, 0.8, 0.1)
    assert said == [
        Pause("paused at 9 iterations: rank 1 of 1, one goes on once 3 are there"),
        Pause("paused at 9 iterations: rank 1 of 2, one goes on once 3 are there"),
        None,  # the best of three
        Pause("paused at 9 iterations: rank 4 of 4, the best one goes on"),
        Pause("paused at 9 iterations: rank 5 of 5, the best one goes on"),
        Pause("paused at 9 iterations: rank 6 of 6, the best 2 go on"),
        None,
    ]


def test_who_waits_goes_on_once_enough_others_are_there():
    judge = promotion()
    come(judge, 1, 0.1, 0.5)
    assert judge.promotable([0, 1]) is None
    judge.judge(2, at(1, 0.9))
    assert judge.promotable([0, 1, 2]) == 0
    assert judge.promotable([1, 2]) is None  # the best one has gone on


def test_the_highest_rung_goes_first():
    judge = promotion(2, (1, 2, 4))
    come(judge, 1, 0.1, 0.2, 0.3, 0.4)
    come(judge, 2, 0.9, 0.8)
    judge.judge(4, at(1, 0.5))
    judge.judge(5, at(1, 0.6))  # the best 3 of 6 go on from rung 1 now
    waiting = [0, 1, 2, 3, 4, 5]
    assert judge.promotable(waiting) == 1
    assert judge.promotable([0, 2, 3, 4, 5]) == 2
    assert judge.promotable([0, 3, 4, 5]) is None


def test_ties_go_by_who_came_first():
    judge = promotion()
    come(judge, 1, 0.5, 0.5, 0.5)
    assert judge.promotable([0, 1, 2]) == 0


def test_the_greatest_is_the_best_if_the_mode_says_so():
    judge = Promotion(Objective("acc", "max"), "training_iteration", STEPS, 3)
    come(judge, 1, 0.5, 0.7, 0.6)
    assert judge.promotable([0, 1, 2]) == 1


def test_what_is_not_a_number_ends_and_is_never_promoted():
    judge = promotion()
    assert judge.judge(0, at(1)) == "no finite mean_loss at 1 iteration"
    assert judge.judge(1, at(1)) == "no finite mean_loss at 1 iteration"
    assert judge.judge(2, at(1, 7.0)) is None
    assert judge.promotable([0, 1]) is None
    assert judge.promotable([0, 1], is_last=True) is None


def test_a_sparse_report_counts_at_each_rung_and_waits_at_the_last():
    judge = promotion()
    come(judge, 1, 0.5, 0.4)
    for step in (1, 3):
        said = judge.judge(2, at(step, 0.1))
    assert said == Pause("paused at 3 iterations: rank 1 of 1, one goes on once 3 are there")
    assert judge.promotable([0, 1, 2]) is None


def test_who_has_come_to_its_own_end_takes_its_place_among_the_best():
    judge = promotion()
    judge.ended(0, 0.1)
    come(judge, 1, None)  # the same trial, which runs again
    assert judge.judge(0, at(3, 9.0)) is None
    for index in (1, 2):
        assert isinstance(judge.judge(index, at(3, index)), Pause)
    assert judge.promotable([1, 2]) is None


@pytest.mark.parametrize("values", [(0.5,), (0.5, 0.3)])
def test_the_best_goes_on_if_nothing_else_is_left(values):
    judge = promotion()
    come(judge, 1, *values)
    waiting = range(len(values))
    assert judge.promotable(waiting) is None
    best = len(values) - 1
    assert judge.promotable(waiting, is_last=True) == best
    judge.judge(best, at(3, 0.9))
    assert judge.promotable(waiting, is_last=True) == best
    judge.ended(best, 0.9)
    assert judge.promotable([0] if best else [], is_last=True) is None


def test_another_one_goes_on_in_the_end_if_the_best_has_failed():
    judge = promotion()
    come(judge, 1, 0.5, 0.3)
    judge.failed(1)
    assert judge.promotable([0], is_last=True) == 0


def test_one_that_has_ended_early_by_itself_keeps_nobody_from_the_end():
    judge = promotion()
    come(judge, 1, 0.1, 0.2)
    judge.ended(2, 99.0)  # it has diverged, and is at every rung by that
    assert judge.promotable([0, 1], is_last=True) == 0
    judge.judge(0, at(3, 0.1))
    assert judge.promotable([0, 1], is_last=True) == 0


def test_another_one_goes_on_in_the_end_if_the_best_is_no_number_any_more():
    judge = promotion()
    come(judge, 1, 0.5, 0.3)
    judge.judge(1, at(3))
    assert judge.promotable([0], is_last=True) == 0


def test_why_one_was_not_promoted_is_said_as_it_stands_in_the_end():
    judge = promotion()
    come(judge, 9, 0.5, 0.4, 0.3, 0.2, 0.1, 0.7)
    assert judge.why_not(0) == ("not promoted: rank 5 of 6 at 9 iterations, the best 2 go on")
    judge = promotion()
    come(judge, 1, 0.5, 0.4)
    assert judge.why_not(0) == "not promoted: rank 2 of 2 at 1 iteration, the best one goes on"


def test_who_has_come_to_none_of_the_rungs_of_an_edited_spec_goes_on():
    judge = promotion()
    assert judge.judge(0, at(2, 0.5)) is None
    assert judge.promotable([0]) == 0
    assert judge.why_not(0) == "not promoted"


def test_a_judge_awaits_checkpoints():
    milestones = promotion().milestones(0)
    assert milestones.awaits_checkpoint
    assert milestones.at == (1, 3, 9, 27)


VALUES = st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4, None]) | st.floats(0, 1), max_size=60)


@given(VALUES, st.integers(2, 4))
def test_as_many_go_on_as_the_paper_says_or_more(values, factor):
    """Whoever is among the best ⌊n/η⌋ goes on, at once or when it gets there."""
    judge = promotion(factor)
    waiting, gone = [], []
    for index, value in enumerate(values):
        said = judge.judge(index, at(1, value))
        if isinstance(said, Pause):
            waiting.append(index)
        elif said is None:
            gone.append(index)
        while (found := judge.promotable(waiting)) is not None:
            waiting.remove(found)
            gone.append(found)
    numbers = [(value, index) for index, value in enumerate(values) if value is not None]
    best = [index for _, index in sorted(numbers)[: int(len(values) / factor)]]
    assert set(best) <= set(gone)
    assert all(values[index] is not None for index in gone)


def test_what_is_to_be_expected():
    assert expected_at(STEPS, 1, 3) == [1, 1, 1, 1, 1]
    at_each = expected_at(STEPS, 243, 3)
    assert at_each[0] == 243
    # About as many as the order of chance promotes wrongly are added: the paper's √n.
    assert 81 <= at_each[1] <= 81 + 243**0.5
    assert expected_at(STEPS, 243, 3) == at_each
    assert expected_at(STEPS, 50_000, 3)[1] == pytest.approx(50_000 / 3, rel=0.1)


def test_the_same_again():
    def said(seed):
        chance = random.Random(seed)
        judge = promotion()
        return come(judge, 1, *(chance.random() for _ in range(30)))

    assert said(1) == said(1)
