"""Asks models what trials are to try, in a thread: an answer may take seconds."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from tune_tasks.model.objective import Objective
from tune_tasks.search.algorithms import searcher_of
from tune_tasks.search.observation import Observation
from tune_tasks.search.study import Study
from tune_tasks.spec.expansion import Expansion
from tune_tasks.spec.resolution import Choose, Point
from tune_tasks.sweep.plan import Plan, PlannedExperiment

logger = logging.getLogger(__name__)

Propose = Callable[[Sequence[Observation], int], Point]
"""What is to be tried, from what may be known, by the trial with an index."""


def proposers(plan: Plan) -> dict[str, Propose]:
    """By experiment, what proposes its trials; none for those that do not learn."""
    return {e.name: _proposer(e) for e in plan.experiments if e.learns}


def _proposer(experiment: PlannedExperiment) -> Propose:
    trials: Expansion = experiment.expansion
    spec = experiment.spec
    objective = Objective.of_spec(spec.metric, spec.mode)
    assert objective is not None  # the plan has seen to it
    searcher = searcher_of(spec.searching(), trials.space, objective)

    def propose(history: Sequence[Observation], index: int) -> Point:
        stream = f"{experiment.seed}/{experiment.name}/{trials.cell_of(index)}"

        def resolve(choose: Choose) -> Point:
            return trials.point(index, choose)

        return Study(searcher, stream).propose(history, index, resolve)

    return propose


class Asker:
    """Asks in a thread, one question at a time. Used in the driver's main thread.

    Args:
        proposers: By experiment.
        warn: Told if a model has failed: the trial's values are drawn then.
    """

    def __init__(self, proposers: Mapping[str, Propose], warn: Callable[[str], None]) -> None:
        self._proposers = proposers
        self._warn = warn
        self._thread = ThreadPoolExecutor(1, "models")
        self._open: dict[str, Future[Point]] = {}

    @property
    def is_open(self) -> bool:
        """Whether a question has no answer yet."""
        return bool(self._open)

    def ask(self, key: str, history: Sequence[Observation]) -> None:
        """Ask what a trial is to try.

        Args:
            key: The trial's.
            history: What may be known.
        """
        experiment, _, index = key.rpartition("/")
        propose = self._proposers[experiment]
        self._open[key] = self._thread.submit(propose, history, int(index))

    def answers(self) -> Iterator[tuple[str, Point]]:
        """The trials that were proposed since the last call, with their points."""
        for key in [key for key, future in self._open.items() if future.done()]:
            yield key, self._point(key, self._open.pop(key))

    def _point(self, key: str, answer: Future[Point]) -> Point:
        try:
            return answer.result()
        except Exception as exc:  # whatever a library raises, the sweep goes on
            logger.debug("a model has failed", exc_info=exc)
            said = f"{type(exc).__name__}: {exc}"
            self._warn(f"{key}: its values are drawn, because the model has failed: {said}")
            return {}

    def close(self) -> None:
        """Ask nothing more; does not wait for an answer."""
        self._thread.shutdown(wait=False, cancel_futures=True)
