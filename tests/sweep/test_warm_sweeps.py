"""Sweeps that start from others: what is found is found once, and models know it."""

import shutil

import pytest

from tests.sweep.drivers import WELL
from tests.sweep.test_edited_search import Learning
from tests.sweep.test_repeat import run
from tests.sweep.test_warm_sources import FIRST, SECOND, Told, experiment, returned, row
from tune_tasks.errors import UsageError
from tune_tasks.sweep.asking import proposers
from tune_tasks.sweep.beginning import beginning_again, beginning_of
from tune_tasks.sweep.events import AttemptEnded
from tune_tasks.sweep.journal import read_history
from tune_tasks.sweep.repeat import Repeat, trial_named
from tune_tasks.sweep.request import Request
from tune_tasks.sweep.warm_sources import Shelf

SPACE = {"x": {"uniform": [0, 1]}, "n": {"int": [1, 4]}, "hf_token": "s"}


def night(folder, sweep, *losses, config=SPACE):
    told = Told(folder, sweep, {"e": experiment(config=config, num_trials=len(losses))}, room=9)
    for index, loss in enumerate(losses):
        told.begin(f"e/{index}", row(1, mean_loss=loss))
        told.end(f"e/{index}", returned(1))
    told.close()


def request(folder, warm_start=None, config=SPACE, resume=None, accept=True, **keys):
    spec = {
        "search": {"tpe": {"startup_trials": 4, **keys}},
        "metric": "mean_loss",
        "num_trials": 12,
        "seed": 1,
        "config": config,
        "warm_start": {"top": 2} if warm_start is None else warm_start,
    }
    return Request(spec={"e": spec}, local_dir=str(folder), resume=resume, accept_changes=accept)


@pytest.fixture
def drive():
    drivers = []

    def drive(*args, room=4, **keys):
        drivers.append(Learning(request(*args, **keys), room=room))
        return drivers[-1]

    yield drive
    for driver in drivers:
        driver.die()


def end(driver, index, loss):
    driver.now += 1
    driver.tell(AttemptEnded(driver.now, f"e/{index}", 1, WELL, {"mean_loss": loss}))
    driver.settle()


def configs(driver, indices):
    return [driver.core.trial(f"e/{index}").config for index in indices]


def losses(driver, key):
    return [(o.index, o.value) for o in driver.core.history_for(key)]


def test_a_model_knows_the_results_before_its_first_proposal(tmp_path, drive):
    night(tmp_path, FIRST, 0.3, 0.1, 0.2)
    driver = drive(tmp_path)
    # Two configs and one start-up trial are known; a model proposes all others
    assert [driver.plan.is_known(trial) for trial in driver.plan.trials()] == [True] * 3 + [
        False
    ] * 9
    end(driver, 0, 0.15)
    assert losses(driver, "e/3")[:4] == [(-3, 0.3), (-2, 0.1), (-1, 0.2), (0, 0.15)]


def test_with_a_lag_everybody_knows_the_earlier_results(tmp_path, drive):
    night(tmp_path, FIRST, 0.3, 0.1, 0.2)
    driver = drive(tmp_path, lag=8)
    end(driver, 0, 0.15)
    assert losses(driver, "e/3") == [(-3, 0.3), (-2, 0.1), (-1, 0.2)]
    assert losses(driver, "e/9") == [(-3, 0.3), (-2, 0.1), (-1, 0.2), (0, 0.15)]


def test_a_resumed_sweep_does_not_look_again(tmp_path, drive):
    night(tmp_path, FIRST, 0.3, 0.1, 0.2)
    first = drive(tmp_path)
    first.settle()
    end(first, 0, 0.15)
    end(first, 1, 0.05)
    then = configs(first, range(5))
    history = first.core.history_for("e/5")
    point = proposers(first.plan)["e"].propose(history, 5)
    first.die()
    for folder in (".sweeps/" + FIRST, "e/" + FIRST):
        shutil.rmtree(tmp_path / folder)
    night(tmp_path, SECOND, 0.0, 0.0, 0.0, 0.0)  # a later one, that must not count

    again = drive(tmp_path, resume="last", accept=False)
    assert configs(again, range(5)) == then
    assert not list(again.plan.dropped())
    finished = [each for each in history if each.value is not None]
    assert [each for each in again.core.history_for("e/5") if each.value is not None] == finished
    assert proposers(again.plan)["e"].propose(history, 5) == point


def test_a_first_night_stays_one(tmp_path, drive):
    first = drive(tmp_path)
    first.die()
    night(tmp_path, FIRST, 0.3)  # was there all the time, under a name that was not read
    again = drive(tmp_path, resume=first.sweep)
    assert again.plan.experiments[0].warm.started.source == ""


def test_an_edited_warm_start_is_looked_for_again(tmp_path, drive):
    night(tmp_path, FIRST, 0.3, 0.1, 0.2)
    night(tmp_path, SECOND, 0.4, 0.5)
    first = drive(tmp_path)
    begun = {key: first.core.trial(key).config for key in first.core.begun()}
    first.die()
    with pytest.raises(UsageError, match=r"warm_start\.from"):
        drive(tmp_path, {"top": 2, "from": FIRST}, resume=first.sweep, accept=False)
    again = drive(tmp_path, {"top": 2, "from": FIRST}, resume=first.sweep)
    assert again.plan.experiments[0].warm.started.source == f"the sweep {FIRST}"
    assert {key: again.core.trial(key).config for key in begun} == begun
    assert begun
    assert not any(map(again.plan.tries_again, map(again.core.trial, begun)))
    again.die()
    third = drive(tmp_path, {"top": 2, "from": FIRST}, resume=first.sweep, accept=False)
    assert third.plan.experiments[0].warm == again.plan.experiments[0].warm


def test_another_space_takes_what_fits_of_what_was_found(tmp_path, drive):
    night(tmp_path, FIRST, 0.3, 0.1, 0.2)
    first = drive(tmp_path)
    found = first.plan.experiments[0].warm.started
    first.die()
    again = drive(tmp_path, config={**SPACE, "n": {"int": [5, 6]}}, resume=first.sweep)
    assert again.plan.experiments[0].warm.started.results == found.results
    assert again.plan.experiments[0].warm.misfits == {"n": 3}


def test_a_trial_that_is_run_again_has_what_its_sweep_had(tmp_path, drive, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.py").write_text("def train(config, reporter): ...")
    night(tmp_path, FIRST, 0.3, 0.1)
    first = drive(tmp_path, config={"x": {"uniform": [0, 1]}, "script_file_path": "s.py"})
    first.die()
    shutil.rmtree(tmp_path / ".sweeps" / FIRST)
    history = read_history(first.beginning.path)
    repeat = Repeat(history, trial_named(history, "e/0"))
    again = run(beginning_again(Request(local_dir=str(tmp_path)), repeat))
    assert again.trials()["e/0"] == history.trials()["e/0"]
    # Nobody starts from a sweep of one trial
    assert [sweep.sweep for _, sweep in Shelf(tmp_path).journals()] == [first.sweep]


def test_nothing_that_was_tried_the_night_before_is_proposed_in_a_finite_space(tmp_path, drive):
    space = {"n": {"int": [1, 12]}, "hf_token": "s"}
    night(tmp_path, FIRST, *[0.1] * 6, config=space)
    driver = drive(tmp_path, {"use": "results"}, config=space, room=2 + 2)
    tried = {o.point["n"] for o in driver.plan.experiments[0].warm.told[0]}
    ask = proposers(driver.plan)["e"].propose
    history = driver.core.history_for("e/0")
    assert all(ask(history, index)["n"] not in tried for index in range(6))


def test_the_sweep_that_is_planned_is_not_its_own_beginning(tmp_path, drive):
    first = drive(tmp_path, {"use": "configs"})
    end(first, 0, 0.5)
    first.die()
    again = drive(tmp_path, {"use": "both"}, resume=first.sweep)
    assert beginning_of(request(tmp_path, resume=first.sweep)).sweep == first.sweep
    assert again.plan.experiments[0].warm.started.source == ""


def test_a_sweep_of_which_a_model_proposes_every_trial(tmp_path, drive):
    night(tmp_path, FIRST, 0.3, 0.1, 0.2, 0.5)
    driver = drive(tmp_path, {"use": "results"})
    assert driver.plan.experiments[0].unknown() == 12
    driver.settle()
    for index in range(12):
        end(driver, index, 0.5)
    assert driver.is_over
