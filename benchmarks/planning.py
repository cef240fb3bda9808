"""Loading, validating and planning a spec of 1,000 grid points.

`python benchmarks/planning.py [--repeat 5]`.

In a fresh process each, from after Python's start, imports included. Ray Tune has no plan of its
own; beside ours stands what comes closest, importing it and drawing the same variants from its
generator.
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
POINTS = 1_000

_OURS = """
import time; start = time.perf_counter()
from tune_tasks.sweep.request import Request
plan = Request(spec_file="spec.yaml").plan({})
took = time.perf_counter() - start
print(len(list(plan.trials())), took)
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
        grid = {name: {"grid_search": list(range(10))} for name in "abc"}
        config = {"script_file_path": str(HERE / "workload.py"), "rate": 0.1, **grid}
        (folder / "spec.yaml").write_text(
            json.dumps({"bench": {"alg": "script", "config": config}}, indent=2)
        )
        sides = {
            "ours: load, validate and plan": _OURS,
            "Ray Tune: import, and draw the variants": _RAY_TUNE,
        }
        seconds = {
            name: [_seconds(code, folder) for _ in range(args.repeat)]
            for name, code in sides.items()
        }
    show(f"Seconds after Python's start for {POINTS:,} grid points", seconds, "s", 3)
    took = median(seconds["ours: load, validate and plan"])
    print(f"  ours, to reach: < {TO_REACH_S:g} s: {'yes' if took < TO_REACH_S else 'NO'}")


def _seconds(code: str, folder: Path) -> float:
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
    ).stdout
    points, took = out.split()
    assert int(points) == POINTS, f"planned {points} points"
    return float(took)


if __name__ == "__main__":
    main()
