"""Whether a trial that is run again reports the same."""

import pytest

from tune_tasks.results.comparison import first_difference


def row(step, **metrics):
    return {"timesteps_total": step, **metrics, "time_total_s": 0.5 * step, "pid": 7, "config": {}}


def rows(*losses):
    return [row(step, mean_loss=loss) for step, loss in enumerate(losses, 1)]


def test_when_and_where_it_ran_does_not_count():
    again = [
        {**each, "pid": 99, "hostname": "b", "timestamp": 0.0, "date": "?", "time_total_s": 9}
        for each in rows(0.5, float("nan"))
    ]
    assert first_difference(rows(0.5, float("nan")), again) is None


@pytest.mark.parametrize(
    ("original", "repeated", "said"),
    [
        (rows(0.5), rows(), "report 1 is missing; the original has it"),
        (rows(0.5), rows(0.5, 0.4), "report 2 is one more than the original has"),
        (
            rows(0.5, 0.25, 1),
            rows(0.5, 0.5, 2),
            "report 2: mean_loss is 0.5, was 0.25 (by +0.25)",
        ),
        (rows(0.5), [row(1)], "report 1: mean_loss is absent, was 0.5"),
        (
            [row(1, info={"a": {"b": "x"}, "c": [1, 2]})],
            [row(1, info={"a": {"b": "y"}, "c": [1, 3]})],
            "report 1: info.a.b is 'y', was 'x'; info.c.1 is 3, was 2 (by +1)",
        ),
    ],
)
def test_the_first_report_that_differs_is_named(original, repeated, said):
    assert first_difference(original, repeated) == said
