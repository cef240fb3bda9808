"""How a sweep's run in MLflow says what it goes by, and which trials are on its front."""

import pytest

from tune_tasks.model.objective import Objective
from tune_tasks.tracking.mlflow_runs import TAG_LENGTH
from tune_tasks.tracking.mlflow_tags import (
    FRONT_TAG,
    front_in,
    front_tag,
    objective_in,
    objective_tags,
    objectives_in,
)

FIRST, SECOND = Objective("acc", "max"), Objective("ms", "min")


@pytest.mark.parametrize("others", [(), (SECOND,), (SECOND, Objective("size", "min"))])
def test_the_objectives_are_read_as_they_were_written(others):
    tags = objective_tags(FIRST, others)
    assert objective_in(tags) == FIRST
    assert objectives_in(tags) == (FIRST, *others)
    assert objectives_in({}) == ()


def test_a_front_is_read_as_it_was_written_and_cut_between_two_trials():
    assert front_in({FRONT_TAG: front_tag([17, 3])}) == {3, 17}
    assert front_in({FRONT_TAG: front_tag([])}) == front_in({}) == set()
    many = front_tag(range(10_000, 20_000))
    assert len(many) <= TAG_LENGTH
    assert front_in({FRONT_TAG: many}) == set(
        range(10_000, 10_000 + len(front_in({FRONT_TAG: many})))
    )
