"""The short form of the campaign: a fault of each sort, each in a sweep of its own."""

import pytest

from tests.faults.campaign import Campaign
from tests.faults.faults import MLFLOW, Fault

pytestmark = pytest.mark.services

FAULTS = {
    "driver": Fault("tune_tasks.sweep.journal_file:JournalFile.sync", at=5, when="after"),
    "checkpoint": Fault("tune_tasks.model.checkpoint_folder:put_in_place", at=2, when="before"),
    "raylet": Fault("raylet", at=0.4),
    "mlflow": Fault(MLFLOW, at=0.3),
}


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    return Campaign(tmp_path_factory.mktemp("faults"))


@pytest.mark.parametrize("name", FAULTS)
def test_a_sweep_with_a_fault_ends_as_without(campaign, name):
    verdict = campaign.verdict(name, FAULTS[name])
    assert verdict.wrong == [], "\n".join(verdict.wrong)
    assert verdict.was_done
