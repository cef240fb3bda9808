"""The work that is measured, as a trial of ours.

`reports` reports, and notes of when each part took place.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

from tune_tasks import TrainingResult


def train(config: dict[str, Any], status_reporter: Any) -> None:
    """Report, and note how long each report took, in microseconds."""
    clock = time.perf_counter
    mark(config, "start")
    took = []
    for number in range(1, config["reports"] + 1):
        before = clock()
        status_reporter.report(TrainingResult(timesteps_total=number, mean_loss=1 / number))
        took.append(clock() - before)
        if number == 1:
            mark(config, "first report")
    mark(config, "end", took_us=[round(seconds * 1e6, 1) for seconds in took])


def mark(config: dict[str, Any], event: str, **more: Any) -> None:
    """Note that an event took place now; one write a line, so that trials do not mix theirs."""
    line = json.dumps({"event": event, "at": time.time(), **more}) + "\n"
    file = os.open(config["marks"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(file, line.encode())
    os.close(file)
