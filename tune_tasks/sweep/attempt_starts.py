"""Starts attempts as the core wants them, and has the checkpoint there that one goes on from."""

from __future__ import annotations

from tune_tasks.model.checkpoint_manifest import CheckpointUnusableError
from tune_tasks.sweep.cloning import clone
from tune_tasks.sweep.driver_parts import DriverParts, Teller
from tune_tasks.sweep.events import CheckpointCopied, CopyFailed, StartFailed
from tune_tasks.sweep.instructions import CopyCheckpoint, StartAttempt


class AttemptStarts:
    """See the module's docstring."""

    def __init__(self, parts: DriverParts, teller: Teller) -> None:
        self._parts = parts
        self._core = parts.core
        self._teller = teller
        self._has_said_none = False

    def start(self, wish: StartAttempt) -> None:
        """Submit an attempt to the cluster."""
        trial = self._core.trial(wish.trial)
        if self._core.stop_reason is not None:  # since the core has wanted it
            self._teller.tell(StartFailed(self._teller.now(), wish.trial, wish.attempt))
            return
        milestones = self._core.milestones(trial)
        attempt = self._parts.attempts.start(trial, wish.attempt, wish.checkpoint, milestones)
        record = self._parts.records.of(trial)
        record.trial = trial  # a member of a population goes on with another config
        record.begin(attempt, wish.resources)

    def copy_checkpoint(self, wish: CopyCheckpoint) -> None:
        """Have the checkpoint of another trial, or its own, where an attempt waits for it."""
        donor = self._core.trial(wish.donor)
        folder = self._parts.info.experiments[donor.experiment].folder / donor.folder
        paths = self._parts.attempt_of(wish.trial).paths
        now = self._teller.now
        try:
            cloned = clone(folder, wish.checkpoint, paths, wish.attempt, wish.number)
        except (CheckpointUnusableError, OSError) as exc:
            self._say_not_copied(wish, exc)
            self._teller.tell(CopyFailed(now(), wish.trial, wish.attempt, wish.number))
        else:
            self._teller.tell(
                CheckpointCopied(now(), wish.trial, wish.attempt, cloned.copy, cloned.taken)
            )

    def _say_not_copied(self, wish: CopyCheckpoint, problem: Exception) -> None:
        if wish.checkpoint is None and self._has_said_none:
            return
        self._has_said_none = self._has_said_none or wish.checkpoint is None
        source = "its own checkpoint with the next config"
        if wish.donor != wish.trial:
            source = f"the checkpoint of {wish.donor}"
        self._parts.views.display.warn(
            f"{wish.trial} goes on as it is, and not from {source}: {problem}"
        )
