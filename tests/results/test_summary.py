"""What a sweep came to."""

import json
import pickle
from dataclasses import replace

import pytest

from tests.results.samples import ERROR, experiment, summary, trial
from tune_tasks.results.words import report_lines


def test_a_summary_travels():
    made = summary(experiment(trial(0, mean_loss=0.5)))
    assert pickle.loads(pickle.dumps(made)) == made


def test_secrets_are_in_the_config_alone():
    one = replace(
        trial(0, mean_accuracy=0.9),
        config={"lr": 0, "token": "s3cret"},
        searched={"lr": 0, "token": "s3cret"},
    )
    found = summary(experiment(one))
    assert found.best().config["token"] == "s3cret"
    shown = [
        repr(found),
        json.dumps(found.as_json()),
        found.dataframe().to_csv(),
        *report_lines(found),
    ]
    assert not [text for text in shown if "s3cret" in text]
    assert found.best().as_json()["config"] == {"lr": 0, "token": "***"}


@pytest.mark.parametrize(
    ("trials", "ended_well"),
    [
        ([trial(0)], True),
        ([trial(0), trial(1, ERROR)], False),
        ([replace(trial(0), missing=("result.json",))], False),
        ([replace(trial(0), missing=("params.json",), foreign_lines=1)], True),
    ],
)
def test_a_sweep_has_ended_well_if_no_trial_failed_and_all_reports_are_there(trials, ended_well):
    assert summary(experiment(*trials)).ended_well is ended_well
    assert not replace(summary(experiment(*trials)), ended_early="no space").ended_well
