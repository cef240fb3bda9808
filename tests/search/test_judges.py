"""What ends trials at milestones: each rule by examples, and what holds for all of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tune_tasks.model.milestones import Course, Reached
from tune_tasks.model.objective import Objective
from tune_tasks.search.asha import Asha, expected_at, rungs
from tune_tasks.search.hyperband import Hyperband, bracket_of, dealt, shares
from tune_tasks.search.judges import judges_of
from tune_tasks.search.median import Median
from tune_tasks.spec.loading import spec_from_data
from tune_tasks.testing import JudgeContract
from tune_tasks.testing.judge_contract import OBJECTIVE

LOSS = OBJECTIVE
STEPS = rungs(1, 81, 3)


class TestAsha(JudgeContract):
    def make(self):
        return Asha(LOSS, "training_iteration", STEPS, 3)


class TestHyperband(JudgeContract):
    trials = 120

    def make(self):
        return Hyperband(LOSS, "training_iteration", STEPS, 3, brackets=2)


class TestMedian(JudgeContract):
    def make(self):
        return Median(LOSS, "training_iteration", 5, 5, 5)

    def test_the_best_at_every_milestone_goes_on(self):
        """By its best value, however bad its mean is."""
        judge = self.make()
        for index in range(9):
            judge.judge(index, at(5, 1.0))
        assert judge.judge(9, at(5, 0.5, mean=99)) is None


def at(step, value=None, mean=None):
    return Reached(0, step, step, value, value, value if mean is None else mean)


def test_rungs():
    assert STEPS == (1, 3, 9, 27, 81)
    assert rungs(5, 100, 4) == (5, 20, 80, 100)
    assert rungs(1, 1, 3) == (1,)
    assert rungs(0.5, 3, 2.5) == (0.5, 1.25, 3)


def test_asha_says_who_goes_on():
    judge = Asha(LOSS, "training_iteration", STEPS, 3)
    verdicts = [judge.judge(index, at(9, float(index))) for index in range(12)]
    # The best first: from the third on one, then two, three, and four of twelve.
    assert verdicts[:2] == [None] * 2
    assert verdicts[2] == "rank 3 of 3 at 9 iterations, the best one goes on"
    assert verdicts[5] == "rank 6 of 6 at 9 iterations, the best 2 go on"
    assert verdicts[11] == "rank 12 of 12 at 9 iterations, the best 4 go on"
    assert judge.judge(12, at(9, 2.5)) is None  # rank 4 of 13
    assert judge.judge(13, at(9, 3.5)) == "rank 6 of 14 at 9 iterations, the best 4 go on"


def test_the_greatest_is_the_best_if_the_mode_says_so():
    judge = Asha(Objective("acc", "max"), "timesteps_total", (100, 300), 2)
    said = [judge.judge(index, at(100, value)) for index, value in enumerate([1, 2, 3, 0.5, 4])]
    assert said[3:] == ["rank 4 of 4 at 100 timesteps, the best 2 go on", None]


def test_ties_go_by_who_came_first():
    judge = Asha(LOSS, "time_total_s", STEPS, 2)
    said = [judge.judge(index, at(1, 0.5)) for index in range(4)]
    assert said == [
        None,
        "rank 2 of 2 at 1 s, the best one goes on",
        "rank 3 of 3 at 1 s, the best one goes on",
        "rank 4 of 4 at 1 s, the best 2 go on",
    ]


def test_no_number_ends_a_trial_as_soon_as_another_has_one():
    judge = Asha(LOSS, "training_iteration", STEPS, 3)
    assert judge.judge(0, at(1)) is None
    assert judge.judge(1, at(1)) is None
    assert judge.judge(2, at(1, 7.0)) is None
    expected = "no finite mean_loss at 1 iteration, 1 of 4 have one"
    assert judge.judge(3, at(1)) == expected


def test_who_has_come_to_its_own_end_counts_at_the_later_rungs():
    judge = Asha(LOSS, "training_iteration", STEPS, 2)
    for index in range(3):
        judge.judge(index, at(1, 0.1))
        judge.ended(index, 0.1)
    assert judge.judge(3, at(27, 0.2)) == "rank 4 of 4 at 27 iterations, the best 2 go on"
    assert judge.judge(0, at(27, 0.3)) is None  # it runs again, and counts already


def test_a_sparse_report_counts_at_each_rung_that_it_passes():
    judge = Asha(LOSS, "training_iteration", STEPS, 3)
    course = Course(0, judge.milestones(0))
    row = {"training_iteration": 30, "mean_loss": 0.5}
    assert [reached.milestone for reached in course.reached(row)] == [1, 3, 9, 27]


def test_a_rung_between_whole_steps_is_reached_by_the_report_that_is_there():
    judge = Asha(LOSS, "time_total_s", rungs(0.1, 8.1, 3), 3)
    course = Course(0, judge.milestones(0))
    rows = ({"time_total_s": step, "mean_loss": 1} for step in (0.1, 0.2, 0.3))
    assert [len(list(course.reached(row))) for row in rows] == [1, 0, 1]  # 0.1 * 3 is above 0.3


def test_what_is_to_be_expected():
    assert expected_at(STEPS, 2, 3) == [2, 2, 2, 2, 2]
    at_each = expected_at(STEPS, 243, 3)
    assert at_each[0] == 243
    assert at_each[1] == pytest.approx(243 / 3, rel=0.05)


def test_brackets_have_the_papers_shares():
    # Table 1 of the paper, R = 81 and η = 3: n = 81, 34, 15, 8, 5.
    assert shares(5, 5, 3) == pytest.approx([n / 143 for n in (81, 34, 15, 8, 5)])
    assert sum(dealt(range(143), 1, shares(5, 5, 3))) == 143
    assert dealt(range(143), 1, shares(5, 5, 3)) == pytest.approx([81, 34, 15, 8, 5], abs=2)


@pytest.mark.parametrize("grid", [2, 3, 4, 8])
def test_each_combination_of_a_grid_has_the_papers_shares(grid):
    for combination in range(grid):
        own = range(combination, 143 * grid, grid)
        assert dealt(own, grid, shares(5, 5, 3)) == pytest.approx([81, 34, 15, 8, 5], abs=2)


def test_a_grid_that_is_tried_once_has_the_papers_shares():
    assert dealt(range(143), 143, shares(5, 5, 3)) == pytest.approx([81, 34, 15, 8, 5], abs=2)


@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(2, 7), st.integers(2, 5))
def test_a_trial_is_always_in_the_same_bracket(index, grid, levels, factor):
    parts = shares(levels, levels, factor)
    assert 0 <= bracket_of(index, grid, parts) < levels
    assert bracket_of(index, grid, parts) == bracket_of(index, grid, parts)


def test_each_bracket_has_its_own_rungs():
    judge = Hyperband(LOSS, "training_iteration", STEPS, 3)
    firsts = {judge.milestones(index).at[:1] for index in range(60)}
    assert firsts == {(1,), (3,), (9,), (27,), ()}


def test_median_compares_the_best_with_the_others_means():
    judge = Median(LOSS, "training_iteration", 5, 5, 3)
    for index, mean in enumerate([1.0, 2.0, 3.0]):
        assert judge.judge(index, at(5, mean)) is None
    assert judge.judge(3, at(5, 2.0, mean=9.0)) is None
    # The others' means are 1, 2, 3 and 9.
    assert judge.judge(4, at(5, 2.5)) is None
    words = (
        "its best mean_loss 2.6 at 5 iterations is worse than the median of 5 others' means, 2.5"
    )
    assert judge.judge(5, at(5, 2.6)) == words


def test_median_takes_who_is_done_for_one_of_the_others():
    judge = Median(LOSS, "training_iteration", 5, 5, 1)
    judge.judge(0, at(5, 1.0))
    judge.ended(0, 0.5)
    said = judge.judge(1, at(10, 2.0))
    assert said == (
        "its best mean_loss 2 at 10 iterations is worse than the median of 1 others' means, 1"
    )


def test_what_a_spec_names():
    def of(scheduler):
        experiment = {"metric": "mean_loss", "stop": {"training_iteration": 81}, "config": {}}
        spec = spec_from_data({"e": {**experiment, "scheduler": scheduler}})
        return [type(judge) for judge in judges_of(spec.experiments["e"])]

    assert of("asha") == [Asha]
    assert of(["plateau", {"hyperband": {"brackets": 2}}, "median"]) == [Hyperband, Median]
    assert of(None) == []
