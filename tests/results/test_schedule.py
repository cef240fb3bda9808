"""The settings of trials that change, in the report and in its pictures."""

import json
from dataclasses import replace

import pytest

from tests.results.samples import experiment, summary, trial
from tests.sweep.told import row
from tune_tasks.results.plots import draw
from tune_tasks.results.report import report_text
from tune_tasks.results.schedule import Stretch, changed_in, schedule_pictures, stretches_of

RATES = [0.1, 0.1, 0.25, 0.25, 0.25]


def member(folder, index=0, rates=RATES, attempts=2, **config):
    folder = folder / str(index)
    folder.mkdir()
    rows = [
        row(step, mean_loss=1 / step) | {"config": {"opt": {"lr": rate}, "fixed": 1, **config}}
        for step, rate in enumerate(rates, 1)
    ]
    (folder / "result.json").write_text("".join(json.dumps(each) + "\n" for each in rows))
    made = trial(index, mean_loss=0.2, training_iteration=len(rates))
    searched = {"opt.lr": rates[-1], **config}
    return replace(made, searched=searched, logdir=str(folder), attempts=attempts)


def test_the_stretches_of_a_member(tmp_path):
    stretches = stretches_of(member(tmp_path))
    assert stretches == [Stretch(1, 2, {"opt.lr": 0.1}), Stretch(3, 5, {"opt.lr": 0.25})]
    assert changed_in(stretches) == ["opt.lr"]


def test_the_report_has_the_schedule_of_the_best(tmp_path):
    made = experiment(member(tmp_path, act="relu"), trial(1, mean_loss=0.9))
    text = "\n".join(report_text(summary(made), made))
    assert "## How its config changed" in text
    assert "| from iteration | opt.lr |" in text
    assert "| 1 | 0.1 |" in text
    assert "| 3 | 0.25 |" in text


def test_what_did_not_change_has_no_schedule(tmp_path):
    tried_again = member(tmp_path, rates=[0.1, 0.1])
    gone = replace(tried_again, index=1, logdir=str(tmp_path / "gone"))
    for each in (tried_again, gone, replace(tried_again, attempts=1)):
        made = experiment(each)
        assert "How its config changed" not in "\n".join(report_text(summary(made), made))
        assert schedule_pictures([each], ()) == {}


def test_numbers_beyond_floats_are_no_picture(tmp_path):
    assert schedule_pictures([member(tmp_path, 1, [1, 2])], ())
    assert schedule_pictures([member(tmp_path, 2, [1, 10**400])], ()) == {}
    assert schedule_pictures([member(tmp_path, 3, [1, -1e308])], ()) == {}
    assert schedule_pictures([member(tmp_path, 4, [1, float("inf")])], ())


@pytest.mark.long
def test_the_settings_over_time_are_a_picture(tmp_path):
    made = experiment(member(tmp_path), member(tmp_path, 1, [0.3, 0.5]), trial(2, mean_loss=0.9))
    assert draw(made)["Settings over time"].startswith(b"\x89PNG")
    texts = member(tmp_path, 3, ["a", "b"])
    assert schedule_pictures([texts], ()) == {}
