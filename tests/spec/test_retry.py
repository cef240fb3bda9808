"""The rules of `retry`: which failure each fits, and what the next attempt gets."""

import pytest

from tune_tasks.model.failure import Failure, FailureCause
from tune_tasks.model.trial import Resources
from tune_tasks.spec.loading import spec_from_data
from tune_tasks.spec.retry import LONGEST_WAIT_S, MAX_TIMES, Do, NextResources, RetryRule

IMPORT = Failure(
    FailureCause.EXCEPTION, "No module named 'foo'", ("ModuleNotFoundError", "ImportError")
)
OUT_OF_MEMORY = Failure(FailureCause.OUT_OF_MEMORY, "the node is running low")
DIED = Failure(FailureCause.PROCESS_DIED, "Fatal Python error: Segmentation fault")


def rule(**keys):
    ((_, experiment),) = spec_from_data({"e": {"retry": [keys]}}).experiments.items()
    (made,) = experiment.rules()
    return made


@pytest.mark.parametrize(
    ("on", "fitting"),
    [
        ("ImportError|FileNotFoundError", [IMPORT]),
        ("^ModuleNotFoundError: No module", [IMPORT]),
        ("out_of_memory", [OUT_OF_MEMORY]),
        ("machine_lost", []),
        ("process_died", [DIED]),
        ("Segmentation fault", [DIED]),
        (".*", [IMPORT, OUT_OF_MEMORY, DIED]),
    ],
)
def test_which_failure_it_fits(on, fitting):
    failures = [IMPORT, OUT_OF_MEMORY, DIED]
    assert [failure for failure in failures if rule(on=on).fits(failure)] == fitting


def test_the_defaults():
    assert rule(on="a") == RetryRule("a", Do.RETRY, MAX_TIMES, True, 0.0, NextResources())


def test_with_times_of_its_own_its_failures_do_not_count_unless_said():
    assert rule(on="a", times=2).counts is False
    assert rule(on="a", times=2, counts=True).counts is True
    assert rule(on="a", counts=False).counts is False


def test_waits_double_up_to_an_hour():
    waits = [rule(on="a", wait_s=30).wait_before(use) for use in (1, 2, 3, 8, 1_000)]
    assert waits == [30, 60, 120, LONGEST_WAIT_S, LONGEST_WAIT_S]
    long = rule(on="a", wait_s=7_200)
    assert [long.wait_before(1), long.wait_before(2)] == [7_200, 7_200]


@pytest.mark.parametrize(
    ("resources", "after"),
    [
        ({}, Resources(2, 0.4, 1_000)),
        ({"memory": "x2"}, Resources(2, 0.4, 2_000)),
        ({"memory": "x1.5", "cpu": "x2"}, Resources(4, 0.4, 1_500)),
        ({"memory": "2GiB", "cpu": 0.5}, Resources(0.5, 0.4, 2 * 2**30)),
        ({"gpu": "x2"}, Resources(2, 0.8, 1_000)),
        ({"gpu": "x3"}, Resources(2, 2, 1_000)),
        ({"gpu": 1}, Resources(2, 1, 1_000)),
    ],
)
def test_what_the_next_attempt_gets(resources, after):
    assert rule(on="a", resources=resources).resources.after(Resources(2, 0.4, 1_000)) == after


def test_a_factor_applies_again_each_time():
    more = rule(on="a", resources={"memory": "x2"}).resources
    assert more.after(more.after(Resources(memory=1_000))).memory == 4_000
