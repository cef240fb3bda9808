"""The questions of a trial: its milestones, and the wait for what the sweep says of them.

A report that reaches a milestone waits in `report()` until the sweep's core has judged it. The
monitor carries question and answer, because Ray lends out a task's CPUs while the task's main
thread waits for Ray itself. If nobody answers the trial goes on, and waits no more until somebody
does: a driver that is away delays no trial for long.

Where a judge may say that other trials go on from this one, or that this one is to wait, the
question is held back until the trial has written a checkpoint, so that there is one of just this
report; with it whatever else the report has reached. A trial that writes none is judged before its
next report.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from tune_tasks.model.milestones import Course, Milestones, Reached
from tune_tasks.model.timeouts import MILESTONE_S
from tune_tasks.recording.protocol import Question
from tune_tasks.trial.stop_decision import StopDecision


class Questions:
    """See the module's docstring.

    Thread safety: any thread of the process may call any method. The caller of `note` holds the
    decision's lock.

    Args:
        milestones: Of each judge of the trial, in their order.
        decision: Whether the trial is to end.
    """

    def __init__(self, milestones: Sequence[Milestones], decision: StopDecision) -> None:
        self._courses = [Course(judge, each) for judge, each in enumerate(milestones)]
        self._decision = decision
        self._open: list[tuple[int, Reached]] = []
        self._held: list[tuple[int, Reached]] = []
        self._is_answered = True
        self._waiting = 0

    @property
    def open(self) -> tuple[Reached, ...]:
        """The milestones that nobody has judged yet."""
        return tuple(reached for _, reached in list(self._open))

    def asked(self) -> Question | None:
        """What is to be asked now; None if nothing is open."""
        # At once, because a report may open another question: nobody would answer for that one.
        asked = list(self._open)
        if not asked:
            return None
        last = max(number for number, _ in asked)
        return Question(last, tuple(reached for _, reached in asked), self.is_waiting)

    @property
    def is_waiting(self) -> bool:
        """Whether a report waits for an answer."""
        return self._waiting > 0

    @property
    def awaits_checkpoint(self) -> bool:
        """Whether a question is held back until the trial has written a checkpoint."""
        return bool(self._held)

    @property
    def go_by_checkpoints(self) -> bool:
        """Whether a judge of the trial awaits its checkpoints."""
        return any(course.awaits_checkpoint for course in self._courses)

    def note(self, row: Mapping[str, Any], number: int) -> bool:
        """Take report 1, 2, … in; returns whether it has reached a milestone that is judged now.

        Those of an earlier attempt that this one goes on from are asked about again: nobody may
        have heard of them.
        """
        found = {course: list(course.reached(row)) for course in self._courses}
        # All together then: an answer goes by the report's number.
        is_held = any(each and course.awaits_checkpoint for course, each in found.items())
        for course, each in found.items():
            asked = [(number, reached) for reached in each]
            if is_held:
                self._hold(asked, only_last=course.awaits_checkpoint and not course.judges_each)
            else:
                self._open += asked
        return any(asked == number for asked, _ in self._open)

    def _hold(self, asked: Sequence[tuple[int, Reached]], *, only_last: bool) -> None:
        if asked and only_last:  # what it has not been judged for before counts no more
            _, last = asked[-1]
            self._held = [each for each in self._held if each[1].judge != last.judge]
            asked = asked[-1:]
        self._held += asked

    def release(self) -> bool:
        """Hold nothing back any more; returns whether anything was."""
        with self._decision.lock:
            held, self._held = self._held, []
            self._open = sorted([*self._open, *held], key=itemgetter(0))
        return bool(held)

    def wait(self, number: int, ask: Callable[[], None]) -> None:
        """Wait until report `number` is judged, the trial is to end, or nobody answers.

        Args:
            number: The report's.
            ask: Has the monitor look at once.
        """
        decision = self._decision
        with decision.changed:
            if not self._is_answered:
                return
            self._waiting += 1
            decision.waits_in_main = _in_main_thread()
            try:
                ask()
                self._is_answered = decision.changed.wait_for(
                    lambda: self._is_judged(number), MILESTONE_S
                )
            finally:
                self._waiting -= 1
                decision.waits_in_main = False

    def answered(self, number: int) -> None:
        """Note that the sweep has judged every report up to this one."""
        with self._decision.changed:
            if any(asked <= number for asked, _ in self._open):
                self._is_answered = True
            self._open = [(asked, reached) for asked, reached in self._open if asked > number]
            self._decision.changed.notify_all()

    def _is_judged(self, number: int) -> bool:
        is_to_end = self._decision.stop is not None
        return is_to_end or all(asked > number for asked, _ in self._open)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
