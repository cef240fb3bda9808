"""A search from end to end, with processes: a network that learns digits, two trials at a time.

`python benchmarks/end_to_end.py --results FILE [--minutes 20] [--seeds 5]` takes five hours, and
two with 8 minutes. A run that FILE has is not done again, so that they can be spent in pieces.

- random: `tune-tasks run` with `search: random`, nobody ended early;
- ours: `tune-tasks run` with `search: tpe` and `scheduler: asha`;
- Ray Tune: `OptunaSearch` with Optuna's TPE, and `AsyncHyperBandScheduler`, and its MLflow
  callback;
- Ray Tune, no MLflow: the same without it. Ours always writes to MLflow.

All have the same space, the same training in the same kind of process, the same rungs (1, 3, 9 of
27 epochs), and a Ray of their own with 2 CPUs. They take turns, seed by seed, each with a fresh
folder, MLflow store and Prefect database.

Each searches for so many minutes from its first trial's start: what starts before (servers, Ray)
takes the same ten seconds or so for a search of a minute and of a day, and stands beside it. What
has been found so many minutes after the command was given is there, too. Times are those at which
the trials themselves knew an error, and the best is that of any epoch of any trial.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from _digits_network import EPOCHS
from _end_to_end_report import Row, read, show
from _side_by_side import CPUS, HERE, Timing, scratch, show_machine, timed

METHODS = ("random", "ours", "Ray Tune", "Ray Tune, no MLflow")
ASHA = {"grace_period": 1, "reduction_factor": 3}
SPACE: dict[str, Any] = {
    "layers": {"int": [1, 3]},
    "width": {"logint": [16, 256]},
    "dropout": {"uniform": [0, 0.5]},
    "noise": {"uniform": [0, 0.5]},
    "shift": {"uniform": [0, 1]},
    "l2": {"loguniform": [1e-6, 1e-2]},
    "batch_size": {"choice": [8, 16, 32, 64, 128]},
    "optimizer": {
        "choice": [
            {"name": "sgd", "lr": {"loguniform": [1e-3, 1]}, "momentum": {"uniform": [0, 0.99]}},
            {"name": "adam", "lr": {"loguniform": [1e-5, 3e-2]}},
        ]
    },
}
_MORE_TRIALS_THAN_TIME = 10_000
_START_AND_END_S = 180
_MORE_S = 5


def main() -> None:
    """Run what is missing, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, required=True, help="JSON lines, added to")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--methods", nargs="*", choices=METHODS, default=METHODS[:3])
    args = parser.parse_args()
    show_machine()
    for row in _missing(read(args.results), args.seeds, args.methods, args.minutes):
        with args.results.open("a") as file:
            file.write(json.dumps(row) + "\n")
    show(read(args.results), args.minutes)


def _missing(
    rows: Sequence[Row], seeds: int, methods: Sequence[str], minutes: float
) -> Iterator[Row]:
    done = {(row["seed"], row["method"], row["minutes"]) for row in rows}
    for seed in range(seeds):
        for method in methods:
            if (seed, method, minutes) not in done:
                figures = _figures(_run(method, seed, minutes * 60 + _MORE_S), minutes * 60)
                yield {"seed": seed, "method": method, "minutes": minutes, **figures}


def _run(method: str, seed: int, seconds: float) -> Timing:
    with scratch() as folder:
        make = _ray_tune if method.startswith("Ray Tune") else _ours
        command = make(method, seed, seconds, folder)
        environment = {
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "PREFECT_HOME": str(folder / "prefect"),
        }
        return timed(command, folder, environment, seconds + _START_AND_END_S)


def _ours(method: str, seed: int, seconds: float, folder: Path) -> Sequence[str]:
    learns = {"search": "tpe", "scheduler": {"asha": ASHA}}
    experiment = {
        "env": "digits",
        "num_trials": _MORE_TRIALS_THAN_TIME,
        "seed": seed,
        "metric": "val_error",
        "mode": "min",
        "stop": {"training_iteration": EPOCHS},
        "budget": {"time": seconds},
        **({"search": "random"} if method == "random" else learns),
        "config": {
            "script_file_path": str(HERE / "digits_trial.py"),
            "marks": str(folder / "marks.jsonl"),
            "network": {**SPACE, "seed": seed},
        },
    }
    (folder / "spec.json").write_text(json.dumps({"digits": experiment}))
    return [
        *(sys.executable, "-m", "tune_tasks.cli", "run", "-f", "spec.json"),
        *("--num-cpus", str(CPUS), "--classic"),
    ]


def _ray_tune(method: str, seed: int, seconds: float, folder: Path) -> Sequence[str]:
    options = {
        "cpus": CPUS,
        "seed": seed,
        "seconds": seconds,
        "space": {**SPACE, "seed": seed},
        "asha": {**ASHA, "max_t": EPOCHS},
        "mlflow": method == "Ray Tune",
        "marks": str(folder / "marks.jsonl"),
    }
    return [sys.executable, str(HERE / "digits_ray_tune.py"), json.dumps(options)]


def _figures(timing: Timing, seconds: float) -> Row:
    """What is kept of a run: times are in seconds since its command was started."""
    first = timing.times("start")[0]
    marks = [mark for mark in timing.marks if mark["at"] <= first + seconds]
    epochs = [mark for mark in marks if mark["event"] == "epoch"]
    trials = [[mark["at"] for mark in marks if mark["trial"] == name] for name in _trials(marks)]
    return {
        "first_start_s": round(first - timing.started, 2),
        "wall_s": round(timing.wall_s, 2),
        "trials": len(trials),
        "whole_trials": sum(mark["epoch"] == EPOCHS for mark in epochs),
        "epochs": len(epochs),
        "training": round(sum(max(at) - min(at) for at in trials) / seconds / CPUS, 3),
        "best": list(_best_so_far(epochs, timing.started)),
    }


def _trials(marks: Sequence[Row]) -> set[str]:
    return {mark["trial"] for mark in marks}


def _best_so_far(epochs: Sequence[Row], started: float) -> Iterator[tuple[float, float]]:
    best = float("inf")
    for mark in sorted(epochs, key=lambda mark: mark["at"]):
        if mark["error"] < best:
            best = mark["error"]
            yield round(mark["at"] - started, 2), round(best, 6)


if __name__ == "__main__":
    main()
