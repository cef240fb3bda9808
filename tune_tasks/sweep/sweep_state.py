"""The states of a sweep, in the words of `ls` and `show`. Pure."""

from __future__ import annotations

from enum import StrEnum

from tune_tasks.sweep.history import History


class SweepState(StrEnum):
    """Where a sweep stands."""

    RUNNING = "running"
    """A driver has it in hand."""
    FINISHED = "finished"
    """Every trial has ended by itself, though some may have failed; or the budget is used up."""
    STOPPED = "stopped"
    """It has ended with trials left, and can be resumed."""
    DEAD = "dead"
    """Its driver has died. It can be resumed."""
    DAMAGED = "damaged"
    """Its journal cannot be read."""


RESUMABLE = (SweepState.STOPPED, SweepState.DEAD)


def state_of(history: History, *, held: bool) -> SweepState:
    """Where a sweep stands.

    Args:
        history: What its journal says.
        held: Whether a driver has it in hand.
    """
    if history.closed:
        return SweepState.STOPPED if history.closed.unfinished else SweepState.FINISHED
    return SweepState.RUNNING if held else SweepState.DEAD
