"""What a population needs, and what is said if it has not."""

import pytest

from tune_tasks.errors import SpecError
from tune_tasks.spec.loading import load_spec, spec_from_data
from tune_tasks.sweep.outlook import outlook
from tune_tasks.sweep.planning import make_plan

CONFIG = {"optimizer": {"lr": {"loguniform": [1e-4, 1]}}, "dropout": {"uniform": [0, 0.6]}}


def train(config, status_reporter): ...


def plan(pbt="pbt", **keys):
    experiment = {"metric": "mean_loss", "num_trials": 8, "scheduler": pbt, "config": CONFIG}
    spec = spec_from_data({"e": {**experiment, **keys}})
    return make_plan(spec, callables={"e": train}, drawn_seed=1)


def test_a_population_is_planned():
    made = plan({"pbt": {"mutate": ["optimizer.lr"]}})
    assert list(outlook(made.experiments[0])) == [
        "pbt: a population of 8; every 5 training_iteration the worst 2 go on from the best 2,"
        " with another optimizer.lr"
    ]
    assert made.warnings == []
    assert plan(["plateau", "pbt"], search="qmc")


def test_totals_are_doubtful_if_nothing_bounds_a_trial():
    asha = {"asha": {"max_t": 27, "reduction_factor": 3}}
    bounded, unbounded = (
        next(outlook(plan(asha, **keys).experiments[0]))
        for keys in ({"stop": {"training_iteration": 27}}, {})
    )
    assert unbounded == f"{bounded}, if trials come to 27"


@pytest.mark.parametrize("mode", ["stop", "promote"])
@pytest.mark.parametrize(
    ("max_t", "expected"),
    [
        (9, "rungs 1, 3, 27; "),  # who comes to max_t runs to its end
        (27, "rungs 1, 3, 9, 27; "),
        (81, "rungs 1, 3, 9, 27; "),  # no trial comes to 81
    ],
)
def test_totals_go_up_to_the_bound_of_stop(mode, max_t, expected):
    asha = {"asha": {"mode": mode, "max_t": max_t, "reduction_factor": 3}}
    (line,) = outlook(plan(asha, num_trials=9, stop={"training_iteration": 27}).experiments[0])
    assert expected in line
    assert line.endswith(" of 243")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"metric": None}, "pbt goes by the metric; name it: metric: mean_loss"),
        (
            {"search": "tpe"},
            "pbt changes configs itself, and does not go together with search: tpe",
        ),
        ({"pbt": ["pbt", "asha"]}, "pbt does not go together with asha; use plateau"),
        ({"pbt": ["pbt", "pbt"]}, "pbt does not go together with another pbt"),
        ({"config": {"lr": 1}}, "pbt changes the values of domains"),
        ({"num_trials": 1}, "pbt is about several trials that go on from one another"),
        ({"storage": "memory://x"}, "pbt does not copy checkpoints within a storage yet"),
        (
            {"pbt": {"pbt": {"mutate": ["optimizer.lrr"]}}},
            "pbt.mutate: optimizer.lrr: it has no domain; did you mean 'optimizer.lr'?",
        ),
        (
            {"pbt": {"pbt": {"quantile": 0.7}}},
            "pbt.quantile: expected a number less than or equal to 0.5",
        ),
        ({"pbt": {"pbt": {"factors": []}}}, "pbt.factors: "),
        ({"pbt": {"pbt": {"intervall": 3}}}, "pbt.intervall: unknown option; did you mean"),
    ],
)
def test_what_does_not_go(keys, message):
    with pytest.raises(SpecError) as caught:
        plan(**{"stop": {"training_iteration": 81}, **keys})
    assert message in str(caught.value)


def test_a_storage_that_is_given_beside_the_spec_is_refused_as_well():
    spec = {"e": {"metric": "mean_loss", "num_trials": 8, "scheduler": "pbt", "config": CONFIG}}
    with pytest.raises(SpecError, match="pbt does not copy checkpoints within a storage yet"):
        make_plan(spec_from_data(spec), callables={"e": train}, storage="memory://x")


def test_what_is_probably_not_meant():
    config = {**CONFIG, "noise": {"eval": "random.uniform(0, 1)"}}
    made = plan(max_concurrent_trials=3, config=config)
    assert "e.max_concurrent_trials: 3 members of 8 run at once" in made.warnings[0]
    assert "e.config.noise: it is drawn, and pbt does not change it" in made.warnings[1]


def test_the_populations_of_a_grid_are_planned():
    made = plan("pbt", config={**CONFIG, "act": {"grid_search": ["relu", "tanh"]}})
    (line,) = outlook(made.experiments[0])
    assert line.startswith(
        "pbt: a population of 4, one for each of 2 of the grid; every 5 training_iteration the worst"
        " 1 go on from the best 1, "
    )


@pytest.mark.parametrize(
    ("scheduler", "warning"),
    [
        (
            "median",
            "e.scheduler.median: it judges nobody: its grace_period, 5, is not below the end of a"
            " trial, 5",
        ),
        (
            ["plateau", {"median": {"grace_period": 1, "min_trials": 8}}],
            "e.scheduler.1.median: it judges nobody: a trial has 7 others, and min_trials is 8",
        ),
        ("pbt", "its interval, 5, is not below the end of a trial, 5"),
        ("plateau", "its patience, 10, is not below the end of a trial, 5"),
    ],
)
def test_who_judges_nobody_is_doubtful(scheduler, warning):
    made = plan(scheduler, stop={"training_iteration": 5})
    assert any(warning in said for said in made.warnings)


def test_who_judges_somebody_is_not():
    stop = {"training_iteration": 11}
    assert plan(["plateau", {"median": {"min_trials": 7}}], stop=stop).warnings == []
    assert plan(["plateau", "pbt"], stop=stop).warnings == []


@pytest.mark.parametrize("scheduler", ["asha", "hyperband", "median"])
def test_a_lag_does_not_make_what_is_compared_the_same(scheduler):
    keys = {"stop": {"training_iteration": 81}, "search": {"tpe": {"lag": 8, "startup_trials": 4}}}
    said = f"e.search: {scheduler} compares trials in the order of their reports"
    assert [each for each in plan(scheduler, **keys).warnings if said in each]
    assert plan("plateau", **keys).warnings == []


def test_a_misspelt_step_is_named():
    with pytest.raises(SpecError) as caught:
        plan({"asha": {"time_attr": "training_iteratio"}})
    assert str(caught.value).endswith("81}; did you mean 'training_iteration'?")


def test_what_a_population_cannot_change_is_named_where_it_stands(tmp_path):
    (tmp_path / "s.yaml").write_text(
        "e:\n  metric: mean_loss\n  num_trials: 8\n  config: {lr: {uniform: [0, 1]}}\n"
        "  scheduler:\n    - pbt:\n        mutate: [lr, lrr]\n"
    )
    with pytest.raises(SpecError, match=r"s\.yaml:7:22: e\.scheduler: pbt\.mutate: lrr: "):
        make_plan(load_spec(tmp_path / "s.yaml"), callables={"e": train})


PROMOTE = {"asha": {"mode": "promote"}}


def promoting(scheduler=PROMOTE, **keys):
    keys = {"stop": {"training_iteration": 81}, "num_trials": 81, "config": {}, **keys}
    return plan(scheduler, **keys)


def test_promotions_are_planned():
    made = promoting()
    assert list(outlook(made.experiments[0])) == [
        "asha: rungs 1, 3, 9, 27, 81; about 81, 30, 11, 4, 1 trials come to them; the others wait"
        " with their checkpoints; training_iteration in all about 357 of 6561"
    ]
    assert made.warnings == []
    assert promoting(["plateau", PROMOTE], search="tpe", config=CONFIG)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"scheduler": [PROMOTE, "median"]},
            "e.scheduler: asha with mode: promote decides alone which trials wait,"
            " and does not go together with median; use plateau, or asha with mode: stop",
        ),
        ({"scheduler": ["hyperband", PROMOTE]}, "does not go together with hyperband"),
        ({"scheduler": ["asha", PROMOTE]}, "does not go together with asha"),
        ({"scheduler": [PROMOTE, PROMOTE]}, "does not go together with another asha"),
        ({"scheduler": [PROMOTE, "pbt"]}, "does not go together with pbt"),
        (
            {"search": {"tpe": {"lag": 4}}, "config": CONFIG},
            "asha with mode: promote does not go together with lag: a trial that is paused has not",
        ),
        (
            {"scheduler": {"asha": {"mode": "pause"}}},
            "asha.mode: expected 'stop' or 'promote', got 'pause'",
        ),
        ({"scheduler": {"hyperband": {"mode": "promote"}}}, "hyperband.mode: unknown option"),
    ],
)
def test_what_does_not_go_with_promotions(keys, message):
    with pytest.raises(SpecError) as caught:
        promoting(**keys)
    assert message in str(caught.value)
