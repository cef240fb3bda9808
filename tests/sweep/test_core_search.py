"""Sweeps whose trials a model proposes, without Ray: what is asked when, and that nothing is lost."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sweep.cores import CANCELLED, FAILED, WELL
from tune_tasks.search.observation import Fate, Observation
from tune_tasks.spec.loading import spec_from_data
from tune_tasks.sweep.asking import proposers
from tune_tasks.sweep.core import Core
from tune_tasks.sweep.core_experiments import core_experiments
from tune_tasks.sweep.core_state import LOOKAHEAD
from tune_tasks.sweep.events import (
    AttemptEnded,
    Pause,
    PauseChanged,
    Proposed,
    Reported,
    StopAsked,
    SweepBegan,
    TakenOver,
    event_from_json,
    event_to_json,
)
from tune_tasks.sweep.instructions import (
    CloseSweep,
    EndAll,
    KeepEnd,
    Propose,
    StartAttempt,
    instruction_from_json,
    instruction_to_json,
)
from tune_tasks.sweep.planning import make_plan

SPACE = {"x": {"uniform": [0, 1]}, "kind": {"choice": ["a", "b"]}}


def train(config, status_reporter): ...


class Sweep:
    """A core with what is around it; every event goes through its JSON form, as in a journal."""

    def __init__(self, startup=2, num_trials=5, config=SPACE, seed=1, **keys):
        options = {"startup_trials": startup, **{k: keys.pop(k) for k in ("lag",) if k in keys}}
        experiment = {
            "search": {"tpe": options},
            "metric": "mean_loss",
            "num_trials": num_trials,
            "config": config,
            **keys,
        }
        spec = spec_from_data({"e": experiment})
        self.plan = make_plan(spec, callables={"e": train}, drawn_seed=seed)
        self.core = Core(core_experiments(self.plan))
        self.ask = proposers(self.plan)["e"].propose
        self.entries = []
        self.is_over = False

    def tell(self, event):
        event = event_from_json(event_to_json(event))
        wishes = [instruction_from_json(instruction_to_json(w)) for w in self.core.handle(event)]
        self.entries.append((event, wishes))
        self.is_over = self.is_over or CloseSweep() in wishes
        return wishes

    def begin(self, room):
        return self.tell(SweepBegan(0, room))

    def end(self, key, loss=None, outcome=WELL, attempt=1):
        is_finite = loss is not None and math.isfinite(loss)
        metrics = {} if loss is None else {"mean_loss": loss if is_finite else None}
        return self.tell(AttemptEnded(1, key, attempt, outcome, metrics))

    def propose(self, wish):
        index = int(wish.trial.rpartition("/")[2])
        return self.tell(
            Proposed(1, wish.trial, self.ask(self.core.history_for(wish.trial), index))
        )

    def configs(self):
        return [trial.config for trial in self.plan.trials()]


def test_a_model_is_asked_once_there_is_room_and_not_ahead():
    sweep = Sweep(startup=2)
    assert sweep.begin(room=2) == [
        StartAttempt("e/0", 1),
        StartAttempt("e/1", 1),
    ]
    asked = sweep.end("e/0", 0.5)
    assert asked[1:] == [
        Propose("e/2")
    ]  # as soon as a place is free, for there are no others ahead
    assert sweep.tell(Proposed(2, "e/2", {"x": 0.25, "kind": 1})) == [StartAttempt("e/2", 1)]
    trial = sweep.core.trial("e/2")
    assert trial.config == {"x": 0.25, "kind": "b"}
    assert trial.name == "script_2_kind=b_x=0.25"


def test_known_trials_wait_in_ray_and_proposed_ones_do_not():
    sweep = Sweep(startup=9, num_trials=10)
    assert len(sweep.begin(room=2)) == 2 + LOOKAHEAD
    sweep = Sweep(startup=1, num_trials=10)
    first, *asked = sweep.begin(room=2)
    assert (first, asked) == (StartAttempt("e/0", 1), [Propose("e/1")])
    assert sweep.propose(asked[0]) == [StartAttempt("e/1", 1)]


def test_what_a_model_may_know():
    sweep = Sweep(startup=5, num_trials=9)
    sweep.begin(room=5)
    sweep.end("e/0", 0.5)
    sweep.end("e/1", 0.25, FAILED)
    sweep.end("e/2", float("nan"))
    sweep.tell(Reported(1, "e/3", 1, 1, {"mean_loss": 0.1}))
    history = sweep.core.history_for("e/5")
    assert [(each.index, each.fate, each.value) for each in history] == [
        (0, Fate.FINISHED, 0.5),
        (1, Fate.FAILED, 0.25),
        (2, Fate.FINISHED, None),
        (3, Fate.RUNNING, None),
        (4, Fate.RUNNING, None),
    ]
    assert all(
        isinstance(each, Observation) and each.point.keys() == {"x", "kind"} for each in history
    )


def test_a_model_knows_how_far_trials_are_beyond_the_constraints():
    constraints = {"size": "<= 10", "gain": ">= 2"}
    sweep = Sweep(startup=5, num_trials=9, constraints=constraints)
    sweep.begin(room=5)
    for key, metrics in {
        "e/0": {"mean_loss": 0.5, "size": 15.0, "gain": 3.0},
        "e/1": {"mean_loss": 0.5, "size": None, "gain": 1.0},
        # An edit has added the other constraint: nobody has asked for its metric
        "e/2": {"mean_loss": 0.5, "size": 5.0},
    }.items():
        sweep.tell(AttemptEnded(1, key, 1, WELL, metrics))
    history = sweep.core.history_for("e/5")
    told = [(each.index, each.value, each.excesses) for each in history]
    assert told == [(0, 0.5, (0.5, -0.5)), (1, 0.5, (None, 0.5)), (3, None, ()), (4, None, ())]


def test_a_model_knows_the_values_of_all_objectives_or_of_none():
    objectives = {"acc": "max", "ms": "min"}
    sweep = Sweep(startup=5, num_trials=9, metric=None, objectives=objectives)
    sweep.begin(room=5)
    for key, acc, ms in [("e/0", 0.5, 3.0), ("e/1", None, 3.0), ("e/2", 0.5, None)]:
        sweep.tell(AttemptEnded(1, key, 1, WELL, {"acc": acc, "ms": ms}))
    told = [each.values for each in sweep.core.history_for("e/5")]
    assert told == [(0.5, 3.0), (), (), (), ()]


def test_each_cell_of_the_grid_has_a_search_of_its_own():
    config = {**SPACE, "g": {"grid_search": [1, 2]}}
    sweep = Sweep(startup=2, num_trials=8, config=config)
    sweep.begin(room=4)
    for index in range(4):
        sweep.end(f"e/{index}", 0.1 * index)
    assert [each.index for each in sweep.core.history_for("e/4")] == [0, 2]
    assert [each.index for each in sweep.core.history_for("e/5")] == [1, 3]


def test_a_trial_that_is_tried_again_is_not_asked_about_again():
    sweep = Sweep(startup=1, num_trials=2, max_failures=1)
    sweep.propose(sweep.begin(room=2)[1])
    config = sweep.core.trial("e/1").config
    kept, again = sweep.end("e/1", outcome=FAILED)
    assert (kept.will_retry, again) == (True, StartAttempt("e/1", 2))
    assert sweep.core.trial("e/1").config == config


def test_a_sweep_does_not_end_while_a_model_thinks():
    sweep = Sweep(startup=1, num_trials=2)
    sweep.begin(room=1)
    assert sweep.end("e/0", 0.5)[1:] == [Propose("e/1")]
    assert not sweep.is_over
    sweep.tell(Proposed(2, "e/1", {}))
    assert sweep.end("e/1", 0.5)[-1] == CloseSweep()


def test_a_sweep_that_is_stopped_does_not_wait_for_a_model():
    sweep = Sweep(startup=1, num_trials=3)
    sweep.begin(room=2)
    assert isinstance(sweep.tell(StopAsked(1, "Ctrl-C"))[0], EndAll)
    assert sweep.end("e/0", outcome=CANCELLED)[-1] == CloseSweep()
    assert sweep.tell(Proposed(2, "e/1", {})) == []


def test_nothing_is_asked_while_a_run_is_paused():
    sweep = Sweep(startup=1, num_trials=3)
    sweep.begin(room=1)
    sweep.tell(PauseChanged(1, Pause.ON))
    assert [type(wish) for wish in sweep.end("e/0", 0.5)] == [KeepEnd]
    assert sweep.tell(PauseChanged(2, Pause.OFF)) == [Propose("e/1")]


def test_max_concurrent_trials_holds():
    sweep = Sweep(startup=1, num_trials=5, max_concurrent_trials=1)
    assert sweep.begin(room=4) == [StartAttempt("e/0", 1)]
    assert sweep.end("e/0", 0.5)[1:] == [Propose("e/1")]


def simulated(seed, workers, **keys):
    """A sweep whose trials last as long as chance has it; returns the configs."""
    rng = random.Random(seed)
    sweep = Sweep(**keys)
    wishes = sweep.begin(workers)
    ends = []
    now = 0.0
    while not sweep.is_over:
        later = []
        for wish in wishes:
            if isinstance(wish, StartAttempt):
                ends.append((now + 10 ** rng.uniform(-1, 1), wish.trial))
            elif isinstance(wish, Propose):
                later += sweep.propose(wish)
        if later:
            wishes = later
            continue
        ends.sort()
        now, key = ends.pop(0)
        x = sweep.core.trial(key).config["x"]
        wishes = sweep.end(key, (x - 0.3) ** 2)
    return sweep.configs()


@pytest.mark.parametrize("lag", [0, 3, 8])
def test_with_a_lag_the_configs_do_not_depend_on_who_is_faster(lag):
    keys = {"startup": 4, "num_trials": 16, "lag": lag}
    first = simulated(0, 1, **keys)
    for seed, workers in [(1, 1), (2, 2), (3, 8), (4, 8)]:
        assert simulated(seed, workers, **keys) == first
    if lag:
        assert simulated(3, 8, startup=4, num_trials=16) != first  # they do without a lag


@pytest.mark.long
@settings(max_examples=25)
@given(st.data())
def test_a_sweep_that_goes_on_proposes_what_it_would_have_proposed(data):
    """A journal that is cut anywhere, and a new driver that hears the same from then on."""
    keys = {"startup": 3, "num_trials": 8}
    whole = Sweep(**keys)
    wishes = whole.begin(room=2)
    rng = random.Random(data.draw(st.integers(0, 9)))
    running = []
    while not whole.is_over:
        running += [w.trial for w in wishes if isinstance(w, StartAttempt)]
        asked = [w for w in wishes if isinstance(w, Propose)]
        wishes = [w for wish in asked for w in whole.propose(wish)]
        if not asked:
            key = running.pop(rng.randrange(len(running)))
            wishes = whole.end(key, rng.random(), rng.choice([WELL, WELL, FAILED]))
    cut = data.draw(st.integers(1, len(whole.entries)))
    again = Sweep(**keys)
    for event, then in whole.entries[:cut]:
        again.core.replay(event, then)
    asked_last = [w for _, then in whole.entries[:cut] for w in then if isinstance(w, Propose)]
    answered = {e.trial for e, _ in whole.entries[:cut] if isinstance(e, Proposed)}
    for wish in asked_last:
        if wish.trial in answered:
            continue
        index = int(wish.trial.rpartition("/")[2])
        point = again.ask(again.core.history_for(wish.trial), index)
        (proposed,) = [
            e.point for e, _ in whole.entries if isinstance(e, Proposed) and e.trial == wish.trial
        ]
        assert point == proposed
    # Whoever was asked is gone with its driver, and is asked again
    again.core.handle(TakenOver(100))
    for key, attempt in again.core.running:
        again.core.handle(AttemptEnded(100, key, attempt, CANCELLED))
    wishes = again.core.handle(SweepBegan(100, 2))
    left = {w.trial for w in asked_last} - answered
    if left and not any(isinstance(w, StartAttempt) for w in wishes):
        assert Propose(left.pop()) in wishes


def test_a_point_that_the_spec_does_not_allow_is_not_taken():
    """Bounds that depend on another setting may be the wrong way round somewhere."""
    config = {"a": {"uniform": [0, 1]}, "b": {"uniform": [{"eval": "spec.config.a"}, 0.97]}}
    sweep = Sweep(startup=4, num_trials=16, config=config)
    wishes = sweep.begin(room=1)
    ended = 0
    while not sweep.is_over:
        asked = [wish for wish in wishes if isinstance(wish, Propose)]
        if asked:
            wishes = sweep.propose(asked[0])
            continue
        trial = sweep.core.trial(f"e/{ended}")
        assert trial.config["a"] <= trial.config["b"]
        wishes = sweep.end(
            trial.key, -trial.config["a"]
        )  # the model is drawn to where it is not allowed
        ended += 1
    assert ended == 16


def test_an_experiment_that_learns_has_its_turn_beside_one_that_does_not():
    learns = {
        "search": {"tpe": {"startup_trials": 1}},
        "metric": "mean_loss",
        "num_trials": 4,
        "config": SPACE,
    }
    draws = {"num_trials": 8, "config": SPACE}
    spec = spec_from_data({"a": draws, "b": learns})
    made = make_plan(spec, callables={"a": train, "b": train}, drawn_seed=1)
    core = Core(core_experiments(made))
    wishes = core.handle(SweepBegan(0, 2))
    running, order = [], []
    while True:
        starts = [wish.trial for wish in wishes if isinstance(wish, StartAttempt)]
        running += starts
        order += starts
        asked = [wish.trial for wish in wishes if isinstance(wish, Propose)]
        if asked:
            wishes = core.handle(Proposed(1, asked[0], {"x": 0.5}))
        elif running:
            wishes = core.handle(AttemptEnded(1, running.pop(0), 1, WELL, {"mean_loss": 0.5}))
        else:
            break
    assert len(order) == 12
    assert max(order.index(f"b/{i}") - order.index(f"a/{i}") for i in range(4)) <= 2


def test_a_question_has_the_values_that_trials_ended_with():
    sweep = Sweep(startup=2)
    sweep.begin(room=2)
    sweep.tell(Reported(1, "e/0", 1, 1, {"mean_loss": 9}))
    sweep.end("e/0", 0.5)
    assert [each.value for each in sweep.core.history_for("e/2")] == [0.5, None]


@pytest.mark.parametrize(
    ("n", "space"),
    [
        (30, {"x": {"int": [1, 30]}}),
        (24, {"x": {"qloguniform": [1, 24, 1]}}),
        (20, {"n": {"int": [20, 20]}, "x": {"int": [1, {"eval": "spec.config.n"}]}}),
    ],
)
@pytest.mark.parametrize("lag", [None, 8])
def test_nothing_is_tried_twice_in_a_finite_space(n, space, lag):
    keys = {} if lag is None else {"lag": lag}
    tried = [each["x"] for each in simulated(1, 4, startup=1, num_trials=n, config=space, **keys)]
    assert sorted(tried) == list(range(1, n + 1))


def test_a_trial_whose_value_nobody_has_noted_teaches_nothing():
    """An edit has made another metric count since."""
    sweep = Sweep(startup=2)
    sweep.begin(room=2)
    sweep.tell(AttemptEnded(1, "e/0", 1, WELL, {"another": 0.5}))
    assert [each.index for each in sweep.core.history_for("e/2")] == [1]
