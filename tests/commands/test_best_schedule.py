"""The best member of a population as a spec that does again what its weights went through."""

import json
from dataclasses import replace

import pytest

from tests.commands.test_best_spec import stored
from tests.sweep.told import Told, train
from tune_tasks.commands import best_spec
from tune_tasks.commands.best_schedule import prolonged, replay
from tune_tasks.commands.best_spec import experiment_of, spec_of
from tune_tasks.model.checkpoint import CheckpointRef
from tune_tasks.model.milestones import Reached
from tune_tasks.model.trial import EndedBy, Outcome, TrialState
from tune_tasks.spec.loading import spec_from_data
from tune_tasks.spec.yaml_1_2 import dump_yaml
from tune_tasks.sweep.events import (
    AttemptEnded,
    CheckpointCopied,
    CheckpointKept,
    MilestonesReached,
)
from tune_tasks.sweep.instructions import CopyCheckpoint
from tune_tasks.sweep.journal import read_history
from tune_tasks.sweep.lineage import Lineage, lineage_of
from tune_tasks.sweep.planning import make_plan

SPEC = {
    "exp": {
        "metric": "mean_loss",
        "num_trials": 2,
        "stop": {"training_iteration": 40},
        "scheduler": {"pbt": {"interval": 5, "quantile": 0.5}},
        "config": {"opt": {"lr": {"loguniform": [0.001, 1]}}, "fixed": 3},
    }
}


class Population(Told):
    """Two members that go on from one another."""

    def __init__(self, results):
        super().__init__(results, spec=SPEC, room=2)

    def reach(self, index, step, loss, attempt=1):
        key = f"exp/{index}"
        self.tell(CheckpointKept(self.now(), key, attempt, step, step))
        reached = (Reached(0, step, step, loss),)
        return self.tell(MilestonesReached(self.now(), key, attempt, step, reached))

    def exploit(self, wish, taken):
        """It goes on from a checkpoint, which may be a later one than that of the wish."""
        copy = CheckpointRef(wish.attempt, wish.number, wish.number, 2)
        self.tell(CheckpointCopied(self.now(), wish.trial, wish.attempt, copy, taken))
        outcome = Outcome(TrialState.TERMINATED, EndedBy.EXPLOITED, wish.reason)
        self.tell(AttemptEnded(self.now(), wish.trial, wish.attempt, outcome))
        return copy

    def config(self, index):
        return self.core.trial(f"exp/{index}").config

    def lineage(self, index):
        self.journal._file.sync()
        return lineage_of(read_history(self.path), f"exp/{index}")


@pytest.fixture
def population(tmp_path):
    made = Population(tmp_path)
    yield made
    made.die()


def replaced_twice(population):
    """Trial 1 takes over 0 at its 5, where 0 is at 7; then 0 takes over 1 at 10."""
    before = [population.config(0)]
    population.reach(0, 5, 0.1)
    (wish,) = population.reach(1, 5, 0.9)
    assert isinstance(wish, CopyCheckpoint)
    population.exploit(wish, CheckpointRef(1, 7, 7))
    before.append(population.config(1))
    population.reach(1, 10, 0.01, attempt=2)
    (wish,) = population.reach(0, 10, 0.5)
    population.exploit(wish, CheckpointRef(2, 10, 10))
    return [*before, population.config(0)]


def test_a_lineage_goes_back_through_the_donors(population):
    first, second, third = replaced_twice(population)
    assert population.lineage(0) == Lineage(first, ((7, second), (12, third)), ahead=2)
    assert population.lineage(1) == Lineage(first, ((7, second),), ahead=2)


def test_who_was_never_replaced_has_the_config_that_it_began_with(population):
    population.reach(0, 5, 0.1)
    assert population.lineage(0) == Lineage(population.config(0))


def test_a_donor_that_has_only_its_own_copy_gives_the_lineage_of_that(population):
    population.reach(0, 5, 0.1)
    (wish,) = population.reach(1, 5, 0.9)
    copy = population.exploit(wish, CheckpointRef(1, 5, 5))
    second = population.config(1)
    reached = (Reached(0, 10, 10, 0.01),)
    population.tell(MilestonesReached(population.now(), "exp/1", 2, 10, reached))
    (wish,) = population.reach(0, 10, 0.5)
    assert wish.checkpoint == copy
    population.exploit(wish, copy)
    first = population.lineage(0).first
    assert population.lineage(0) == Lineage(first, ((5, population.config(0)),), ahead=-5)
    assert population.lineage(1).later == ((5, second),)


def trial_of(population, index=0):
    folder = population.paths(f"exp/{index}", 2).folder
    tags = {"trial": "script_0", "sweep": population.sweep, "index": str(index), "seed": "1"}
    tags |= {"logdir": str(folder), "attempt": "2"}
    return replace(
        stored(),
        config=population.config(index),
        spec_text=dump_yaml(SPEC),
        tags={f"tune_tasks.{name}": value for name, value in tags.items()},
    )


def test_the_spec_of_the_best_member_replays_its_schedule(population, tmp_path):
    first, second, third = replaced_twice(population)
    population.journal._file.sync()
    trial = trial_of(population)
    spec = experiment_of(trial, tmp_path)
    rates = [each["opt"]["lr"] for each in (first, second, third)]
    assert spec == {
        "metric": "mean_loss",
        "stop": {"training_iteration": 42},
        "config": {"opt": {"lr": rates[0]}, "fixed": 3},
        "scheduler": {
            "replay": {
                "schedule": [
                    {"at": 7, "config": {"opt.lr": rates[1]}},
                    {"at": 12, "config": {"opt.lr": rates[2]}},
                ]
            }
        },
    }
    text = spec_of(trial, tmp_path)
    assert "The config changes as it did for these weights" in text
    assert "trained for 2 iterations more than it has counted," in text
    # What is printed is a spec: it is checked, and gives one trial with these configs.
    plan = make_plan(spec_from_data({"exp": spec}), callables={"exp": train}, seed=1)
    (made,) = plan.experiments[0].trials
    forms = [made, *plan.experiments[0].expansion.later_forms(0)]
    assert [form.config["opt"]["lr"] for form in forms] == rates
    assert plan.warnings == []


def test_the_secrets_of_a_schedule_are_named(population, tmp_path, monkeypatch):
    secret, none = {"opt": {"api_token": "***"}}, {"opt": {"name": "x"}}
    found = Lineage(none, ((5, secret), (9, none)))
    monkeypatch.setattr(best_spec, "lineage", lambda trial: found)
    text = spec_of(trial_of(population), tmp_path)
    where = "scheduler.replay.schedule.0.config.opt.api_token"
    assert f"write yours in place of *** in {where}\n" in text


def test_a_member_that_never_changed_is_a_plain_config(population, tmp_path):
    population.reach(0, 5, 0.1)
    population.journal._file.sync()
    trial = replace(trial_of(population), config={"opt": {"lr": 0.1}, "fixed": 3})
    assert "scheduler" not in experiment_of(trial, tmp_path)
    assert "population" not in spec_of(trial, tmp_path)


def test_without_its_journal_a_member_has_its_last_config(population, tmp_path):
    replaced_twice(population)
    population.path.unlink()
    trial = trial_of(population)
    assert experiment_of(trial, tmp_path)["config"] == json.loads(json.dumps(trial.config))
    assert "was a member of a population: this is its last" in spec_of(trial, tmp_path)
    schedule = {"replay": {"schedule": [{"at": 3, "config": {"fixed": 4}}]}}
    source = {"exp": {**SPEC["exp"], "scheduler": schedule}}
    text = spec_of(replace(trial, spec_text=dump_yaml(source)), tmp_path)
    assert "was a trial with a schedule: this is its last" in text


def test_stop_counts_iterations_only_if_it_names_them(population, tmp_path):
    replaced_twice(population)
    population.journal._file.sync()
    source = {"exp": {**SPEC["exp"], "stop": {"mean_loss": "<= 0.1"}}}
    text = spec_of(replace(trial_of(population), spec_text=dump_yaml(source)), tmp_path)
    assert "trained for 2 iterations more than it has counted\n" in text


def test_settings_that_come_and_go_are_changed_with_what_they_are_in():
    sgd, adam = {"name": "sgd", "momentum": 0.9}, {"name": "adam"}
    found = Lineage({"opt": sgd, "lr": 1}, ((3, {"opt": adam, "lr": 1}),))
    assert replay(found) == [{"at": 3, "config": {"opt": adam}}]
    assert replay(Lineage({"lr": 1, "warmup": 2}, ((3, {"lr": 1}),))) is None


@pytest.mark.parametrize(
    "forms",
    [
        [{"name": "sgd", "p": 1}, {"name": "adam", "q": 2}, {"name": "adam", "q": 3}],
        [{"name": "sgd", "p": 1}, {"name": "sgd", "p": 4}, {"name": "adam", "q": 3}],
        [{"name": "sgd", "p": 1}, {"name": "adam", "q": [3]}, {"name": "sgd", "p": 1}],
    ],
)
def test_a_schedule_of_what_comes_and_goes_is_planned_as_it_was(forms):
    first, *later = ({"opt": form, "lr": 1} for form in forms)
    schedule = replay(Lineage(first, tuple(enumerate(later, 3))))
    spec = {"scheduler": {"replay": {"schedule": schedule}}, "config": first}
    (experiment,) = make_plan(spec_from_data({"exp": spec}), callables={"exp": train}).experiments
    assert [form.config for form in experiment.expansion.later_forms(0)] == later


@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        ({"training_iteration": 40}, {"training_iteration": 37}),
        ({"training_iteration": ">= 40"}, {"training_iteration": ">= 37"}),
        ({"training_iteration": 1_234_570}, {"training_iteration": 1_234_567}),
        ({"training_iteration": ">= 1234570"}, {"training_iteration": ">= 1234567"}),
        ({"training_iteration": "> 40.5"}, {"training_iteration": "> 37.5"}),
        ({"mean_loss": "<= 0.1"}, {"mean_loss": "<= 0.1"}),
    ],
)
def test_iterations_are_those_of_the_weights(stop, expected):
    assert prolonged(stop, Lineage({}, ahead=-3)) == expected
    assert prolonged(stop, Lineage({})) == stop
