"""What a trial that does nothing costs.

`python benchmarks/trial_cost.py [--trials 60] [--repeat 1]`.

(A sweep of N trials, from its first trial's start to the command's end, less the same of a sweep of
1 trial) / (N − 1). Start-up is left out, and how a sweep ends is in both terms; all else that a
trial causes is in, also what either side puts off until later (we: the last of MLflow's and
Prefect's records, which are complete when the command ends). The time from the first trial's start
to the last one's end stands beside it. Each side has a sweep beforehand that is not counted.

Then: what our journal is of that. The journals of these sweeps are written once more, entry by
entry, and synced as often; the driver does nothing else meanwhile, which it could.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import median

from _journal import seconds_of_journal
from _side_by_side import (
    Timing,
    check_points,
    ours,
    ray_tune,
    scratch,
    show,
    show_machine,
    show_ratio,
)

TO_REACH = 8.0
MOST_FOR_THE_JOURNAL = 0.02


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--repeat", type=int, default=1, help="the median counts")
    parser.add_argument(
        "--reuse-actors",
        action="store_true",
        help="Ray Tune once more with reuse_actors=True (not its default)",
    )
    args = parser.parse_args()
    show_machine()
    sides = ["ours", "Ray Tune", *(["Ray Tune, reuse_actors=True"] if args.reuse_actors else [])]
    costs: dict[str, list[float]] = {}
    spans: dict[str, list[float]] = {}
    journals: list[float] = []
    with scratch() as folder:
        for side, name in enumerate(sides[:2]):
            _run(name, folder / f"warm-up-{side}", 2)
        for number in range(args.repeat):
            for side, name in enumerate(sides):
                one, many = (
                    _run(name, folder / f"{number}-{side}-{trials}", trials)
                    for trials in (1, args.trials)
                )
                costs.setdefault(name, []).append(
                    (many.from_first_start_s - one.from_first_start_s) / (args.trials - 1)
                )
                spans.setdefault(name, []).append(many.span_s / args.trials)
                check_points(many, args.trials, 1)
                if name == "ours":
                    results = many.folder / "tune_results"
                    journals.append(seconds_of_journal(results, folder / "journal") / args.trials)
    show(
        f"Seconds a trial: {args.trials} trials to the command's end, less 1 trial to its end",
        costs,
        "s",
        3,
    )
    ratio = median(costs["Ray Tune"]) / median(costs["ours"])
    show_ratio("Ray Tune / ours", ratio, f">= {TO_REACH:g}", reached=ratio >= TO_REACH)
    show("Seconds a trial: from the first trial's start to the last one's end", spans, "s", 3)
    print(f"  {'Ray Tune / ours':<58}{median(spans['Ray Tune']) / median(spans['ours']):>12,.2f} ×")
    show("Seconds a trial: the journal", {"ours": journals}, "s", 5)
    share = median(journals) / median(costs["ours"])
    show_ratio(
        "the journal / a no-op trial",
        share,
        f"<= {MOST_FOR_THE_JOURNAL:g}",
        reached=share <= MOST_FOR_THE_JOURNAL,
    )


def _run(name: str, folder: Path, trials: int) -> Timing:
    if name == "ours":
        return ours(folder, folder.parent / "prefect", trials=trials, reports=1)
    return ray_tune(folder, trials=trials, reports=1, reuse_actors="reuse" in name)


if __name__ == "__main__":
    main()
