"""A schedule that is replayed: what a spec may say, what trials try, what follows in the core."""

import pytest

from tests.sweep.test_core_milestones import Sweep
from tune_tasks.errors import SpecError
from tune_tasks.model.checkpoint import CheckpointRef
from tune_tasks.model.milestones import Reached
from tune_tasks.model.trial import EndedBy, Outcome, TrialState
from tune_tasks.spec.loading import load_spec, spec_from_data
from tune_tasks.spec.replaying import STAGE
from tune_tasks.sweep.events import (
    AttemptEnded,
    CheckpointCopied,
    CheckpointKept,
    CopyFailed,
    MilestonesReached,
    StopAsked,
    SweepBegan,
    TakenOver,
)
from tune_tasks.sweep.instructions import CopyCheckpoint, EndAttempt, GoOn, StartAttempt
from tune_tasks.sweep.outlook import outlook
from tune_tasks.sweep.planning import make_plan
from tune_tasks.sweep.records import lost

CONFIG = {
    "opt": {"lr": 0.1, "betas": [0.9, 0.99]},
    "batch": 32,
    "twice": {"eval": "2 * spec.config.batch"},
}
SCHEDULE = [
    {"at": 5, "config": {"opt.lr": 0.2, "opt.betas.0": 0.8}},
    {"at": 12, "config": {"opt.lr": 0.05, "batch": 64}},
]


TPE = {"search": "tpe", "metric": "mean_loss", "num_trials": 50}


def train(config, status_reporter): ...


def plan(schedule=SCHEDULE, scheduler=None, **keys):
    experiment = {"scheduler": scheduler or {"replay": {"schedule": schedule}}, "config": CONFIG}
    spec = spec_from_data({"e": {**experiment, **keys}})
    return make_plan(spec, callables={"e": train}, drawn_seed=1)


def test_a_trial_begins_with_the_config_and_has_each_change_after_the_other():
    made = plan()
    (experiment,) = made.experiments
    (trial,) = experiment.trials
    assert trial.config == {**CONFIG, "twice": 64}
    assert trial.searched == {"batch": 32, "opt.betas.0": 0.9, "opt.lr": 0.1, "twice": 64}
    first, second = experiment.expansion.later_forms(0)
    assert first.config == {"opt": {"lr": 0.2, "betas": [0.8, 0.99]}, "batch": 32, "twice": 64}
    assert second.config == {"opt": {"lr": 0.05, "betas": [0.8, 0.99]}, "batch": 64, "twice": 128}
    assert made.warnings == []
    assert list(outlook(experiment)) == ["replay: another config from 5, 12 training_iteration on"]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"scheduler": "replay"}, "replay.schedule: it is to be given"),
        ({"schedule": []}, "replay.schedule: "),
        ({"schedule": [{"at": 0, "config": {"batch": 1}}]}, "schedule.0.at: expected a number gr"),
        ({"schedule": [{"config": {"batch": 1}}]}, "replay.schedule.0.at: it is to be given"),
        ({"schedule": [{"at": 1, "config": {}}]}, "replay.schedule.0.config: "),
        ({"schedule": SCHEDULE[::-1]}, "schedule.1.at: expected a number above 12, of the step"),
        ({"schedule": [{"at": 1, "config": {"opt.rl": 1}}]}, "did you mean 'opt.lr'?"),
        ({"schedule": [{"at": 1, "config": {"twice": 1}}]}, "twice: it is searched"),
        (
            {"schedule": [{"at": 1, "config": {"batch": {"uniform": [0, 1]}}}]},
            "batch: expected a value, got {'uniform': [0, 1]}",
        ),
        (
            {"schedule": [{"at": 1, "config": {"script_file_path": "b.py"}}]},
            "script_file_path: what runs does not change",
        ),
        ({"scheduler": [{"replay": {"schedule": SCHEDULE}}, "asha"]}, "together with asha; use"),
        (
            {**TPE, "config": {**CONFIG, "x": {"uniform": [0, 1]}}},
            "does not go together with search: tpe",
        ),
        (
            {"schedule": [{"at": 1, "config": {"opt": 4, "opt.lr": 5}}]},
            "schedule.0.config.opt.lr: it is within opt, which the same step changes",
        ),
        (
            {"schedule": [{"at": 1, "config": {"opt.lr": 5, "opt": 4}}]},
            "schedule.0.config.opt.lr: it is within opt, which the same step changes",
        ),
        (
            {"schedule": [{"at": 1, "config": {"opt": 4}}, {"at": 2, "config": {"opt.lr": 5}}]},
            "schedule.1.config.opt.lr: config has no such setting",
        ),
        (
            {
                "config": {"a.b": 1, "a": {"b": 2}},
                "schedule": [{"at": 1, "config": {"a.b": 5}}],
            },
            "a.b: two settings of config have this name",
        ),
        ({"storage": "memory://x"}, "replay does not copy checkpoints within a storage yet"),
    ],
)
def test_what_does_not_go(keys, message):
    with pytest.raises(SpecError) as caught:
        plan(**keys)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("stop", "at"),
    [(12, [12]), ("> 12", []), (4, [5, 12]), ("== 5", [5, 12]), (13, []), ("<= 1", [])],
)
def test_a_step_that_no_trial_comes_to_is_warned_of(stop, at):
    made = plan(stop={"training_iteration": stop})
    numbers = [number for number, step in enumerate(SCHEDULE) if step["at"] in at]
    where = [
        f"e.scheduler.replay.schedule.{number}.at: no trial comes so far" for number in numbers
    ]
    assert [warning.partition(": stop")[0] for warning in made.warnings] == where
    assert plan(stop={"mean_loss": 0.1}).warnings == []


def test_a_step_that_changes_nothing_is_warned_of():
    steps = [{"batch": 64}, {"batch": 64, "opt.lr": 0.1}, {"batch": 64.0}]
    made = plan([{"at": at, "config": step} for at, step in enumerate(steps, 1)])
    assert made.warnings == [
        "e.scheduler.replay.schedule.1.config: it changes nothing: a trial has these values already"
    ]


@pytest.mark.parametrize(
    ("steps", "configs"),
    [
        ([{"d.a": 4}, {"d": 5}], [{"d": {"a": 4, "b": 1}, "h": [1, 2]}, {"d": 5, "h": [1, 2]}]),
        (
            [{"d": {"c": 1}}, {"d.c": 2}],
            [{"d": {"c": 1}, "h": [1, 2]}, {"d": {"c": 2}, "h": [1, 2]}],
        ),
        (
            [{"h.0": 4}, {"h": "text"}],
            [{"d": {"a": 1, "b": 1}, "h": [4, 2]}, {"d": {"a": 1, "b": 1}, "h": "text"}],
        ),
        (
            [{"h.1": 4}, {"h": [7]}],
            [{"d": {"a": 1, "b": 1}, "h": [1, 4]}, {"d": {"a": 1, "b": 1}, "h": [7]}],
        ),
    ],
)
def test_a_step_changes_the_config_as_it_then_is(steps, configs):
    schedule = [{"at": at, "config": step} for at, step in enumerate(steps, 1)]
    (experiment,) = plan(schedule, config={"d": {"a": 1, "b": 1}, "h": [1, 2]}).experiments
    forms = list(experiment.expansion.later_forms(0))
    assert [form.config for form in forms] == configs


def test_a_mapping_that_changes_is_shown_by_its_parts():
    schedule = [{"at": 1, "config": {"d.a": 4}}, {"at": 2, "config": {"d": {"b": 5}}}]
    schedule.append({"at": 3, "config": {"d": 6}})
    (experiment,) = plan(schedule, config={"d": {"a": 1}}).experiments
    (trial,) = experiment.trials
    forms = [trial, *experiment.expansion.later_forms(0)]
    assert [form.searched for form in forms] == [{"d.a": 1}, {"d.a": 4}, {"d.b": 5}, {"d": 6}]


def test_the_place_of_what_is_wrong(tmp_path):
    text = (
        "e:\n  scheduler:\n    - plateau\n    - replay:\n        schedule:\n"
        "          - {at: 1, config: {batsh: 1}}\n  metric: mean_loss\n  config: {batch: 2}\n"
    )
    (tmp_path / "spec.yaml").write_text(text)
    with pytest.raises(SpecError, match=r"spec.yaml:6:30: e.scheduler: replay.*'batch'"):
        make_plan(load_spec(tmp_path / "spec.yaml"), callables={"e": train})


@pytest.mark.parametrize(
    ("searched", "step", "message"),
    [
        ("{uniform: [{eval: spec.config.low}, 3]}", "low: 5", "config.x: uniform: expected"),
        ("{eval: 1 / spec.config.low}", "low: 0", "config.x.eval: '1 / spec.config.low' failed"),
        ("{uniform: [0, 1], when: {d.a: 1}}", "d: 5", "config.x.when: config has no 'd.a'"),
    ],
)
def test_what_goes_wrong_in_a_later_stage_has_the_place_of_its_step(
    tmp_path, searched, step, message
):
    text = (
        f"e:\n  num_trials: 2\n  scheduler: {{replay: {{schedule: [{{at: 3, config: {{{step}}}}}]}}}}\n"
        f"  config: {{low: 1, d: {{a: 1}}, x: {searched}}}\n"
    )
    (tmp_path / "spec.yaml").write_text(text)
    with pytest.raises(SpecError) as caught:
        make_plan(load_spec(tmp_path / "spec.yaml"), callables={"e": train})
    assert f"spec.yaml:3:35: e.{message}" in str(caught.value)
    assert str(caught.value).endswith("(from `at: 3` of the schedule on)")


def test_what_is_wrong_from_the_beginning_is_not_blamed_on_a_step():
    config = {"low": 5, "x": {"uniform": [{"eval": "spec.config.low"}, 3]}}
    with pytest.raises(SpecError) as caught:
        plan([{"at": 3, "config": {"low": 6}}], config=config)
    assert "of the schedule on" not in str(caught.value)


def test_secrets_of_a_schedule_are_not_shown_and_not_to_be_masks(tmp_path):
    step = {"at": 1, "config": {"api_token": {"choice": ["SECRET", "b"]}}}
    with pytest.raises(SpecError) as caught:
        plan([step], config={"api_token": "a"})
    assert "got {'choice': ['***', '***']}" in str(caught.value)
    text = (
        "e:\n  scheduler: {replay: {schedule: [{at: 1, config: {api_token: '***'}}]}}\n"
        "  config: {api_token: mine}\n"
    )
    (tmp_path / "spec.yaml").write_text(text)
    where = "spec.yaml:2:63: e.scheduler.replay.schedule.0.config.api_token: '[*]{3}' stands for"
    with pytest.raises(SpecError, match=where):
        make_plan(load_spec(tmp_path / "spec.yaml"), callables={"e": train})


def test_a_change_of_a_secret_is_told_without_it():
    schedule = [{"at": 5, "config": {"auth": {"password": "SECRET2"}}}]
    config = {"auth": {"password": "SECRET1"}}
    sweep = Sweep(2, {"replay": {"schedule": schedule}}, config=config)
    (wish,) = reach(sweep, 5)
    assert wish.reason == "the schedule at 5 iterations: auth.password *** -> ***"


def test_an_experiment_needs_no_metric_and_may_have_several_trials_and_a_grid():
    config = {"lr": 1, "width": {"grid_search": [8, 16]}, "seed": {"uniform": [0, 1]}}
    schedule = [{"at": 2, "config": {"lr": 2}}]
    (experiment,) = plan(schedule, config=config, num_trials=4).experiments
    expansion = experiment.expansion
    before = [trial.config for trial in experiment.trials]
    point = expansion.resolved(3).point
    expansion.move(3, {**point, STAGE: 1})
    assert experiment.trials[3].config == {**before[3], "lr": 2}
    assert [trial.config for trial in experiment.trials][:3] == before[:3]


# ── In the core ─────


def follower(**keys):
    return Sweep(
        2,
        {"replay": {"schedule": SCHEDULE}},
        config=CONFIG,
        stop={"training_iteration": 50},
        **keys,
    )


def reach(sweep, step, attempt=1):
    sweep.tell(CheckpointKept(1, "e/0", attempt, step, step))
    return sweep.reach(0, step, 0.5, attempt, number=step)


def copied(sweep, wish):
    own = CheckpointRef(wish.attempt, wish.number, wish.number)
    copy = CheckpointRef(wish.attempt, wish.number, wish.number, 2)
    return sweep.tell(CheckpointCopied(1, wish.trial, wish.attempt, copy, own)), copy


def changed(wish):
    return Outcome(TrialState.TERMINATED, EndedBy.EXPLOITED, wish.reason, reports=wish.number)


def test_a_trial_goes_on_from_its_own_checkpoint_with_the_next_config():
    sweep = follower()
    (wish,) = reach(sweep, 5)
    assert wish == CopyCheckpoint(
        "e/0",
        1,
        5,
        "e/0",
        CheckpointRef(1, 5, 5),
        {STAGE: 1},
        "the schedule at 5 iterations: opt.betas.0 0.9 -> 0.8, opt.lr 0.1 -> 0.2",
    )
    (end,), copy = copied(sweep, wish)
    assert isinstance(end, EndAttempt)
    assert StartAttempt("e/0", 2, None, copy) in sweep.end(0, changed(wish))
    assert sweep.core.trial("e/0").config["opt"] == {"lr": 0.2, "betas": [0.8, 0.99]}
    assert sweep.core.trial("e/1").config["opt"] == CONFIG["opt"]
    assert reach(sweep, 5, attempt=2) == [GoOn("e/0", 2, 5)]
    (second,) = reach(sweep, 12, attempt=2)
    assert second.reason.endswith("batch 32 -> 64, opt.lr 0.2 -> 0.05, twice 64 -> 128")


def test_who_could_not_take_its_checkpoint_has_both_changes_at_the_next_step():
    sweep = follower()
    (wish,) = reach(sweep, 5)
    assert sweep.tell(CopyFailed(1, "e/0", 1, wish.number)) == [GoOn("e/0", 1, 5)]
    (second,) = reach(sweep, 12)
    assert "opt.betas.0 0.9 -> 0.8" in second.reason


def test_a_change_that_was_due_as_the_sweep_was_stopped_is_made_up_for():
    sweep = follower()
    sweep.tell(StopAsked(1, "Ctrl-C"))
    assert reach(sweep, 5) == [GoOn("e/0", 1, 5)]
    core = sweep.new()
    for event, then in sweep.entries:
        core.replay(event, then)
    core.handle(TakenOver(2))
    lost = Outcome(TrialState.TERMINATED, EndedBy.CANCELLED, "Ctrl-C")
    core.handle(AttemptEnded(2, "e/0", 1, lost))
    core.handle(SweepBegan(2, 4))
    (wish,) = core.handle(MilestonesReached(3, "e/0", 2, 5, (Reached(0, 5, 5),)))
    assert isinstance(wish, CopyCheckpoint)


def test_a_change_that_is_due_waits_for_its_step_if_the_trial_falls_back():
    sweep = follower()
    (wish,) = reach(sweep, 5)
    copied(sweep, wish)
    sweep.end(0, changed(wish))
    (second,) = reach(sweep, 12, attempt=2)
    core = sweep.new()
    for event, then in sweep.entries:
        assert core.replay(event, then) == then
    core.handle(TakenOver(2))
    core.handle(AttemptEnded(2, "e/0", 2, lost(12), {}))
    core.handle(SweepBegan(3, 1))
    earlier, later = (Reached(0, step, step, 0.5, 0.5, 0.5) for step in (5, 12))
    assert core.handle(MilestonesReached(4, "e/0", 3, 5, (earlier,))) == [GoOn("e/0", 3, 5)]
    (again,) = core.handle(MilestonesReached(5, "e/0", 3, 12, (later,)))
    assert (again.reason, again.number) == (second.reason, 12)


def test_what_was_decided_holds_in_a_later_driver():
    sweep = follower()
    (wish,) = reach(sweep, 5)
    copied(sweep, wish)
    sweep.end(0, changed(wish))
    core = sweep.new()
    for event, then in sweep.entries:
        assert core.replay(event, then) == then
    assert core.trial("e/0") == sweep.core.trial("e/0")
    assert core.has_moved("e/0")


def test_an_edit_that_takes_the_schedule_away_leaves_the_config_of_the_spec():
    sweep = follower()
    (wish,) = reach(sweep, 5)
    copied(sweep, wish)
    core = Sweep(2, None, config=CONFIG, stop={"training_iteration": 50}).new()
    for event, then in sweep.entries:
        core.replay(event, then)
    assert core.failure is None
    assert core.trial("e/0").config["opt"] == CONFIG["opt"]


def test_a_value_that_is_tried_first_stays_as_it_is_when_another_one_changes():
    schedule = [{"at": 5, "config": {"batch": 64}}]
    config = {"batch": 32, "lr": {"loguniform": [0.001, 1]}}
    sweep = Sweep(2, {"replay": {"schedule": schedule}}, config=config, try_first=[{"lr": 0.1}])
    (wish,) = reach(sweep, 5)
    copied(sweep, wish)
    sweep.end(0, changed(wish))
    assert sweep.core.trial("e/0").config == {"batch": 64, "lr": 0.1}
