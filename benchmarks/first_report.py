"""From the command to the first report: `python benchmarks/first_report.py [--repeat 3]`.

The time from the start of a fresh process, with a fresh working directory and MLflow store, until
the first `report()` has returned in a trial. For us with Prefect's database still to be made (cold:
the first sweep under a `PREFECT_HOME`) and with one that is there (warm: every later sweep; its
server has ended in between).
"""

from __future__ import annotations

import argparse
from statistics import median

from _side_by_side import Timing, ours, ray_tune, scratch, show, show_machine, show_ratio

TO_REACH = 1.5
SIZE = {"trials": 2, "reports": 1}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=3, help="the median counts")
    args = parser.parse_args()
    show_machine()
    seconds: dict[str, list[float]] = {"Ray Tune": [], "ours, cold": [], "ours, warm": []}
    with scratch() as folder:
        for number in range(args.repeat):
            home = folder / f"prefect-{number}"
            seconds["Ray Tune"].append(_to_first_report(ray_tune(folder / f"{number}a", **SIZE)))
            seconds["ours, cold"].append(
                _to_first_report(ours(folder / f"{number}b", home, **SIZE))
            )
            seconds["ours, warm"].append(
                _to_first_report(ours(folder / f"{number}c", home, **SIZE))
            )
    show("Seconds from the command to the first report", seconds, "s")
    for name in ("ours, cold", "ours, warm"):
        ratio = median(seconds[name]) / median(seconds["Ray Tune"])
        show_ratio(f"{name} / Ray Tune", ratio, f"<= {TO_REACH:g}", reached=ratio <= TO_REACH)


def _to_first_report(timing: Timing) -> float:
    return timing.times("first report")[0] - timing.started


if __name__ == "__main__":
    main()
