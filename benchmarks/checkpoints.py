"""What a checkpoint costs beside its bytes: `python benchmarks/checkpoints.py [--repeat 9]`.

The same bytes are written and synced to the same disk, once in a `with checkpoint()`
block, with checksums, manifest and rename, and once by a plain write and fsync, in turn. Each time
is from the first byte to the moment from which nothing can be lost any more.
"""

from __future__ import annotations

import argparse
import os
import shutil
import time
from pathlib import Path
from statistics import median

from _side_by_side import scratch, show, show_machine, show_ratio

from tune_tasks.model.files import sync_file, sync_folder
from tune_tasks.result import TrainingResult
from tune_tasks.testing.samples import make_trial
from tune_tasks.trial.reporter import StatusReporter
from tune_tasks.trial.reports import TrialReports

TO_REACH = 1.2


def plain(folder: Path, files: list[bytes]) -> float:
    """Seconds to write and sync the files."""
    folder.mkdir()
    start = time.perf_counter()
    for number, content in enumerate(files):
        path = folder / f"{number}.bin"
        path.write_bytes(content)
        sync_file(path)
    sync_folder(folder)
    return time.perf_counter() - start


def ours(reporter: StatusReporter, files: list[bytes]) -> float:
    """Seconds for a checkpoint with the files."""
    start = time.perf_counter()
    with reporter.checkpoint() as folder:
        for number, content in enumerate(files):
            (folder / f"{number}.bin").write_bytes(content)
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mb", type=int, default=100, help="megabytes of a checkpoint")
    parser.add_argument("--files", type=int, default=1, help="files of a checkpoint")
    parser.add_argument("--repeat", type=int, default=9, help="the median counts")
    args = parser.parse_args()
    show_machine()
    files = [os.urandom(args.mb * 1_000_000 // args.files) for _ in range(args.files)]
    times: dict[str, list[float]] = {"a checkpoint": [], "write and fsync": []}
    with scratch() as folder:
        reports = TrialReports(make_trial(), folder / "result.json", "experiment-id")
        reports.begin()
        reporter = StatusReporter(reports)
        # Once more than is counted, because the first of all warms the machine up.
        for number in range(args.repeat + 1):
            reporter.report(TrainingResult(timesteps_total=number))
            times["a checkpoint"].append(ours(reporter, files))
            shutil.rmtree(folder / "checkpoints")
            times["write and fsync"].append(plain(folder / "plain", files))
            shutil.rmtree(folder / "plain")
        reports.close()
    times = {name: values[1:] for name, values in times.items()}
    show(f"{args.mb} MB in {args.files} files", times, "s", 3)
    ratio = median(times["a checkpoint"]) / median(times["write and fsync"])
    show_ratio(
        "a checkpoint / write and fsync", ratio, f"<= {TO_REACH:g}", reached=ratio <= TO_REACH
    )


if __name__ == "__main__":
    main()
