"""What fits a cluster."""

import dataclasses

import pytest

from tune_tasks.cluster.nodes import Cluster, Node, local_cluster
from tune_tasks.errors import ResourcesError
from tune_tasks.model.trial import Resources
from tune_tasks.spec.loading import spec_from_data
from tune_tasks.sweep.plan import Need
from tune_tasks.sweep.planning import make_plan

GIB = 2**30
TWO = Cluster([Node("a", 4, 1, 8 * GIB), Node("b", 2, 0, 4 * GIB)])


@pytest.mark.parametrize(
    ("resources", "slots"),
    [
        (Resources(1), 6),
        (Resources(3), 1),
        (Resources(0.1), 60),
        (Resources(0), 6),
        (Resources(1, gpu=0.5), 2),
        (Resources(0, gpu=1), 1),
        (Resources(1, memory=2 * GIB), 6),
        (Resources(1, memory=3 * GIB), 3),
    ],
)
def test_slots(resources, slots):
    assert TWO.slots(resources) == slots


def plan(**resources):
    data = {"exp": {"resources": resources}}
    return make_plan(spec_from_data(data), callables={"exp": lambda config, reporter: None})


def test_a_trial_that_no_machine_holds_is_refused_with_what_it_asks_and_what_there_is():
    with pytest.raises(ResourcesError) as caught:
        plan(cpu=5).expect_to_fit(TWO)  # six in all, but no machine has five
    assert (
        str(caught.value)
        == "exp: a trial asks for 5 CPUs, 0 GPUs, but no machine of the cluster has that: 4 CPUs, 1"
        " GPU, 8 GiB of memory; 2 CPUs, 0 GPUs, 4 GiB of memory. Lower `resources` in the spec,"
        " or join a larger cluster (--address; a local one: --num-cpus, --num-gpus)"
    )
    plan(cpu=4, gpu=1, memory="8GiB").expect_to_fit(TWO)


def test_a_trial_of_several_processes_may_be_spread_over_machines():
    made = plan(cpu=6)

    def needing(*bundles):
        need = Need(Resources(6), bundles)
        experiment = dataclasses.replace(made.experiments[0], needs=[need])
        return dataclasses.replace(made, experiments=[experiment])

    needing(Resources(2, 1), Resources(2), Resources(2)).expect_to_fit(TWO)
    with pytest.raises(ResourcesError, match="asks for 6 CPUs"):
        needing(Resources(3), Resources(3)).expect_to_fit(TWO)


def test_what_is_not_known_yet_refuses_nothing():
    plan(cpu=2, gpu=1, memory="1TiB").expect_to_fit(local_cluster(2, None))
    with pytest.raises(
        ResourcesError,
        match="asks for 2 CPUs, 1 GPU, but no machine of the cluster has that: 2 CPUs, 0 GPUs",
    ):
        plan(cpu=2, gpu=1).expect_to_fit(local_cluster(2, 0))
