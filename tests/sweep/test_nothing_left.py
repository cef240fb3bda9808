"""A sweep that is to be resumed, and of which nothing is left to run."""

import pytest
import yaml

from tests.sweep.told import Told, failed, returned, row
from tune_tasks.errors import UsageError
from tune_tasks.sweep.nothing_left import nothing_left
from tune_tasks.sweep.request import Request

SPEC = {"exp": {"num_trials": 2, "seed": 1, "config": {"script_file_path": "train.py", "a": 1}}}


@pytest.fixture
def told(tmp_path, monkeypatch):
    """A sweep of two trials: the first has ended well."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text("def train(config, status_reporter): pass\n")
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(SPEC))
    made = Told(tmp_path / "tune_results", spec=SPEC)
    made.begin("exp/0", row(1, mean_loss=0.5))
    made.end("exp/0", returned(1))
    made.begin("exp/1", row(1, mean_loss=0.4))
    return made


def left(told, **keys):
    return nothing_left(Request(resume=told.sweep, **keys), {}, None)


def test_a_sweep_that_has_ended_is_shown_as_it_ended(told):
    told.end("exp/1", failed(1))
    told.close()
    summary = left(told)
    assert (summary.sweep, summary.interrupted, len(summary.failed)) == (told.sweep, False, 1)
    assert left(told, retry_failed=True) is None


def test_one_that_was_interrupted_or_whose_driver_has_died_goes_on(told):
    told.die()
    assert left(told) is None
    told.take()
    told.stop()
    told.close()
    assert left(told) is None


def test_reports_that_have_gone_are_made_again(told):
    told.end("exp/1", returned(1))
    told.close()
    told.paths("exp/0", 1).results.unlink()
    assert left(told) is None


def test_an_edited_spec_is_not_what_has_ended(told, tmp_path):
    told.end("exp/1", returned(1))
    told.close()
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump({"exp": {**SPEC["exp"], "num_trials": 3}}))
    with pytest.raises(UsageError, match="is not what the sweep"):
        left(told, spec_file="spec.yaml")
    assert left(told, spec_file="spec.yaml", accept_changes=True) is None


def test_what_is_not_resumed_is_new():
    assert nothing_left(Request(spec=SPEC), {}, None) is None
