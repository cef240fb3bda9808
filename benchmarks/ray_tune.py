"""The same work as a script for Ray Tune with its MLflow callback: `python ray_tune.py '{"trials".

…}'`.

Ray Tune's defaults throughout (its JSON, CSV and TensorBoard files too); 1 CPU a trial. The cluster
is started without dashboard, as ours is, which is to Ray Tune's advantage.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.air.integrations.mlflow import MLflowLoggerCallback


def train(config: dict[str, Any]) -> None:
    """Report, and note how long each report took, in microseconds."""
    clock = time.perf_counter
    mark(config, "start")
    took = []
    for number in range(1, config["reports"] + 1):
        before = clock()
        tune.report({"mean_loss": 1 / number})
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


def main(options: dict[str, Any]) -> None:
    """Run the trials."""
    cwd = Path.cwd()
    ray.init(
        address="local",
        num_cpus=options["cpus"],
        include_dashboard=False,
        logging_level="ERROR",
        log_to_driver=False,
    )
    callback = MLflowLoggerCallback(
        tracking_uri=f"sqlite:///{cwd / 'mlflow.db'}", experiment_name="bench"
    )
    tuner = tune.Tuner(
        tune.with_resources(train, {"cpu": 1}),
        param_space={**options["config"], "x": tune.grid_search(list(range(options["trials"])))},
        tune_config=tune.TuneConfig(reuse_actors=options["reuse_actors"]),
        run_config=tune.RunConfig(
            name="bench", callbacks=[callback], storage_path=str(cwd / "tune_results"), verbose=0
        ),
    )
    results = tuner.fit()
    ray.shutdown()
    if results.errors:
        raise SystemExit(f"{len(results.errors)} trials failed: {results.errors[0]}")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
