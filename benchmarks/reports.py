"""How fast reports are taken: `python benchmarks/reports.py [--repeat 1]`.

2 trials at once; 200 reports each for Ray Tune, 20,000 for us. Reports/s: all reports by the time
from the first trial's start to the last one's end, by the trials' own clocks: what user code
experiences. `report()` is timed inside `train()`. A second rate counts until the command's end, by
when all of it is in MLflow: the store takes what it takes, and trials do not wait for it. That
every report is in `result.json` and in MLflow is checked for both sides.
"""

from __future__ import annotations

import argparse
from statistics import median, quantiles

from _side_by_side import (
    Timing,
    check_lines,
    check_points,
    ours,
    ray_tune,
    scratch,
    show,
    show_machine,
    show_ratio,
)

TO_REACH, P50_US, P99_US = 1000.0, 50.0, 1000.0
TRIALS = 2


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--reports", type=int, default=20_000, help="of each of our trials")
    parser.add_argument("--ray-reports", type=int, default=200, help="of each of Ray Tune's trials")
    parser.add_argument("--repeat", type=int, default=1, help="the median counts")
    args = parser.parse_args()
    show_machine()
    rates: dict[str, list[float]] = {}
    to_the_end: dict[str, list[float]] = {}
    p50: dict[str, list[float]] = {}
    p99: dict[str, list[float]] = {}
    with scratch() as folder:
        for number in range(args.repeat):
            runs = {
                "ours": (
                    ours(
                        folder / f"{number}a",
                        folder / "prefect",
                        trials=TRIALS,
                        reports=args.reports,
                    ),
                    args.reports,
                ),
                "Ray Tune": (
                    ray_tune(folder / f"{number}b", trials=TRIALS, reports=args.ray_reports),
                    args.ray_reports,
                ),
            }
            for name, (timing, reports) in runs.items():
                rates.setdefault(name, []).append(TRIALS * reports / timing.span_s)
                to_the_end.setdefault(name, []).append(TRIALS * reports / timing.from_first_start_s)
                cuts = quantiles(_took_us(timing), n=100)
                p50.setdefault(name, []).append(cuts[49])
                p99.setdefault(name, []).append(cuts[98])
                print(
                    f"{name}: result.json has {check_lines(timing, TRIALS, reports):,} reports, all"
                    " of them"
                )
                print(
                    f"{name}: MLflow has {check_points(timing, TRIALS, reports):,} points of"
                    " mean_loss, all of them"
                )
    show(f"Reports/s, {TRIALS} trials at once", rates, "/s", 1)
    ratio = median(rates["ours"]) / median(rates["Ray Tune"])
    show_ratio("ours / Ray Tune", ratio, f">= {TO_REACH:g}", reached=ratio >= TO_REACH)
    show("Reports/s until the command's end, all of it in MLflow", to_the_end, "/s", 1)
    ratio_to_the_end = median(to_the_end["ours"]) / median(to_the_end["Ray Tune"])
    print(f"  {'ours / Ray Tune':<58}{ratio_to_the_end:>12,.2f} ×")
    for title, figures, limit in (("p50", p50, P50_US), ("p99", p99, P99_US)):
        show(f"report(), {title}", figures, "µs", 1)
        print(
            f"  ours, to reach: <= {limit:g} µs:"
            f" {'yes' if median(figures['ours']) <= limit else 'NO'}"
        )


def _took_us(timing: Timing) -> list[float]:
    return [us for mark in timing.marks if mark["event"] == "end" for us in mark["took_us"]]


if __name__ == "__main__":
    main()
