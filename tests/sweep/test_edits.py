"""What a sweep keeps whose spec was edited, what it drops, and why."""

import copy
import json

import pytest

from tune_tasks.model.files import params_text
from tune_tasks.model.masking import masked_spec
from tune_tasks.spec.loading import spec_from_data
from tune_tasks.sweep.edits import Begun, Earlier
from tune_tasks.sweep.planning import make_plan

SEED = 7


def train(config, status_reporter):
    pass


def plan_of(spec, earlier=None):
    callables = dict.fromkeys(spec, train)
    return make_plan(spec_from_data(spec), callables=callables, drawn_seed=SEED, earlier=earlier)


def begun_of(trial, *, has_ended=True):
    config = json.loads(params_text(trial.config))
    return Begun(trial.experiment, trial.index, trial.name, config, trial.seed, has_ended)


def earlier_of(plan, indices=None, ended=None):
    """What was done of a plan: all of it, or the trials with some indices."""
    earlier = {}
    specs = json.loads(json.dumps(masked_spec(plan.source), default=repr))
    for experiment in plan.experiments:
        chosen = experiment.indices if indices is None else indices
        done = experiment.indices if ended is None else ended
        begun = [begun_of(experiment.trial(i), has_ended=i in done) for i in chosen]
        earlier[experiment.name] = Earlier(specs[experiment.name], {b.index: b for b in begun})
    return earlier


def edited(before, after, indices=None, ended=None):
    """The plan and the edit of the only experiment."""
    plan = plan_of(after, earlier_of(plan_of(before), indices, ended))
    return plan, plan.edits["e"]


def one(**keys):
    return {"e": keys}


def configs(plan):
    return {trial.index: trial.config for trial in plan.trials()}


GRID = {"a": {"grid_search": [1, 2]}, "b": {"grid_search": ["x", "y"]}}


def test_what_was_not_edited_goes_on_as_it_is():
    spec = one(config=GRID | {"lr": {"eval": "random.random()"}}, num_trials=6)
    plan, edit = edited(spec, spec, indices=[0, 1, 4])
    assert not plan.is_edited
    assert (edit.kept, edit.dropped, edit.fresh) == ([0, 1, 4], {}, 3)
    assert list(plan.trials()) == list(plan_of(spec).trials())


def test_secrets_that_are_not_stored_are_no_edit():
    replay = {"replay": {"schedule": [{"at": 3, "config": {"token": "b"}}]}}
    config = {"token": "a", "key": {"x_token": {"choice": ["c", "d"]}}}
    spec = one(config=config, scheduler=replay, try_first=[{"key.x_token": "d"}], num_trials=2)
    plan, edit = edited(spec, spec)
    assert not plan.is_edited
    assert (edit.kept, edit.dropped) == ([0, 1], {})
    assert plan.experiments[0].trial(0).config["key"] == {"x_token": "d"}


def test_more_trials_keep_those_that_there_are():
    spec = one(config={"lr": {"eval": "random.random()"}}, num_trials=3)
    more = one(config={"lr": {"eval": "random.random()"}}, num_trials=5)
    plan, edit = edited(spec, more)
    assert (edit.kept, edit.dropped, edit.fresh) == ([0, 1, 2], {}, 2)
    assert edit.changes == ["num_trials: 3 → 5"]
    assert list(plan.trials()) == list(plan_of(more).trials())


def test_a_grid_that_grows_in_its_middle_keeps_what_was_done():
    """The same config is at another place in the grid now, and keeps its index, seed and name."""
    grown = {"a": {"grid_search": [1, 3, 2]}, "b": {"grid_search": ["x", "y"]}}
    before = one(config=GRID)
    plan, edit = edited(before, one(config=grown))
    assert (edit.kept, edit.dropped, edit.fresh) == ([0, 1, 2, 3], {}, 2)
    old = {t.index: t for t in plan_of(before).trials()}
    trials = {t.index: t for t in plan.trials()}
    assert {i: trials[i] for i in old} == old
    assert [trials[i].config for i in (4, 5)] == [{"a": 3, "b": "x"}, {"a": 3, "b": "y"}]


def test_draws_are_kept_beside_a_grid_that_grows():
    drawn = {"lr": {"eval": "10 ** random.uniform(-4, -2)"}}
    before = one(config={"layers": {"grid_search": [1, 2, 4]}, **drawn}, num_trials=12)
    after = one(config={"layers": {"grid_search": [1, 2, 4, 8]}, **drawn}, num_trials=12)
    plan, edit = edited(before, after)
    assert (edit.kept, edit.dropped, edit.fresh) == (list(range(12)), {}, 3)
    trials = {t.index: t for t in plan.trials()}
    assert [trials[i].config["layers"] for i in (12, 13, 14)] == [8, 8, 8]
    assert {t.index: t for t in plan_of(before).trials()}.items() <= trials.items()


def test_a_key_that_is_searched_now_keeps_what_had_that_value():
    before = one(config={"lr": 0.1})
    plan, edit = edited(before, one(config={"lr": {"grid_search": [0.01, 0.1]}}))
    assert (edit.kept, edit.fresh) == ([0], 1)
    kept, new = plan.trials()
    assert (kept.name, kept.folder, kept.searched) == ("script_0", "script_0", {"lr": 0.1})
    assert (new.name, new.config) == ("script_1_lr=0.01", {"lr": 0.01})


def test_a_value_that_is_not_searched_any_more_drops_its_trials():
    plan, edit = edited(one(config=GRID), one(config={**GRID, "a": {"grid_search": [2]}}))
    why = "config.a: 1 is not searched any more"
    assert (edit.kept, edit.dropped, edit.fresh) == ([1, 3], {0: why, 2: why}, 0)
    assert [trial.index for trial in plan.trials()] == [1, 3]
    assert list(plan.experiments[0].indices) == [1, 3]
    assert list(edit.lines("e")) == [
        "e: 2 trials kept, 0 to begin, 2 dropped",
        f"  2 dropped: {why}",
        "  config.a.grid_search: [1, 2] → [2]",
    ]


def test_what_never_began_is_not_dropped():
    _, edit = edited(one(config=GRID), one(config={"a": 5}), indices=[])
    assert (edit.kept, edit.dropped, edit.fresh) == ([], {}, 1)


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ({"config": {"a": 1}}, {"config": {"a": 2}}, "config.a: 1 → 2"),
        ({"config": {"a": 1}}, {"config": {}}, "config.a: 1 has gone"),
        ({"config": {}}, {"config": {"m": {"x": "y"}}}, 'config.m.x: "y" is new'),
        ({"config": {}}, {"config": {"a": {"grid_search": [1]}}}, "config.a is new"),
        ({"env": "a"}, {"env": "b"}, 'env: "a" → "b"'),
        ({}, {"seed": 3}, "seed: another one"),
        (
            {"config": {"a": {"eval": "random.random()"}}},
            {"config": {"a": {"eval": "2 * random.random()"}}},
            "config.a is drawn differently",
        ),
        (
            {"config": {}},
            {"config": {"a": {"eval": "random.random()"}}},
            None,
        ),
    ],
)
def test_why_a_trial_is_dropped(before, after, why):
    plan, edit = edited(one(**before), one(**after))
    assert set(edit.dropped) == {0}
    assert why is None or edit.dropped == {0: why}
    assert [trial.index for trial in plan.trials()] == [1]


@pytest.mark.parametrize(
    "keys",
    [
        {"stop": {"mean_loss": 0.5}},
        {"resources": {"cpu": 2}},
        {"max_failures": 3},
        {"max_concurrent_trials": 1},
        {"isolate": True},
    ],
)
def test_criteria_and_resources_are_the_edited_ones_and_drop_nothing(keys):
    plan, edit = edited(one(config=GRID, stop={"mean_loss": 0.1}), one(config=GRID, **keys))
    assert plan.is_edited
    assert (len(edit.kept), edit.dropped, edit.fresh) == (4, {}, 0)
    expected = one(config=GRID, **keys)
    assert list(plan.trials()) == list(plan_of(expected).trials())


def test_of_fewer_trials_those_that_have_ended_stay():
    drawn = {"lr": {"eval": "random.random()"}}
    plan, edit = edited(
        one(config=drawn, num_trials=4), one(config=drawn, num_trials=2), ended=[0, 3]
    )
    why = "num_trials: no more than 2 are asked for"
    assert (edit.kept, edit.dropped, edit.fresh) == ([0, 3], {1: why, 2: why}, 0)
    assert [trial.index for trial in plan.trials()] == [0, 3]


def test_what_was_too_many_is_not_back_at_the_next_resume():
    drawn = {"lr": {"eval": "random.random()"}}
    fewer = one(config=drawn, num_trials=2)
    plan, edit = edited(one(config=drawn, num_trials=4), fewer)
    begun = {**edit.begun}
    same = plan_of(fewer, {"e": Earlier(plan.source["e"], begun, set(edit.dropped))})
    assert (same.edits["e"].kept, same.edits["e"].is_change) == ([0, 1], False)
    more = plan_of(
        one(config=drawn, num_trials=3), {"e": Earlier(plan.source["e"], begun, set(edit.dropped))}
    )
    assert (more.edits["e"].kept, more.edits["e"].fresh) == ([0, 1, 2], 0)


def test_a_secret_is_compared_by_its_mask():
    before = one(config={"api_key": "old", "uri": "postgres://me:old@host/db", "a": 1})
    after = one(config={"api_key": "new", "uri": "postgres://me:new@host/db", "a": 1})
    plan, edit = edited(before, after)
    assert (edit.kept, plan.is_edited) == ([0], False)
    (trial,) = plan.trials()
    assert trial.config["api_key"] == "new"


def test_an_object_is_the_same_at_another_address():
    before = one(config={"act": object(), "n": 1})
    _, edit = edited(before, one(config={"act": object(), "n": 1}))
    assert edit.kept == [0]
    _, edit = edited(before, one(config={"act": train, "n": 1}))
    assert edit.kept == []


@pytest.mark.parametrize("value", [1.0, True, "1", [1], None])
def test_a_value_of_another_type_is_another_one(value):
    _, edit = edited(one(config={"a": 1}), one(config={"a": value}))
    assert edit.kept == []


def test_experiments_come_and_go():
    before = {"e": {"config": {"a": 1}}, "gone": {"config": {}}}
    plan = plan_of({"e": before["e"], "new": {"config": {}}}, earlier_of(plan_of(before)))
    gone = plan.edits["gone"]
    assert (plan.edits["e"].kept, plan.edits["e"].is_change) == ([0], False)
    assert gone.dropped == {0: "the spec no longer has the experiment"}
    first, _ = plan.edits["new"].lines("new")
    assert first == "new: 0 trials kept, 1 to begin, 0 dropped"
    assert plan.is_edited


def test_an_edit_after_an_edit_and_its_undoing():
    """What an edit drops is there again if the edit is undone: nothing else has its index."""
    before, after = one(config=GRID), one(config={**GRID, "a": {"grid_search": [2, 3]}})
    done = earlier_of(plan_of(before))
    plan = plan_of(after, done)
    assert sorted(configs(plan)) == [1, 3, 4, 5]
    second = earlier_of(plan)["e"].begun | done["e"].begun
    undone = plan_of(before, {"e": Earlier(plan.source["e"], second)})
    assert undone.edits["e"].kept == [0, 1, 2, 3]
    assert set(undone.edits["e"].dropped) == {4, 5}
    assert list(undone.trials()) == list(plan_of(before).trials())
    again = plan_of(after, {"e": Earlier(undone.source["e"], second)})
    assert list(again.trials()) == list(plan.trials())


def test_a_large_grid_is_compared_by_what_has_begun():
    axes = {f"k{i}": {"grid_search": list(range(10))} for i in range(30)}
    before = one(config=copy.deepcopy(axes), num_trials=50)
    axes["k0"]["grid_search"].insert(0, -1)
    _, edit = edited(before, one(config=axes, num_trials=50), indices=range(50))
    assert len(edit.kept) == 50


def test_options_with_draws_in_them_are_kept():
    option = {"kind": "sgd", "lr": {"eval": "random.random()"}}
    before = one(config={"opt": {"grid_search": [option, {"kind": "adam"}]}})
    after = one(config={"opt": {"grid_search": [{"kind": "none"}, option, {"kind": "adam"}]}})
    _, edit = edited(before, after)
    assert (edit.kept, edit.fresh) == ([0, 1], 1)
