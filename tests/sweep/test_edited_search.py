"""What an edit of the search, the grid or the space keeps of a sweep, and what a model then knows."""

import pytest

from tests.sweep.drivers import WELL, Driver
from tune_tasks.errors import SpecError
from tune_tasks.sweep.asking import proposers
from tune_tasks.sweep.beginning import begun_of
from tune_tasks.sweep.events import AttemptEnded, Proposed
from tune_tasks.sweep.instructions import Propose
from tune_tasks.sweep.request import Request

SPACE = {"x": {"uniform": [0, 1]}}


class Learning(Driver):
    """A driver that answers the questions of its core."""

    def tell(self, event):
        wishes = super().tell(event)
        asked = [wish.trial for wish in wishes if isinstance(wish, Propose)]
        self.asked = getattr(self, "asked", []) + asked
        return wishes

    def settle(self):
        """Answers every question."""
        ask = self.proposers()
        while self.asked:
            key = self.asked.pop(0)
            name, _, index = key.rpartition("/")
            point = ask[name].propose(self.core.history_for(key), int(index))
            self.tell(Proposed(self.now, key, point))

    def proposers(self):
        return proposers(self.plan)

    def end_with(self, index):
        self.now += 1
        metrics = {"mean_loss": index / 10}
        self.tell(AttemptEnded(self.now, f"e/{index}", 1, WELL, metrics))
        self.settle()


def request(folder, search, num_trials, config=SPACE, **keys):
    spec = {
        "e": {
            "search": search,
            "metric": "mean_loss",
            "num_trials": num_trials,
            "seed": 1,
            "config": config,
        }
    }
    return Request(spec=spec, local_dir=str(folder), **keys)


@pytest.fixture
def resumed(tmp_path):
    """Goes on with the sweep."""
    drivers = []

    def resume(*args):
        again = request(tmp_path, *args, resume="last", accept_changes=True)
        drivers.append(Learning(again, room=2))
        return drivers[-1]

    yield resume
    for driver in drivers:
        driver.die()


@pytest.fixture
def begun(tmp_path):
    """Begins a sweep of ten trials, and dies with some of them ended."""

    def begin(search, config=SPACE, ended=6):
        first = Learning(request(tmp_path, search, 10, config), room=2)
        first.settle()
        for index in range(ended):
            first.end_with(index)
        configs = {key: first.core.trial(key).config for key in first.core.begun()}
        first.die()
        return configs

    return begin


@pytest.mark.parametrize("before", ["random", "qmc", {"tpe": {"startup_trials": 3}}], ids=str)
@pytest.mark.parametrize("after", ["random", "qmc", {"tpe": {"startup_trials": 2}}], ids=str)
def test_what_has_begun_stays_as_it_is_whatever_searches_now(resumed, begun, before, after):
    configs = begun(before)
    again = resumed(after, 12)
    assert not list(again.plan.dropped())
    assert {key: again.core.trial(key).config for key in configs} == configs


def test_who_has_proposed_what_has_begun_stays_known(resumed, begun):
    keys = begun({"tpe": {"startup_trials": 20}})
    again = resumed("random", 12)
    assert {again.core.trial(key).proposed_by for key in keys} == {"start-up"}
    assert again.core.trial("e/11").proposed_by == "random"


def test_a_model_learns_from_what_was_drawn_before_it(resumed, begun):
    begun("random")
    again = resumed({"tpe": {"startup_trials": 2}}, 12)
    values = {each.index: each.value for each in again.core.history_for("e/11")}
    assert {index: values[index] for index in range(6)} == {i: i / 10 for i in range(6)}


def test_more_of_the_grid_keeps_what_was_done(resumed, begun):
    configs = begun("qmc", {**SPACE, "g": {"grid_search": [1, 2]}})
    again = resumed("qmc", 15, {**SPACE, "g": {"grid_search": [1, 2, 3]}})
    assert not list(again.plan.dropped())
    assert {key: again.core.trial(key).config for key in configs} == configs
    tried = [(trial.config["g"], trial.config["x"]) for trial in again.plan.trials()]
    assert len(set(tried)) == 15


def test_another_space_begins_with_points_that_cover_it(resumed, begun):
    begun({"tpe": {"startup_trials": 4}})
    again = resumed({"tpe": {"startup_trials": 4}}, 10, {"x": {"uniform": [5, 9]}})
    assert len(list(again.plan.dropped())) == len(again.plan.edits["e"].begun)
    known = [trial for trial in again.plan.trials() if again.plan.is_known(trial)]
    assert sorted(int(trial.config["x"]) for trial in known[:4]) == [5, 6, 7, 8]


# ── What somebody has said ─────

LOG = {"x": {"loguniform": [0.001, 1]}}
FIRST = [{"x": 0.5}, {"x": 0.1}, {"x": 0.03}]


def of(folder, first, config=LOG, **keys):
    """A driver of a sweep whose first trials somebody has said."""
    made = request(folder, "random", 4, config, **keys)
    made.spec["e"]["try_first"] = first
    return Driver(made, room=6)


def tried(driver):
    return [driver.core.trial(key).config["x"] for key in driver.core.begun()]


@pytest.mark.parametrize("first", [FIRST, FIRST[2:], []], ids=len)
def test_what_was_tried_first_stays_to_the_last_digit(tmp_path, first):
    """A point has not all digits of the value that somebody has said."""
    begun = of(tmp_path, FIRST)
    configs = tried(begun)
    assert configs[:3] == [0.5, 0.1, 0.03]
    begun.die()
    again = of(tmp_path, first, resume="last", accept_changes=True)
    assert not list(again.plan.dropped())
    assert tried(again) == configs
    assert all(again.plan.kept(begun_of(e)) for e in again.taken.earlier.trials().values())
    again.die()


def test_what_was_tried_first_after_an_edit_is_kept_by_the_next_driver(tmp_path):
    of(tmp_path, FIRST, SPACE).die()
    edited = of(tmp_path, FIRST, resume="last", accept_changes=True)
    assert tried(edited)[:3] == [0.5, 0.1, 0.03]
    edited.die()
    again = of(tmp_path, FIRST, resume="last")
    assert not again.plan.is_edited
    again.die()


OF_A_CELL = {"g": {"grid_search": [1, 2]}, "x": {"int": [1, 99], "when": {"g": 2}}}


def test_what_some_cells_of_a_grid_have_tried_first_stays(tmp_path):
    begun = of(tmp_path, [{"x": 7}], OF_A_CELL)
    configs = [begun.core.trial(key).config for key in begun.core.begun()]
    assert configs[:2] == [{"g": 1}, {"g": 2, "x": 7}]
    begun.die()
    again = of(tmp_path, [{"x": 8}], OF_A_CELL, resume="last", accept_changes=True)
    assert [again.core.trial(key).config for key in again.core.begun()] == configs
    assert not again.plan.warnings
    again.die()


def test_what_cannot_be_tried_first_is_said_of_a_sweep_that_goes_on_too(tmp_path):
    of(tmp_path, FIRST).die()
    with pytest.raises(SpecError, match=r"try_first.0: config.x: 5 is not a value of loguniform"):
        of(tmp_path, [{"x": 5}], resume="last", accept_changes=True)
