"""The example specs of RLlib are valid: every key, every environment, every trial's shares."""

from pathlib import Path

import pytest

from tune_tasks.spec.loading import load_spec
from tune_tasks.sweep.planning import make_plan

pytestmark = pytest.mark.rllib

EXAMPLES = sorted((Path(__file__).parents[2] / "examples" / "rllib").glob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_it_is_planned_without_a_warning(path):
    plan = make_plan(load_spec(path), seed=0)
    assert plan.warnings == []
    assert list(plan.trials())
