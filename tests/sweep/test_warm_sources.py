"""Where `warm_start` finds earlier sweeps, and what it takes of them."""

import shutil

import pytest

from tests.sweep.told import Told, cancelled, failed, returned, row, train
from tune_tasks.errors import SpecError
from tune_tasks.model.trial import EndedBy, Outcome, TrialState
from tune_tasks.search.observation import Fate
from tune_tasks.spec.loading import load_spec, spec_from_data
from tune_tasks.sweep.planning import make_plan
from tune_tasks.sweep.warm_sources import Shelf
from tune_tasks.sweep.warm_words import warm_lines

FIRST = "2026-01-01_00-00-00_aaaa"
SECOND = "2026-01-02_00-00-00_bbbb"
THIRD = "2026-02-03_00-00-00_cccc"
CONFIG = {"x": {"uniform": [0, 1]}, "hf_token": "secret"}
TPE = {"search": {"tpe": {"startup_trials": 3}}}
STOPPED = Outcome(TrialState.TERMINATED, EndedBy.SCHEDULER, "rank 9", reports=1)


def experiment(**keys):
    return {"metric": "mean_loss", "num_trials": 8, "config": CONFIG, **keys}


@pytest.fixture
def ran(tmp_path):
    """Runs a sweep whose trials end with some losses; None: the trial fails."""

    def run(sweep, *losses, name="exp", metric="mean_loss", also=(), **keys):
        spec = dict.fromkeys([name, *also], experiment(**keys))
        told = Told(tmp_path, sweep, spec)
        for index, loss in enumerate(losses):
            rows = [] if loss is None else [row(1, **{metric: loss})]
            told.begin(f"{name}/{index}", *rows)
            told.end(f"{name}/{index}", failed() if loss is None else returned(1))
        return told

    made = []

    def close(*args, **keys):
        made.append(run(*args, **keys))
        made[-1].close()
        return made[-1]

    return close


@pytest.fixture
def found(tmp_path):
    """What an experiment starts from."""

    def find(source="last", name="exp", but="", config=CONFIG, **keys):
        wish = {"from": source, **{k: keys.pop(k) for k in ("use", "top") if k in keys}}
        spec = spec_from_data({name: experiment(**TPE, config=config, warm_start=wish) | keys})
        plan = make_plan(spec, callables={name: train}, seed=5, shelf=Shelf(tmp_path, but))
        (planned,) = plan.experiments
        return planned

    return find


def values(planned):
    return [trial.value for trial in planned.warm.started.results]


def tried(planned):
    return [trial.source.partition(" ")[0] for trial in planned.warm.started.configs]


def test_the_last_sweep_of_the_experiment_that_has_the_metric(ran, found):
    ran(FIRST, 0.1)
    ran(SECOND, 0.3, 0.2)
    ran(THIRD, None)  # every trial has failed
    ran("2026-03-03_00-00-00_dddd", 0.5, name="other")
    planned = found()
    assert planned.warm.started.source == f"the sweep {SECOND}"
    assert values(planned) == [0.3, 0.2]
    assert tried(planned) == ["exp/1", "exp/0"]
    assert planned.trials[0].config["x"] == planned.warm.started.configs[0].values["x"]


def test_all_of_them_the_oldest_first(ran, found):
    ran(FIRST, 0.1, 0.4)
    ran(SECOND, 0.3, 0.2)
    planned = found("all", top=3)
    assert planned.warm.started.source == "2 sweeps of 'exp'"
    assert values(planned) == [0.1, 0.4, 0.3, 0.2]
    # With the same seed the trials of both have the same configs
    assert [trial.value for trial in planned.warm.started.configs] == [0.1, 0.2]


def test_a_mode_says_what_the_best_is(ran, found):
    ran(FIRST, 0.1, 0.4)
    assert tried(found(mode="max", top=1)) == ["exp/1"]


@pytest.mark.parametrize("source", [FIRST, "2026-01-01", "the one"])
def test_a_sweep_by_its_id_or_the_beginning_of_it_or_an_experiment(ran, found, source):
    ran(FIRST, 0.1, name="the one")
    ran(SECOND, 0.2)
    assert values(found(source)) == [0.1]


def test_the_first_night(found, tmp_path):
    planned = found()
    assert list(warm_lines(planned)) == [
        f"warm start: nothing to start from: no earlier sweep of 'exp' in {tmp_path} has reported"
        " 'mean_loss'"
    ]
    assert [planned.expansion.is_known(i) for i in range(4)] == [True, True, True, False]


def test_not_itself(ran, found):
    ran(FIRST, 0.1)
    ran(SECOND, 0.2)
    assert values(found(but=SECOND)) == [0.1]
    with pytest.raises(SpecError, match="a sweep does not start from itself"):
        found(SECOND, but=SECOND)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("2026-01-05", "no experiment and no file '2026-01-05', and no sweep '2026-01-05' in "),
        ("ex", "no experiment and no file 'ex', and no sweep 'ex' in "),
        ("exq", "did you mean 'exp'?"),
        ("lst", "did you mean 'last'?"),
        ("2026", "2 sweeps begin with '2026': "),
        ("gone.csv", "no file 'gone.csv'; looked at "),
    ],
)
def test_what_is_not_there(ran, found, source, message):
    ran(FIRST, 0.1)
    ran(SECOND, 0.1)
    with pytest.raises(SpecError) as raised:
        found(source)
    assert raised.value.message.startswith("exp.warm_start.from: ")
    assert message in raised.value.message


def test_a_sweep_of_several_experiments_of_other_names(ran, found):
    ran(FIRST, 0.1, name="a", also=["b"])
    with pytest.raises(SpecError, match=f"the sweep {FIRST} has no 'exp', but a, b"):
        found(FIRST)
    assert values(found(FIRST, name="a")) == [0.1]


@pytest.mark.parametrize("source", [FIRST, "exp"])
def test_a_metric_that_is_not_there(ran, found, source):
    ran(FIRST, 0.1)
    with pytest.raises(SpecError) as raised:
        found(source, metric="mean_lss")
    where = f"the sweep {FIRST}" if source == FIRST else "any sweep of 'exp'"
    assert f"no trial of {where} has a value of 'mean_lss'" in raised.value.message
    if source == FIRST:
        assert "did you mean 'mean_loss'?" in raised.value.message
    assert not found(metric="mean_lss").warm.started.results  # no error for `last`


def test_a_mistake_has_its_place(tmp_path):
    (tmp_path / "s.py").write_text("def train(config, reporter): ...")
    text = (
        "e:\n  metric: mean_loss\n  warm_start: {use: configs, from: x.csv}\n"
        "  config: {script_file_path: s.py, x: {uniform: [0, 1]}}\n"
    )
    (tmp_path / "spec.yaml").write_text(text)
    with pytest.raises(SpecError) as raised:
        make_plan(load_spec(tmp_path / "spec.yaml"), shelf=Shelf(tmp_path))
    assert f"{tmp_path}/spec.yaml:3:36: e.warm_start.from: no file 'x.csv'" in str(raised.value)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"metric": None, "search": "random"}, "it goes by the metric; name it: metric: mean_loss"),
        ({"config": {"hf_token": "s"}, "search": "qmc"}, "config has none"),
        (
            {"search": "random", "use": "results"},
            "random learns nothing from results; write use: configs",
        ),
    ],
)
def test_what_does_not_go_together(found, keys, message):
    with pytest.raises(SpecError) as raised:
        found(**keys)
    assert raised.value.message.startswith("exp.warm_start: ")
    assert message in raised.value.message


def test_a_random_search_tries_configs_alone(ran, found):
    ran(FIRST, 0.1)
    planned = found(search="random")
    assert values(planned) == []
    assert list(warm_lines(planned)) == [
        f"warm start from the sweep {FIRST}: 1 config is tried first; random learns nothing from its"
        " results"
    ]


@pytest.mark.parametrize(
    ("use", "configs", "results"), [("configs", 2, 0), ("results", 0, 2), ("both", 2, 2)]
)
def test_what_is_used(ran, found, use, configs, results):
    ran(FIRST, 0.1, 0.2)
    started = found(use=use).warm.started
    assert (len(started.configs), len(started.results)) == (configs, results)


def test_failed_stopped_cancelled_and_running_trials(tmp_path, found):
    told = Told(tmp_path, FIRST, {"exp": experiment()}, room=4)
    for index, outcome in enumerate([returned(1), failed(1), STOPPED, cancelled(1)]):
        told.begin(f"exp/{index}", row(1, mean_loss=index / 10))
        told.end(f"exp/{index}", outcome)
    told.begin("exp/4", row(1, mean_loss=0))
    planned = found()  # a sweep that still runs
    told.die()
    assert [(each.fate, each.value) for each in planned.warm.started.results] == [
        (Fate.FINISHED, 0.0),
        (Fate.FAILED, 0.1),
        (Fate.STOPPED, 0.2),
    ]
    assert tried(planned) == ["exp/0", "exp/2"]


def test_a_trial_whose_files_have_gone_teaches_nothing(ran, found, tmp_path):
    told = ran(FIRST, 0.1, 0.2)
    shutil.rmtree(told.paths("exp/0", 1).folder)
    assert values(found()) == [0.2]


def test_the_last_attempt_of_a_trial_counts(tmp_path, found):
    told = Told(tmp_path, FIRST, {"exp": experiment(max_failures=1)})
    told.begin("exp/0", row(1, mean_loss=0.1))
    told.end("exp/0", failed(1))
    told.begin("exp/0", row(1, mean_loss=0.2))
    told.end("exp/0", returned(1))
    told.close()
    assert values(found()) == [0.2]


def test_a_damaged_journal_is_passed_over(ran, found):
    ran(FIRST, 0.1)
    ran(SECOND, 0.2).path.write_text("no journal\n")
    assert values(found()) == [0.1]
    with pytest.raises(SpecError):
        found(SECOND)


def test_what_was_not_searched_then_and_is_now_is_taken_too(ran, found):
    ran(FIRST, 0.1, config={**CONFIG, "y": 3})
    planned = found(config={**CONFIG, "y": {"int": [1, 6]}})
    assert planned.trials[0].config["y"] == 3


def test_a_secret_is_not_taken(ran, found):
    tokens = {"x": {"uniform": [0, 1]}, "hf_token": {"choice": ["secret", "other"]}}
    ran(FIRST, 0.1, 0.2, config=tokens)
    planned = found(config=tokens)
    assert "secret" not in repr(planned.warm.started)
    assert not planned.warm.told
    assert "because of hf_token (2)" in "\n".join(warm_lines(planned))


def test_what_the_plan_says(ran, found):
    told = ran(FIRST, 0.1, 0.2)
    below, beyond = sorted(trial.config["x"] for trial in told.plan.experiments[0].trials[:2])
    space = {"uniform": [0, (below + beyond) / 2]}
    assert list(warm_lines(found(config={**CONFIG, "x": space}))) == [
        f"warm start from the sweep {FIRST}: 2 configs are tried first; tpe is told 1 result; 1 does not"
        " fit into today's space, because of x (1)",
        f"warm start: x cannot be {beyond} here, and is drawn in 1 of them",
    ]


def test_a_model_that_hears_of_results_and_has_no_trial_left_to_propose(ran, found):
    ran(FIRST, 0.1, 0.2)
    search = {"tpe": {"startup_trials": 16}}
    (line,) = warm_lines(found(search=search))
    assert line.endswith("it proposes no trial: all are tried before its start-up is over")
    (line,) = warm_lines(found(search=search, num_trials=40))
    assert line.endswith("tpe is told 2 results")


def test_more_configs_than_trials(ran, found):
    ran(FIRST, 0.1, 0.2, 0.3)
    (line,) = warm_lines(found(num_trials=2))
    assert "2 configs are tried first of 3: there are no more trials" in line


def ended(tmp_path, *reports, **keys):
    """A sweep whose trials have ended with these reports."""
    told = Told(tmp_path, FIRST, {"exp": experiment(**keys)}, room=len(reports))
    for index, report in enumerate(reports):
        told.begin(f"exp/{index}", row(1, **report))
        told.end(f"exp/{index}", returned(1))
    told.close()
    return told


def test_an_infeasible_config_is_not_tried_and_a_model_hears_how_far_it_was_beyond(tmp_path, found):
    """Also if the sweep had no constraints then: they are those of today."""
    sizes = [(0.3, 4.0), (0.1, 6.0), (0.2, 5.0), (0.05, None)]
    ended(tmp_path, *({"mean_loss": loss, "info": {"size": size}} for loss, size in sizes))
    planned = found(constraints={"size": "<= 5"})
    assert tried(planned) == ["exp/2", "exp/0"]
    told = [each.excesses for each in planned.warm.told[0]]
    assert told == [(pytest.approx(-0.2),), (pytest.approx(0.2),), (0.0,), (None,)]


def test_of_several_objectives_the_knee_is_tried_first_then_the_front(tmp_path, found):
    points = [(0.0, 9.0), (0.2, 1.0), (0.9, 0.0), (0.9, 9.5)]
    keys = {"metric": None, "objectives": {"mean_loss": "min", "ms": "min"}}
    ended(tmp_path, *({"mean_loss": loss, "info": {"ms": ms}} for loss, ms in points), **keys)
    planned = found(**keys)
    assert tried(planned) == ["exp/1", "exp/0", "exp/2", "exp/3"]
    assert [each.values for each in planned.warm.told[0]] == points
    with pytest.raises(SpecError, match=r"no trial of .* has a value of 'mean_loss' and 'm'"):
        found(FIRST, metric=None, objectives={"mean_loss": "min", "m": "min"})
