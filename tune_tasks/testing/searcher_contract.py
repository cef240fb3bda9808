"""What holds for every searcher: a suite for pytest."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from tune_tasks.search.checked import Checked
from tune_tasks.search.observation import Fate, Observation
from tune_tasks.search.searcher import Searcher
from tune_tasks.spec.resolution import Point
from tune_tasks.spec.search_space import SearchSpace

NUMERIC = {
    "lr": {"loguniform": [1e-5, 1e-1]},
    "layers": {"int": [1, 6]},
    "width": {"logint": [8, 512]},
    "dropout": {"quniform": [0.0, 0.6, 0.05]},
}
CONDITIONAL = {
    **NUMERIC,
    "optimizer": {
        "choice": [
            {"name": "sgd", "momentum": {"uniform": [0, 0.99]}},
            {"name": "adam", "beta": {"uniform": [0.8, 0.999]}},
        ]
    },
    "width2": {"int": [1, {"eval": "spec.config.width"}], "when": {"layers": ">= 2"}},
}


class SearcherContract:
    """Derive your tests from this class, and give `searcher`.

    `config` is another one if it searches numbers alone.

    ```python
    class TestMine(SearcherContract):
        def searcher(self, space):
            return Mine()
    ```
    """

    config: dict[str, object] = CONDITIONAL
    """The config that it searches."""
    lengths: Sequence[int] = (0, 1, 4, 16, 50)
    """Of the histories."""
    objectives: int = 1
    """How many the trials of the histories have."""
    constraints: int = 0
    """How many they have."""

    def searcher(self, space: SearchSpace) -> Searcher:
        """Make the searcher under test. Called more than once in a test.

        Args:
            space: Of our own searchers; yours is told the scales as it is asked. Its objective is a
                loss.
        """
        raise NotImplementedError

    @pytest.fixture
    def space(self) -> SearchSpace:
        """What it searches."""
        return SearchSpace(self.config)

    def histories(self, space: SearchSpace) -> Iterator[list[Observation]]:
        """Histories with everything that can happen, shorter and longer ones."""
        for seed, length in enumerate(self.lengths):
            yield list(self._history(space, random.Random(seed), length))  # noqa: S311

    def _history(self, space: SearchSpace, rng: random.Random, count: int) -> Iterator[Observation]:
        for index in range(count):
            plain = _observation(space, rng, index)
            excesses = (_value(rng) for _ in range(self.constraints))
            others = tuple(rng.choice([rng.random(), 1e300]) for _ in range(self.objectives - 1))
            yield replace(plain, excesses=tuple(excesses), others=others)

    def ask(self, space: SearchSpace, history: Sequence[Observation], index: int = 60) -> Point:
        """The point that a new searcher proposes."""
        return self._asked(self.searcher(space), space, history, index)

    def _asked(
        self, searcher: Searcher, space: SearchSpace, history: Sequence[Observation], index: int
    ) -> Point:
        """Its answer, looked at as in a sweep: what is no number is an error."""
        choose = Checked(searcher).ask(history, index, random.Random(index))  # noqa: S311
        return space.resolve(index, "stream", choose=choose).point

    def test_the_same_history_gives_the_same_answer(self, space: SearchSpace) -> None:
        """Nothing else goes into an answer."""
        for history in self.histories(space):
            assert self.ask(space, history) == self.ask(space, history)

    def test_one_that_was_asked_before_answers_as_a_new_one(self, space: SearchSpace) -> None:
        """A searcher keeps nothing."""
        used = self.searcher(space)
        for history in self.histories(space):
            assert self._asked(used, space, history, 60) == self.ask(space, history)

    def test_every_coordinate_is_on_its_scale(self, space: SearchSpace) -> None:
        """A domain's value is always within its bounds."""
        scales = {each.name: each.scale for each in space.parameters}
        for history in self.histories(space):
            for name, coordinate in self.ask(space, history).items():
                assert scales[name].nearest(coordinate) == coordinate

    def test_what_it_is_told_stays_as_it_is(self, space: SearchSpace) -> None:
        """Others are told the same."""
        for history in self.histories(space):
            before = [(each, dict(each.point)) for each in history]
            choose = self.searcher(space).ask(history, 60, random.Random(60))  # noqa: S311
            space.resolve(60, "stream", choose=choose)
            assert [(each, dict(each.point)) for each in history] == before


def _observation(space: SearchSpace, rng: random.Random, index: int) -> Observation:
    point = space.resolve(index, str(index)).point
    fate = rng.choice([*Fate, Fate.FINISHED, Fate.FINISHED])
    return Observation(index, point, fate, _value(rng))


def _value(rng: random.Random) -> float | None:
    return None if rng.random() < 0.2 else rng.choice([rng.random(), 0.5, -1e300, 1e300])
