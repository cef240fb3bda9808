"""How the processes of an RLlib trial share what it has."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tune_tasks.errors import ResourcesError
from tune_tasks.model.trial import Resources
from tune_tasks.rllib.shares import divide

SHARES = {
    "no workers": (Resources(4, 1, 100), 0, (Resources(4, 1, 100),)),
    "the document's": (Resources(8), 8, (Resources(1), *[Resources(0.875)] * 8)),
    "a third has no end": (Resources(2), 3, (Resources(1.0001), *[Resources(0.3333)] * 3)),
    "less than one CPU": (Resources(0.9), 2, (Resources(0.3), *[Resources(0.3)] * 2)),
    "GPU and memory are its own": (
        Resources(3, 1, 100),
        2,
        (Resources(1, 1, 100), *[Resources(1)] * 2),
    ),
}


@pytest.mark.parametrize(("resources", "workers", "bundles"), SHARES.values(), ids=SHARES)
def test_shares(resources, workers, bundles):
    assert divide(resources, workers) == bundles


@given(cpu=st.integers(1, 128).map(lambda n: n / 2), workers=st.integers(1, 64))
def test_their_sum_is_exact_and_each_has_some(cpu, workers):
    bundles = divide(Resources(cpu), workers)
    assert len(bundles) == workers + 1
    assert sum(round(bundle.cpu * 10_000) for bundle in bundles) == cpu * 10_000
    assert min(bundle.cpu for bundle in bundles) > 0


def test_what_the_config_says_of_a_worker_holds():
    assert divide(Resources(4, 1), 2, cpu=1, gpu=0.25) == (
        Resources(2, 0.5),
        *[Resources(1, 0.25)] * 2,
    )


@pytest.mark.parametrize(("cpu", "gpu"), [(2, 0), (1, 1)])
def test_too_little(cpu, gpu):
    with pytest.raises(
        ResourcesError, match=r"^resources: 4 CPUs, 1 GPU do not hold 2 workers of .* each beside"
    ):
        divide(Resources(4, 1), 2, cpu=cpu, gpu=gpu)


def test_no_cpu_holds_no_worker():
    with pytest.raises(ResourcesError, match=r"0 CPUs, 0 GPUs do not hold 1 worker of"):
        divide(Resources(0), 1)
