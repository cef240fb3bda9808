"""Whatever happens to a sweep with a budget, a journal says the same again."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sweep.budgets import (
    BY_BUDGET,
    Sweep,
    budget,
)
from tests.sweep.cores import CANCELLED, FAILED, WELL
from tune_tasks.spec.budget import Hours
from tune_tasks.sweep.events import (
    Announced,
    AttemptEnded,
    RecorderRestarted,
    Reported,
    Ticked,
)
from tune_tasks.sweep.instructions import (
    EndExperiment,
    StartAttempt,
)

BUDGETS = [
    budget(time_s=8),
    budget(time_s=20),
    budget(hours=(Hours("CPU hour", 0.005),)),
    budget(patience=2),
    budget(goal=0.1),
    budget(failures=2),
    budget(time_s=30, patience=4, failures=4),
    None,
]
LOST = replace(CANCELLED, stop_reason="the sweep's driver died")


class AnySweep:
    """Something happens at random. Drivers die, and others go on, with other budgets."""

    def __init__(self, draw):
        self.draw = draw
        self.budget = draw(st.sampled_from(BUDGETS))
        self.sweep = Sweep(self.budget, num_trials=6, others=2, max_failures=1)
        self.used_up = False
        self.sweep.begin()

    def act(self):
        if self.draw(st.integers(0, 9)) == 0:
            self.die()
        else:
            self.check(self.sweep.tell(self.draw(st.sampled_from(list(self.events())))))

    def events(self):
        draw, at = self.draw, self.sweep.at + 1
        yield Ticked(at)
        yield RecorderRestarted(at)
        for key, attempt in self.sweep.core.running:
            value = draw(st.sampled_from([0.05, 0.3, 0.5, None]))
            kept = replace(draw(st.sampled_from([WELL, FAILED, BY_BUDGET])), reports=1)
            yield Announced(at, key, attempt)
            yield Reported(at, key, attempt, draw(st.integers(1, 3)), {"mean_loss": value})
            yield AttemptEnded(at, key, attempt, kept, {"mean_loss": value})

    def die(self):
        sweep, draw = self.sweep, self.draw
        self.used_up = False
        self.budget = draw(st.sampled_from(BUDGETS))
        self.check(sweep.resumed(self.budget, sweep.at, retry_failed=draw(st.booleans())))
        for key, attempt in sweep.core.running:
            self.check(sweep.tell(AttemptEnded(sweep.at, key, attempt, LOST)))
        self.check(sweep.begin())

    def check(self, instructions):
        for wish in instructions:
            self.used_up |= isinstance(wish, EndExperiment)
            if isinstance(wish, StartAttempt) and wish.trial.startswith("e/"):
                assert not self.used_up
        uses = self.sweep.core.budgets(self.sweep.at).values()
        assert any(use.used_up for use in uses) == self.used_up

    def finish(self):
        """Time goes on, and what runs ends."""
        sweep = self.sweep
        while not sweep.is_over:
            assert sweep.core.running or sweep.core.pending
            self.check(sweep.tell(Ticked(sweep.at + 1)))
            for key, attempt in sweep.core.running[:1]:
                self.check(sweep.tell(AttemptEnded(sweep.at, key, attempt, WELL)))


@pytest.mark.long
@settings(max_examples=150, deadline=None)
@given(st.data())
def test_once_it_is_used_up_nothing_is_started_and_the_journal_says_the_same(data):
    walk = AnySweep(data.draw)
    for _ in range(data.draw(st.integers(1, 30))):
        walk.act()
    sweep = walk.sweep
    again = sweep.make(walk.budget)
    for event, then in sweep.journal:
        assert again.replay(event, then) == then
    assert again.running == sweep.core.running
    assert again.unfinished() == sweep.core.unfinished()
    # Both decide alike from here on, whoever has heard of the ticks and the reports in between.
    for at in (sweep.at + 1, sweep.at + 50):
        expected = again.handle(Ticked(at))
        assert sweep.tell(Ticked(at)) == expected
        walk.check(expected)
    walk.finish()
    ends = {i: sweep.core.outcome(f"e/{i}") for i in range(6)}
    assert walk.used_up or all(ends.values())
    assert sweep.core.unfinished() == 0
