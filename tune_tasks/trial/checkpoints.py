"""Writes the checkpoints of one attempt: whole when the `with` block ends, or not there at all.

The files are written in a folder aside. At the end of the block they are synced, the manifest is
written, and the folder gets its name. If the process dies before, the folder is a leftover, which
the next attempt removes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tune_tasks.errors import ReportError
from tune_tasks.model.checkpoint import CheckpointRules, KeptCheckpoint
from tune_tasks.model.checkpoint_folder import (
    StoredCheckpoint,
    checkpoints_in,
    new_aside,
    put_in_place,
    remove,
    superfluous,
)
from tune_tasks.model.checkpoint_manifest import Manifest, seal
from tune_tasks.model.files import sync_folder
from tune_tasks.model.trial import EndedBy
from tune_tasks.trial.depot import too_large
from tune_tasks.trial.restoring import Restored

if TYPE_CHECKING:
    from tune_tasks.trial.reports import TrialReports


class TrialCheckpoints:
    """The checkpoints of one attempt.

    Thread safety: any thread of the process may call any method, and read the attributes. Threads
    that write a checkpoint at the same time do so one after the other.

    Args:
        reports: The attempt's.
        folder: The attempt's folder of checkpoints.
        rules: When one is due, and which are kept.
        restored: The checkpoint that the attempt goes on from.
        clock: Seconds on a clock that never jumps.

    Attributes:
        restored: See above.
        last: The attempt's latest; None before the first.
        limit: The most bytes that one may have; None if there is no limit.
        being_sent: One that is kept as long as it is on its way to another machine.
    """

    def __init__(
        self,
        reports: TrialReports,
        folder: Path,
        rules: CheckpointRules,
        restored: Restored | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.restored = restored
        self.last: KeptCheckpoint | None = None
        self.limit: int | None = None
        self.being_sent: Path | None = None
        self._reports = reports
        self._folder = folder
        self._rules = rules
        self._clock = clock
        self._pid = os.getpid()
        self._turn = threading.Lock()
        self._writer: int | None = None
        self._saved_at = clock()
        self._saved_reports = restored.manifest.reports if restored else 0

    def begin(self) -> None:
        """Count the time to the first checkpoint from now on."""
        self._saved_at = self._clock()

    def is_wanted(self) -> bool:
        """Whether the script is to write a checkpoint now; see `StatusReporter`."""
        self._reports.expect_own_process("wants_checkpoint was asked")
        is_to_end = self._reports.decision.asked_for_checkpoint()
        if self._reports.progress.reports == self._saved_reports:
            return False
        is_awaited = self._reports.questions.awaits_checkpoint
        return is_to_end or is_awaited or self._is_due()

    @contextlib.contextmanager
    def write(self) -> Iterator[Path]:
        """Write a checkpoint; see `StatusReporter.checkpoint`."""
        self._reports.expect_own_process("checkpoint() was called")
        if self._writer == threading.get_ident():
            raise ReportError("checkpoint() was called within the block of another checkpoint()")
        with self._turn:
            self._writer = threading.get_ident()
            try:
                with self._reports.decision.saving(), self._aside() as folder:
                    yield folder
            finally:
                self._writer = None
        self._reports.has_checkpoint()

    @contextlib.contextmanager
    def _aside(self) -> Iterator[Path]:
        """A folder that becomes a checkpoint at the end of the block, unless the block raises."""
        manifest = self._reports.manifest()
        is_first = not self._folder.is_dir()
        aside = new_aside(self._folder, manifest.training_iteration)
        try:
            if is_first:
                sync_folder(self._folder.parent)
            yield aside
            self._reports.expect_own_process("the block of a checkpoint() ended")
            self._keep(aside, manifest)
        except BaseException:
            # A child that user code forked in the block must not remove what the parent writes.
            if os.getpid() == self._pid:
                shutil.rmtree(aside, ignore_errors=True)
            raise

    def _keep(self, aside: Path, manifest: Manifest) -> None:
        self._expect_in_limit(seal(aside, manifest, self._reports.sync))
        number = manifest.training_iteration
        with self._reports.decision.while_open():
            put_in_place(aside, self._folder, number)
        sync_folder(self._folder)
        self.last = KeptCheckpoint(number, manifest.reports)
        self._saved_reports = manifest.reports
        self._saved_at = self._clock()
        self._prune()

    def _expect_in_limit(self, sealed: Manifest) -> None:
        size = sum(file.size for file in sealed.files.values())
        if self.limit is not None and size > self.limit:
            raise ReportError(too_large("the checkpoint", size, self.limit))

    def _prune(self) -> None:
        stop = self._reports.stop
        if stop and stop.ended_by is EndedBy.EXPLOITED:
            return  # among them is the copy that the next attempt goes on from
        spared = [self.being_sent] if self.being_sent else []
        if self.restored:
            spared.append(self.restored.path)
        for path in superfluous(self._stored(), self._rules, spared):
            remove(path)

    def _stored(self) -> list[StoredCheckpoint]:
        """This attempt's checkpoints and those of the attempts that it has gone on from."""
        stored = checkpoints_in(self._folder)
        for folder in self.restored.folders if self.restored else ():
            if folder != self._folder:
                stored += checkpoints_in(folder)
        return stored

    def _is_due(self) -> bool:
        every_s = self._rules.every_s
        return every_s is not None and self._clock() - self._saved_at >= every_s
