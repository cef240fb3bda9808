"""`JudgeContract`: the tests that everything passes that ends trials at milestones."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Iterator

import pytest

from tune_tasks.model.milestones import Course, Reached
from tune_tasks.model.objective import Objective
from tune_tasks.search.judge import Exploit, Judge, Pause

OBJECTIVE = Objective("mean_loss", "min")
_STEPS = 81
_WORKERS = 4
_Said = tuple[int, Reached, str | Exploit | Pause | None]


class JudgeContract(ABC):
    """Derive your tests from this class, and say how to make a judge that goes by `objective`.

    ```python
    class TestMine(JudgeContract):
        def make(self):
            return Mine(self.objective)
    ```

    Attributes:
        objective: What the judge is to go by.
        trials: Of a sweep.
    """

    objective: Objective = OBJECTIVE

    trials: int = 40

    @abstractmethod
    def make(self) -> Judge:
        """Make a judge; called more than once in a test."""

    @pytest.fixture(params=range(5))
    def told(self, request: pytest.FixtureRequest) -> list[_Said]:
        """What a judge has said in a sweep, and of what."""
        return list(self.sweep(self.make(), random.Random(request.param)))  # noqa: S311

    def sweep(self, judge: Judge, chance: random.Random) -> Iterator[_Said]:
        """Run a sweep whose trials report in any order, rarely or often, numbers or none."""
        waiting = list(range(self.trials))
        running: dict[int, Iterator[_Said]] = {}
        while waiting or running:
            while waiting and len(running) < _WORKERS:
                index = waiting.pop(0)
                running[index] = self._trial(judge, index, chance)
            index = chance.choice(sorted(running))
            step = next(running[index], None)
            if step is None:
                del running[index]
            else:
                yield step

    def _trial(self, judge: Judge, index: int, chance: random.Random) -> Iterator[_Said]:
        course = Course(0, judge.milestones(index))
        step, value = 0, None
        every = chance.choice([1, 1, 5, 20])
        while step < _STEPS and chance.random() < 0.99:
            step += every
            value = chance.choice([None, float("nan"), *([chance.random()] * 8)])
            row = {"training_iteration": step, "mean_loss": value}
            for reached in course.reached(row):
                reason = judge.judge(index, reached)
                yield index, reached, reason
                if isinstance(reason, str):
                    return
        judge.ended(index, OBJECTIVE.value({"mean_loss": value}))

    def test_a_reason_is_said_in_words(self, told: list[_Said]) -> None:
        """It stands in Prefect, in MLflow and in the report."""
        verdicts = [verdict for _, _, verdict in told if verdict is not None]
        reasons = [each if isinstance(each, str) else each.reason for each in verdicts]
        assert reasons
        assert all(len(reason.split()) > 3 for reason in reasons)

    def test_the_same_again(self) -> None:
        """Equal histories have equal answers: a judge has no clock and no chance."""
        for seed in range(3):
            one = list(self.sweep(self.make(), random.Random(seed)))  # noqa: S311
            assert one == list(self.sweep(self.make(), random.Random(seed)))  # noqa: S311

    def test_who_is_alone_goes_on(self) -> None:
        """Nobody is ended who cannot be compared."""
        judge = self.make()
        course = Course(0, judge.milestones(0))
        for step in range(1, _STEPS):
            row = {"training_iteration": step, "mean_loss": 1.0}
            assert [judge.judge(0, reached) for reached in course.reached(row)] in ([], [None])

    def test_the_best_at_every_milestone_goes_on(self, told: list[_Said]) -> None:
        """Who has reported the best value of all is never ended by what others have done."""
        best: float | None = None
        for _, reached, reason in told:
            is_best = OBJECTIVE.better(reached.value, than=best)
            if is_best:
                best = reached.value
                assert reason is None

    def test_who_has_no_number_does_not_go_on_among_those_that_have(self) -> None:
        """NaN, infinity and a missing metric are worst."""
        judge = self.make()
        for index in range(12):
            for reached in Course(0, judge.milestones(index)).reached(
                {"training_iteration": _STEPS, "mean_loss": 1.0}
            ):
                judge.judge(index, reached)
        course = Course(0, judge.milestones(12))
        row = {"training_iteration": _STEPS - 1, "mean_loss": float("nan")}
        verdicts = [judge.judge(12, reached) for reached in course.reached(row)]
        assert any(verdicts)
