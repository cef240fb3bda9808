"""A trial as one of its attempts had it."""

from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.trial import Trial
from tune_tasks.sweep.records import as_begun

NOW = {"lr": 2.0, "token": "secret", "opt": {"name": "sgd", "momentum": 0.5}}
TRIAL = Trial(
    "e", 0, "n", "script", NOW, {"lr": 2.0, "opt.name": "sgd", "opt.momentum": 0.5}, seed=1
)


def test_an_earlier_config_is_that_of_its_file(tmp_path):
    paths = AttemptPaths(tmp_path)
    then = {"lr": 1.0, "token": "secret", "opt": {"name": "adam"}}
    paths.create(then)
    trial = as_begun(TRIAL, paths)
    assert trial.searched == {"lr": 1.0, "opt.name": "adam"}
    assert trial.config["opt"] == {"name": "adam"}
    assert trial.config["token"] != "secret"


def test_a_trial_whose_config_has_not_changed_is_the_same(tmp_path):
    paths = AttemptPaths(tmp_path)
    assert as_begun(TRIAL, paths) is TRIAL  # there is no file
    paths.create(NOW)
    assert as_begun(TRIAL, paths) is TRIAL
