"""Asks models what trials are to try, in threads: an answer may take seconds."""

from __future__ import annotations

import logging
import os
import sysconfig
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue

from tune_tasks.model.failure import Failure
from tune_tasks.model.trial_key import experiment_of, index_of
from tune_tasks.search.algorithms import searcher_of
from tune_tasks.search.checked import Checked
from tune_tasks.search.observation import Observation
from tune_tasks.search.searcher import Searcher
from tune_tasks.search.study import Study, text_of
from tune_tasks.spec.expansion import Expansion
from tune_tasks.spec.resolution import Choose, Point
from tune_tasks.spec.search_space import Resolved
from tune_tasks.sweep.plan import Plan, PlannedExperiment

logger = logging.getLogger(__name__)

_OURS = f"{Path(__file__).parents[1]}{os.sep}"
_INSTALLED = {"site-packages", "dist-packages"}
_LIBRARIES = ("<frozen ", f"{sysconfig.get_path('stdlib')}{os.sep}")
Warn = Callable[[str], None]


class Proposer:
    """Proposes the trials of one experiment that learns.

    Args:
        experiment: The experiment.
        own: The user's searcher; None to ask the one that the spec names.

    Attributes:
        who: Proposes, in words.
    """

    def __init__(self, experiment: PlannedExperiment, own: Searcher | None = None) -> None:
        self._stream = f"{experiment.seed}/{experiment.name}"
        self._trials: Expansion = experiment.expansion
        self._searcher = Checked(own) if own is not None else _searcher(experiment)
        self.who = "the model" if own is None else "your searcher"
        self._told = experiment.warm.tried if experiment.warm else {}
        self._texts: dict[int, str] = {}

    def propose(self, history: Sequence[Observation], index: int) -> Point:
        """The point that a trial is to try.

        Args:
            history: What may be known.
            index: The trial's.

        Raises:
            Exception: Whatever the model's library raises, or the user's searcher.
        """
        cell = self._trials.cell_of(index)
        study = Study(self._searcher, f"{self._stream}/{cell}")

        def resolve(choose: Choose) -> Resolved:
            return self._trials.resolved(index, choose)

        tried = {*self._told.get(cell, ()), *self._tried_before(index, cell)}
        point = study.propose(history, index, resolve, tried)
        return self.drawn(index) if point is None else point

    def drawn(self, index: int) -> Point:
        """The point that a trial has if no model proposes any; the plan has checked it."""
        return self._trials.resolved(index).point

    def _tried_before(self, index: int, cell: int) -> Iterator[str]:
        for other in self._trials.indices:
            if other >= index:
                return
            if self._trials.cell_of(other) == cell and self._is_known(other):
                yield self._text(other)

    def _is_known(self, index: int) -> bool:
        return index in self._texts or self._trials.is_known(index)

    def _text(self, index: int) -> str:
        if index not in self._texts:
            self._texts[index] = text_of(self._trials.resolved(index))
        return self._texts[index]


def _searcher(experiment: PlannedExperiment) -> Searcher:
    spec = experiment.spec
    return searcher_of(spec.searching(), experiment.expansion.space, spec.compared_by())


def proposers(plan: Plan, own: Mapping[str, Searcher] | None = None) -> dict[str, Proposer]:
    """By experiment, what proposes its trials; none for those that do not learn.

    Args:
        plan: The plan.
        own: The user's searchers, by experiment.
    """
    return {e.name: Proposer(e, (own or {}).get(e.name)) for e in plan.experiments if e.learns}


class Asker:
    """Asks, each question in a thread of its own. Used in the driver's main thread.

    The threads do not hold up the end of the process.

    Args:
        proposers: By experiment.
        warn: Told if a model has failed: the trial's values are drawn then.
    """

    def __init__(self, proposers: Mapping[str, Proposer], warn: Warn) -> None:
        self._proposers = proposers
        self._warn = warn
        self._answers: SimpleQueue[tuple[str, Point | BaseException]] = SimpleQueue()
        self._open = 0

    @property
    def is_open(self) -> bool:
        """Whether a question has no answer yet."""
        return self._open > 0

    def ask(self, key: str, history: Sequence[Observation]) -> None:
        """Ask what a trial is to try.

        Args:
            key: The trial's.
            history: What may be known.
        """
        self._open += 1
        threading.Thread(
            target=self._answer, args=(key, history), name=f"model {key}", daemon=True
        ).start()

    def _answer(self, key: str, history: Sequence[Observation]) -> None:
        proposer = self._proposers[experiment_of(key)]
        try:
            self._answers.put((key, proposer.propose(history, index_of(key))))
        # The sweep waits for an answer, also from a searcher that calls sys.exit().
        except BaseException as exc:  # noqa: BLE001 - whatever a library raises, the sweep goes on
            self._answers.put((key, exc))

    def answers(self) -> Iterator[tuple[str, Point]]:
        """The trials that were proposed since the last call, with their points."""
        while True:
            try:
                key, answer = self._answers.get_nowait()
            except Empty:
                return
            self._open -= 1
            yield key, self._point(key, answer)

    def _point(self, key: str, answer: Point | BaseException) -> Point:
        if not isinstance(answer, BaseException):
            return answer
        logger.debug("a model has failed", exc_info=answer)
        proposer = self._proposers[experiment_of(key)]
        said = f"{Failure.of(answer)}{_place(answer)}"
        self._warn(f"{key}: its values are drawn, because {proposer.who} has failed: {said}")
        return proposer.drawn(index_of(key))


def _place(exc: BaseException) -> str:
    """Where it was raised, if not by us: a user's searcher is to be mended there."""
    every = traceback.extract_tb(exc.__traceback__)
    frames = [frame for frame in every if not frame.filename.startswith(_OURS)]
    own = [frame for frame in frames if not _is_library(frame.filename)] or frames
    return f" ({own[-1].filename}:{own[-1].lineno})" if own else ""


def _is_library(file: str) -> bool:
    return file.startswith(_LIBRARIES) or not _INSTALLED.isdisjoint(Path(file).parts)
