"""A trial that is run again is the same, or the error says what is not."""

import json

import pytest

from tests.sweep.told import returned
from tune_tasks.errors import UsageError
from tune_tasks.search.scheduler import Scheduler
from tune_tasks.spec.replaying import STAGE
from tune_tasks.sweep.beginning import beginning_again, beginning_of
from tune_tasks.sweep.core import Core
from tune_tasks.sweep.core_state import CoreExperiment
from tune_tasks.sweep.events import AttemptEnded, SweepBegan
from tune_tasks.sweep.instructions import first_starts
from tune_tasks.sweep.journal import read_history
from tune_tasks.sweep.journal_entries import Repeated, TrialEntry
from tune_tasks.sweep.repeat import Repeat, trial_named
from tune_tasks.sweep.request import Request
from tune_tasks.sweep.resume import take
from tune_tasks.tracking.info import ExperimentInfo, SweepInfo

SPEC = {
    "exp": {
        "num_trials": 4,
        "stop": {"mean_loss": 0.1},
        "config": {
            "script_file_path": "train.py",
            "lr": {"eval": "random.random()"},
            "n": {"grid_search": [1, 2]},
            "hf_token": "secret",
        },
    }
}


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes the spec; another one if something of it is given."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text("def train(config, status_reporter): pass")

    def write(config=(), **keys):
        experiment = {**SPEC["exp"], **keys}
        experiment["config"] = {**experiment["config"], **dict(config)}
        (tmp_path / "spec.json").write_text(json.dumps({"exp": experiment}))

    write()
    return write


def run(beginning, code=()):
    """Runs a sweep to its end without Ray; returns what its journal says."""
    plan = beginning.plan({})
    experiments = {
        e.name: ExperimentInfo(e.name, beginning.path, e.seed, len(e.trials), {})
        for e in plan.experiments
    }
    info = SweepInfo(beginning.sweep, experiments, "", "", beginning.path, "run")
    taken = take(beginning, plan, info, Scheduler(), print, lambda: False)
    core = Core({e.name: CoreExperiment(e.trials, indices=e.indices) for e in plan.experiments})
    wishes = core.handle(SweepBegan(0.0, 9))
    taken.journal.started(core.trial(key) for key in first_starts(wishes))
    taken.journal.handled(SweepBegan(0.0, 9), wishes)
    for key, attempt in core.running:
        event = AttemptEnded(1.0, key, attempt, returned())
        taken.journal.handled(event, core.handle(event))
    taken.journal._file.close()
    return read_history(beginning.path)


@pytest.fixture
def repeat(write):
    history = run(beginning_of(Request(spec_file="spec.json")))
    return Repeat(history, history.trials()["exp/3"])


def again(repeat):
    return beginning_again(Request(), repeat)


def test_the_same_trial_alone_in_a_sweep_of_its_own(repeat):
    beginning = again(repeat)
    history = run(beginning)
    original = repeat.history.sweep
    assert history.sweep.sweep != original.sweep
    assert history.sweep.repeats == Repeated(original.sweep, "exp/3")
    assert history.trials() == {"exp/3": repeat.entry}
    assert history.sweep.num_trials == 1
    (experiment,) = beginning.plan({}).experiments
    assert experiment.trials[0].config["hf_token"] == "secret"


def test_it_is_the_same_also_if_it_is_resumed(repeat):
    begun = run(again(repeat)).sweep.sweep
    resumed = beginning_of(Request(resume=begun))
    (experiment,) = resumed.plan({}).experiments
    assert [TrialEntry.of(trial) for trial in experiment.trials] == [repeat.entry]


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ({"config": {"n": {"grid_search": [1, 3]}}}, "config.n"),
        ({"config": {"extra": 1}}, "extra"),
        ({"stop": {"mean_loss": 0.2}}, "stop.mean_loss: 0.1 → 0.2"),
        ({"num_trials": 2}, "num_trials"),
        ({"resources": {"cpu": 2}}, "its name, its seed or its resources are others"),
        ({"seed": 5}, "lr"),
    ],
)
def test_a_spec_that_has_another_trial_is_an_error_that_says_so(repeat, write, edit, said):
    write(**edit)
    with pytest.raises(
        UsageError, match=r"no longer gives the trial script_3_.* of the sweep"
    ) as e:
        again(repeat).plan({})
    assert said in str(e.value)


def test_a_spec_that_was_edited_elsewhere_gives_the_same_trial(repeat, write):
    write(config={"n": {"grid_search": [0, 1, 2]}}, num_trials=9, max_failures=3)
    (experiment,) = again(repeat).plan({}).experiments
    assert TrialEntry.of(experiment.trials[0]) == repeat.entry


@pytest.mark.parametrize("name", ["3", "exp/3", None])
def test_a_trial_by_its_names(repeat, name):
    assert trial_named(repeat.history, name or repeat.entry.name) == repeat.entry


def test_a_trial_that_is_not_there(repeat):
    with pytest.raises(UsageError, match="has started no trial 'exp/33'; did you mean 'exp/3'"):
        trial_named(repeat.history, "exp/33")


def test_a_trial_that_follows_a_schedule_does_so_again(write):
    """Its config is that of the step that it has come to, each time that somebody asks."""
    write({"width": 8}, scheduler={"replay": {"schedule": [{"at": 5, "config": {"width": 16}}]}})
    history = run(beginning_of(Request(spec_file="spec.json")))
    repeat = Repeat(history, history.trials()["exp/3"])
    (experiment,) = beginning_again(Request(), repeat).plan({}).experiments
    (before,) = experiment.trials
    experiment.expansion.move(3, {**before.point, STAGE: 1})
    (after,) = experiment.trials
    assert (before.config["width"], after.config["width"], after.name) == (8, 16, before.name)
