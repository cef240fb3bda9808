"""How long a report waits for its verdict: `python benchmarks/verdicts.py`.

2 trials at once, 200 reports each. For us the median rule judges every report, and ends nobody,
because both trials report the same. `report()` is timed inside `train()`: it waits until the
sweep's core has judged. For Ray Tune it is the same call without a scheduler, which is to its
advantage: its `report()` waits for its driver anyhow.
"""

from __future__ import annotations

import argparse
from statistics import median, quantiles

from _side_by_side import Timing, check_lines, ours, ray_tune, scratch, show, show_machine

TO_REACH_MS = 20.0
TRIALS = 2
JUDGED_EACH = {
    "metric": "mean_loss",
    "stop": {"training_iteration": 1_000_000},
    "scheduler": {"median": {"grace_period": 1, "interval": 1, "min_trials": 1}},
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--reports", type=int, default=200, help="of each trial")
    args = parser.parse_args()
    show_machine()
    work = {"trials": TRIALS, "reports": args.reports}
    with scratch() as folder:
        runs = {
            "ours": ours(folder / "a", folder / "prefect", **work, keys=JUDGED_EACH),
            "Ray Tune": ray_tune(folder / "b", **work),
        }
        for name, timing in runs.items():
            count = check_lines(timing, TRIALS, args.reports)
            print(f"{name}: {count:,} reports in result.json, so nobody was ended")
    for title, place in (("p50", 49), ("p99", 98)):
        figures = {name: [quantiles(_took_ms(each), n=100)[place]] for name, each in runs.items()}
        show(f"report() with a verdict, {title}", figures, "ms", 1)
    reached = median(_took_ms(runs["ours"])) <= TO_REACH_MS
    print(f"  ours, to reach: <= {TO_REACH_MS:g} ms: {'yes' if reached else 'NO'}")
    ratio = median(_took_ms(runs["ours"])) / median(_took_ms(runs["Ray Tune"]))
    print(f"  {'ours / Ray Tune':<58}{ratio:>12,.2f} ×")


def _took_ms(timing: Timing) -> list[float]:
    ends = (mark for mark in timing.marks if mark["event"] == "end")
    return [us / 1_000 for mark in ends for us in mark["took_us"]]


if __name__ == "__main__":
    main()
