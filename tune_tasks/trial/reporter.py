"""`StatusReporter`, through which `train()` reports.

It shows users what they need. What the trial's process does with a report is in `reports`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from tune_tasks.errors import ReportError, did_you_mean
from tune_tasks.result import TrainingResult
from tune_tasks.trial.report_values import mapping
from tune_tasks.trial.reports import TrialReports, outside


class StatusReporter:
    """Passed to `train(config, status_reporter)`.

    A report is checked, completed and in the trial's `result.json` before `report()` returns. No
    report waits for the network. Every thread of the trial's process may report.
    """

    def __init__(self, reports: TrialReports) -> None:
        self._reports = reports

    @property
    def seed(self) -> int:
        """The trial's own seed, in [0, 2**32), made of the spec's seed and the trial's index."""
        return self._reports.seed

    @property
    def logdir(self) -> Path:
        """The folder of this attempt's files; a script may keep files of its own there."""
        return self._reports.logdir

    def restore(self) -> Path | None:
        """Return the folder of the checkpoint that this attempt goes on from.

        Its files were compared with their checksums. `training_iteration`, `time_total_s` and
        `timesteps_this_iter` go on from the checkpoint's report by themselves.

        Returns:
            None if the trial begins anew. Otherwise a folder to read from, which stays as long as
            the attempt runs.
        """
        restored = self._reports.checkpoints.restored
        return restored.path if restored else None

    @property
    def wants_checkpoint(self) -> bool:
        """Whether the script is to write a checkpoint now.

        It is if one is due by the spec's `checkpoint: {every_s: …}`, if the sweep wants the trial
        to end and there is time for one, and after a report at which a population compares its
        members (`scheduler: pbt`) or a trial may be paused (`asha` with `mode: promote`). It is not
        if nothing was reported since the last one. A script that asks is given half of
        `stop_grace_s` to come to its next report when the sweep is stopped; that report is kept,
        and raises nothing.

        Raises:
            ReportError: If the caller is in another process than the trial's.
        """
        return self._reports.checkpoints.is_wanted()

    @contextlib.contextmanager
    def checkpoint(self) -> Iterator[Path]:
        """Write a checkpoint: `with status_reporter.checkpoint() as folder:`.

        It belongs to the last report before it. It is on the disk, whole, when the block ends; if
        the block raises or the process dies, it is not there at all. A script may write one at any
        time, also while it cleans up after a `TrialStopped`.

        Yields:
            An empty folder for the script's files.

        Raises:
            ReportError: If the caller is in another process than the trial's, or within the block
                of another checkpoint.
            TrialStopped: At the end of the block, if the trial is to end since the block began, is
                paused, or is to go on from another member of its population; the checkpoint is
                kept. At its beginning, if `train()` has returned.
            OSError: If the checkpoint cannot be written to the disk.
        """
        with self._reports.checkpoints.write() as folder:
            yield folder

    def report(self, result: TrainingResult) -> None:
        """Report training status.

        Args:
            result: With `timesteps_total`, and the other fields that apply.

        Raises:
            ReportError: If the result is not a valid TrainingResult; the message names the field
                and what was expected. If something else has overwritten or removed `result.json`,
                so that earlier reports are gone. If the caller is in another process than the
                trial's.
            TrialStopped: If this report meets a stop criterion (the report is kept), or if the
                trial was to end already (the report is not kept).
            OSError: If the report cannot be written to the disk.
        """
        self._reports.add(result)

    def __call__(self, **metrics: Any) -> None:
        """Report by keywords: `status_reporter(timesteps_total=…, mean_loss=…, my_metric=…)`.

        Ray Tune of 2018 reported so.

        Args:
            **metrics: The fields of a TrainingResult. Other names become entries of its `info`.

        Raises:
            ReportError: See `report`.
            TrialStopped: See `report`.
            OSError: See `report`.
        """
        if "timesteps_total" not in metrics:
            raise ReportError(f"timesteps_total is required{_hint(metrics)}")
        fields = {name: metrics.pop(name) for name in TrainingResult._fields if name in metrics}
        if metrics:
            info = mapping(fields.get("info") or {})
            fields["info"] = {**info, **metrics}
        self.report(TrainingResult(**fields))

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled: a copy in another process would write into the same file."""
        problem = "status_reporter cannot be sent to another process: it belongs to"
        raise ReportError(outside(problem))


def reports_of(reporter: StatusReporter) -> TrialReports:
    """The reports behind a reporter, for trainables of ours that need more than a user does."""
    return reporter._reports


def _hint(metrics: Mapping[str, Any]) -> str:
    """`"; did you mean …"` if one of the keywords looks like a misspelt `timesteps_total`."""
    hints = (did_you_mean("timesteps_total", [name]) for name in metrics)
    return next(filter(None, hints), "")
