"""`tune-tasks rerun`: what it refuses before it starts anything."""

import pytest

from tests.sweep.told import Told, returned


@pytest.fixture
def told(spec_folder):
    made = Told(spec_folder / "tune_results")
    made.begin("exp/0")
    made.end("exp/0", returned())
    made.close()
    return made


def test_a_trial_that_was_never_started(told, refusal):
    assert f"the sweep {told.sweep} has started no trial '9'" in refusal("rerun", "last", "9")


def test_a_sweep_that_is_not_there(told, refusal):
    assert "no sweep 'x' in " in refusal("rerun", "x", "0")


def test_a_folder_that_has_gone(told, refusal):
    assert "the sweep ran in the folder /cwd, which is not there" in refusal("rerun", "last", "0")
