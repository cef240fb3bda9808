"""The keys of Prefect's artifacts."""

from pathlib import Path

import pytest

from tune_tasks.results.summary import ExperimentSummary, Summary
from tune_tasks.sweep.run_view import _suffixes

pytestmark = pytest.mark.processes


@pytest.mark.parametrize(
    ("names", "suffixes"),
    [
        (["My Net_2"], ["my-net-2"]),
        (["a", "a-2", "A", "a!"], ["a", "a-2", "a-3", "a-4"]),
        (["隠れ層", "--"], ["experiment", "experiment-2"]),
    ],
)
def test_names_that_prefect_takes_no_two_alike(names, suffixes):
    assert (
        _suffixes(
            Summary("a-sweep", [ExperimentSummary(name, [], Path("/logs")) for name in names])
        )
        == suffixes
    )
