"""What the campaign looks at in every sweep: it is seen if it is wrong."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.invariants import wrong_decisions, wrong_reports
from tests.faults.specs import SWEEPS
from tests.faults.train import EVERY, MODULUS, STEPS, after
from tests.sweep.drivers import FAILED, Driver
from tune_tasks.spec.loading import load_spec
from tune_tasks.sweep.instructions import KeepEnd
from tune_tasks.sweep.journal import read_history
from tune_tasks.sweep.planning import make_plan
from tune_tasks.sweep.request import Request

CONFIG = {"x": 20}


def rows(number, config=CONFIG, before=(0, 0), first=1):
    """The reports of a trial that goes on from a step and its value."""
    step, value = before
    for iteration in range(first, first + number):
        step += 1
        value = after(value, step, config)
        yield {
            "training_iteration": iteration,
            "timesteps_total": step,
            "mean_loss": value / MODULUS,
            "config": config,
        }


def state(row):
    return row["timesteps_total"], round(row["mean_loss"] * MODULUS)


@pytest.fixture
def spec(tmp_path, monkeypatch):
    """Writes the spec of a sweep; returns its path."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text((Path(__file__).parent / "train.py").read_text())

    def write(name):
        path = tmp_path / "spec.yaml"
        path.write_text(json.dumps({"faults": SWEEPS[name].experiment(["RuntimeError"])}))
        return path

    return write


@pytest.mark.parametrize("name", SWEEPS)
def test_every_spec_can_be_run(spec, name):
    assert make_plan(load_spec(spec(name))).size > 3


def test_a_report_that_is_lost_or_double_is_seen():
    kind = SWEEPS["grid"]
    whole = list(rows(STEPS))
    assert list(wrong_reports({"a": whole}, kind)) == []
    for wrong in (whole[:5] + whole[6:], [*whole[:5], *whole[4:-1]], whole[:-1], whole[1:]):
        assert list(wrong_reports({"a": wrong, "b": whole}, kind))


def test_a_report_with_another_config_than_its_own_is_seen():
    wrong = list(rows(STEPS))
    wrong[7] = {**wrong[7], "config": {"x": 21}}
    (said,) = wrong_reports({"a": wrong}, SWEEPS["grid"])
    assert said == "a: its report 8 follows from none before it"


def test_only_a_member_goes_on_from_another_and_only_after_an_interval():
    donor = list(rows(STEPS))
    own = list(rows(EVERY, {"x": 30}))
    taken = rows(STEPS - EVERY, {"x": 16}, state(donor[2 * EVERY - 1]), first=EVERY + 1)
    reports = {"a": donor, "b": [*own, *taken]}
    assert list(wrong_reports(reports, SWEEPS["population"])) == []
    assert list(wrong_reports(reports, SWEEPS["grid"]))
    late = rows(STEPS - EVERY - 1, {"x": 16}, state(donor[EVERY]), first=EVERY + 2)
    reports = {"a": donor, "b": [*rows(EVERY + 1, {"x": 30}), *late]}
    assert list(wrong_reports(reports, SWEEPS["population"]))


def test_a_decision_that_does_not_follow_is_seen(spec):
    path = spec("grid")
    driver = Driver(Request(spec_file=str(path)))
    driver.end(FAILED)
    driver.run()
    driver.die()
    history = read_history(driver.beginning.path)
    assert list(wrong_decisions(history, path)) == []
    entries = [each for each in history.entries if not _ends_a_trial(each)]
    (said, *_) = wrong_decisions(replace(history, entries=entries), path)
    assert said.startswith("journal: ")


def _ends_a_trial(entry):
    return any(isinstance(wish, KeepEnd) for wish in getattr(entry, "then", ()))
