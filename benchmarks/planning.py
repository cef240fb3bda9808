"""Measures loading, validating and planning a spec: seconds for 1,000 grid points, and memory.

`python benchmarks/planning.py [--repeat 5]`.

Each measurement has a fresh process, and begins after Python's start: imports are included. Ray
Tune has no plan of its own. Beside ours stands what comes closest: importing it, and drawing the
same variants from its generator.

The memory is that of a plan of 1,000,000 grid points, beside that of a plan of one: a plan keeps no
trials.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import median

from _side_by_side import HERE, scratch, show, show_machine

TO_REACH_S = 0.5
TO_REACH_MIB = 20
POINTS = 1_000
MANY_POINTS = 1_000_000

_OURS = """
import time; start = time.perf_counter()
from tune_tasks.sweep.request import Request
plan = Request(spec_file="spec.yaml").plan({})
took = time.perf_counter() - start
print(len(list(plan.trials())), took)
"""
_MEMORY = """
import resource
from tune_tasks.sweep.request import Request
Request(spec_file="spec.yaml").plan({})
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
_RAY_TUNE = """
import time; start = time.perf_counter()
from ray import tune
from ray.tune.search.variant_generator import generate_variants
space = {name: tune.grid_search(list(range(10))) for name in "abc"}
variants = list(generate_variants({**space, "rate": 0.1}))
took = time.perf_counter() - start
print(len(variants), took)
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=5, help="the median counts")
    args = parser.parse_args()
    show_machine()
    with scratch() as folder:
        _write_spec(folder, POINTS)
        sides = {
            "ours: load, validate and plan": _OURS,
            "Ray Tune: import, and draw the variants": _RAY_TUNE,
        }
        seconds = {
            name: [_seconds(code, folder) for _ in range(args.repeat)]
            for name, code in sides.items()
        }
        mebibytes = {f"a plan of {n:,}": [_mebibytes(folder, n)] for n in (1, MANY_POINTS)}
    show(f"Seconds after Python's start for {POINTS:,} grid points", seconds, "s", 3)
    took = median(seconds["ours: load, validate and plan"])
    print(f"  ours, to reach: < {TO_REACH_S:g} s: {'yes' if took < TO_REACH_S else 'NO'}")
    show("Peak memory of the process that plans", mebibytes, "MiB", 1)
    (one,), (many,) = mebibytes.values()
    is_reached = "yes" if many - one < TO_REACH_MIB else "NO"
    print(f"  more than for one point, to reach: < {TO_REACH_MIB} MiB: {is_reached}")


def _write_spec(folder: Path, points: int) -> None:
    side = round(points ** (1 / 3))
    grid = {name: {"grid_search": list(range(side))} for name in "abc"}
    config = {"script_file_path": str(HERE / "workload.py"), "rate": 0.1, **grid}
    spec = {"bench": {"alg": "script", "config": config}}
    (folder / "spec.yaml").write_text(json.dumps(spec, indent=2))


def _mebibytes(folder: Path, points: int) -> float:
    _write_spec(folder, points)
    return float(_printed(_MEMORY, folder))


def _seconds(code: str, folder: Path) -> float:
    points, took = _printed(code, folder).split()
    assert int(points) == POINTS, f"planned {points} points"
    return float(took)


def _printed(code: str, folder: Path) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    main()
