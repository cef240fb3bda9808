"""Whatever is left of a journal, a sweep ends rightly from there: each trial has one end.

A driver does something at random, and dies. Its journal is cut at any byte, as a machine that loses
its power cuts it. Another driver reads what is whole, with the same spec or an edited one, and
takes over.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sweep.drivers import FAILED, WELL, train
from tune_tasks.errors import UsageError
from tune_tasks.model.masking import masked_spec
from tune_tasks.spec.arrangement import indices_of
from tune_tasks.spec.loading import spec_from_data
from tune_tasks.sweep.beginning import earlier_of
from tune_tasks.sweep.core import Core
from tune_tasks.sweep.core_experiments import core_experiments
from tune_tasks.sweep.core_state import LOOKAHEAD
from tune_tasks.sweep.events import (
    Announced,
    AttemptEnded,
    Disk,
    DiskChanged,
    Pause,
    PauseChanged,
    Reported,
    StartFailed,
    StopAsked,
    SweepBegan,
    TakenOver,
    Ticked,
    TrainingBegan,
)
from tune_tasks.sweep.instructions import KeepEnd, StartAttempt, first_starts
from tune_tasks.sweep.journal import history_of
from tune_tasks.sweep.journal_entries import (
    HandledEntry,
    SweepEntry,
    TrialEntry,
    entry_to_json,
)
from tune_tasks.sweep.journal_file import line_of
from tune_tasks.sweep.planning import make_plan
from tune_tasks.sweep.resume import lost

MAX_FAILURES = 1
EVERY = [
    *("well", "well", "well", "failed", "failed", "announced", "training", "reported"),
    *("pause", "disk", "tick", "stop"),
]


def spec_of(values, **keys):
    config = {"a": {"grid_search": values}, "lr": {"eval": "random.random()"}}
    return {
        "e": {"config": config, "max_failures": MAX_FAILURES, **keys},
        "f": {"num_trials": 2, "config": {}},
    }


SPEC = spec_of([1, 2, 3])
EDITED = [
    SPEC,
    spec_of([1, 2, 3], num_trials=5),
    spec_of([1, 9, 2, 3]),
    spec_of([3]),
    spec_of([1, 2, 3], num_trials=1),
    spec_of([1, 2, 3], max_failures=0),
    spec_of([1, 2, 3], max_failures=3),
    spec_of([1, 2, 3], retry=[{"on": "ValueError", "counts": False, "wait_s": 3}]),
    spec_of([1, 2, 3], retry=[{"on": "ValueError", "do": "stop_sweep"}]),
    spec_of([1, 2, 3], budget={"time": 6}),
    spec_of([1, 2, 3], budget={"trial_hours": 0.001, "failures": 2}),
    {"f": SPEC["f"]},
    {"g": SPEC["e"]},
]


class Driver:
    """A driver that writes its journal into memory.

    Args:
        spec: What it runs.
        earlier: What an earlier driver's journal says.
        size: Bytes of that journal that are whole.
    """

    def __init__(self, spec, data=b"", history=None):
        earlier = earlier_of(history) if history else None
        callables = dict.fromkeys(spec, train)
        self.plan = make_plan(
            spec_from_data(spec), callables=callables, drawn_seed=3, earlier=earlier
        )
        self.core = Core(core_experiments(self.plan))
        self.data = data
        self.spec = spec
        self.now = 0.0
        self.started = []
        if history is None or self.plan.is_edited:
            dropped = tuple(begun.key for begun, _ in self.plan.dropped())
            source = masked_spec(self.plan.source)
            self.write(SweepEntry("s", "r", "/", {}, source, source, 3, dropped=dropped))
        for entry in history.handled() if history else ():
            self.core.replay(entry.event, entry.then)

    def write(self, entry):
        self.data += line_of(entry_to_json(entry))

    def tell(self, event):
        instructions = self.core.handle(event)
        for key in first_starts(instructions):
            self.write(TrialEntry.of(self.core.trial(key)))
        if instructions or not isinstance(event, (Ticked, Reported)):
            self.write(HandledEntry(event, tuple(instructions)))
        self.started += [wish for wish in instructions if isinstance(wish, StartAttempt)]

    def begin(self):
        self.tell(SweepBegan(self.now, 2 - LOOKAHEAD))

    def take_over(self, retry_failed, draw):
        self.tell(TakenOver(self.now, retry_failed))
        for key, attempt in reversed(self.core.running):
            outcome = draw(st.sampled_from([lost(0), WELL, None]))
            if outcome:
                self.tell(AttemptEnded(self.now, key, attempt, outcome))
            else:
                self.tell(StartFailed(self.now, key, attempt))

    def act(self, draw):
        """Something happens."""
        self.now += 1
        if not self.core.running:
            self.tell(Ticked(self.now))
            return
        at = self.now
        which = draw(st.sampled_from(self.core.running))
        happens = draw(st.sampled_from(EVERY))
        events = {
            "well": lambda: AttemptEnded(at, *which, WELL),
            "failed": lambda: AttemptEnded(at, *which, FAILED),
            "announced": lambda: Announced(at, *which),
            "training": lambda: TrainingBegan(at, *which),
            "reported": lambda: Reported(at, *which, 1, {"mean_loss": 1}),
            "pause": lambda: PauseChanged(at, draw(st.sampled_from(Pause))),
            "disk": lambda: DiskChanged(at, draw(st.sampled_from(Disk))),
            "tick": lambda: Ticked(at, (which[0],)),
            "stop": lambda: StopAsked(at, "Ctrl-C"),
        }
        self.tell(events[happens]())

    def finish(self):
        """Everything that is left ends well."""
        while self.core.running or self.core.pending:
            self.now += 1
            self.tell(Ticked(self.now))
            for key, attempt in self.core.running[:1]:
                self.tell(AttemptEnded(self.now, key, attempt, WELL))


def read(data):
    return history_of(data.splitlines(keepends=True), "journal")


def done_in(history):
    """The trials that have ended well."""
    wishes = (wish for entry in history.handled() for wish in entry.then)
    return {wish.trial for wish in wishes if isinstance(wish, KeepEnd) and wish.outcome == WELL}


def expect_the_same_at_the_next_resume(driver):
    """The journal alone says which trials there are now, and nobody is asked twice."""
    history, _ = read(driver.data)
    again = Driver(driver.spec, driver.data, history)
    assert not again.plan.is_edited
    assert [t.key for t in again.plan.trials()] == [t.key for t in driver.plan.trials()]
    known = earlier_of(history)
    for experiment in again.plan.experiments:
        earlier = known[experiment.name]
        found = indices_of(len(experiment.indices), earlier.begun, earlier.dropped)
        assert list(found) == list(experiment.indices)


@pytest.mark.long
@settings(max_examples=100, deadline=None)
@given(st.data())
def test_from_any_part_of_a_journal_each_trial_comes_to_one_end(data):
    draw = data.draw
    driver = Driver(draw(st.sampled_from(EDITED)))
    driver.begin()
    for _ in range(draw(st.integers(1, 3))):
        for _ in range(draw(st.integers(0, 12))):
            driver.act(draw)
        whole = draw(st.booleans())
        cut = len(driver.data) if whole else draw(st.integers(0, len(driver.data)))
        tail = draw(st.sampled_from([b"", b'{"crc":"0', b"\x00" * 7]))
        try:
            history, size = read(driver.data[:cut] + tail)
        except UsageError:
            assert b"\n" not in driver.data[:cut]  # the sweep had not begun
            return
        done = done_in(history)
        driver = Driver(draw(st.sampled_from(EDITED)), driver.data[:size], history)
        driver.take_over(draw(st.booleans()), draw)
        driver.begin()
        keys = {trial.key for trial in driver.plan.trials()}
        expect_the_same_at_the_next_resume(driver)
        assert {driver.core.outcome(key) for key in done & keys} <= {WELL}
        assert not done & {wish.trial for wish in driver.started}
    driver.finish()
    used_up = {name for name, use in driver.core.budgets(driver.now).items() if use.used_up}
    ended = {key for key in keys if driver.core.outcome(key)}
    assert {key.partition("/")[0] for key in keys - ended} <= used_up
