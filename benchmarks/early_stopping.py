"""Measures what ends trials early, in a simulation, beside Ray Tune, Optuna and Syne Tune.

`python benchmarks/early_stopping.py --results FILE` (about 20 minutes on one core) runs what FILE
does not have yet, and prints the tables. Syne Tune does not go with our dependencies; it has an
environment of its own, and adds to the same file:

    python -m venv syne && syne/bin/pip install syne-tune
    syne/bin/python benchmarks/early_stopping.py --results FILE --only "Syne Tune's ASHA"

Trials are drawn at random, the same for all, and their curves are known (`_tasks.py`). Each has 81
epochs at most; a run may spend 3,240 in all, as many as 40 trials that are never stopped. Time is
simulated: the workers take as long as the curves say. All have the same first rung, 1, and the same
reduction factor, 3.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path

import _judges
import numpy as np
from _figures import MARK, Results, Row, figures, name_of, read
from _judges import Killed, MakeJudge, Waiting
from _simulation import Judge, simulate
from _tasks import EPOCHS, Task, tasks

BUDGET = 40 * EPOCHS
SEEDS = 10
WORKERS = (1, 4, 8, 16)
SPARSE = 5
BASELINE = "random"
OURS = "ours: asha"
RESUMED = "ours: asha, killed and resumed"
JUDGES: Mapping[str, MakeJudge] = {
    BASELINE: lambda _: Judge(),
    OURS: _judges.asha,
    "ours: asha, grace 3": _judges.asha_3,
    "ours: asha, promote": lambda _: _judges.Promoting(_judges.GRACE),
    "ours: asha, promote, grace 3": lambda _: _judges.Promoting(3 * _judges.GRACE),
    "ours: hyperband": _judges.hyperband,
    "ours: median": _judges.median,
    "if it decided from 1 value on": lambda _: Waiting(1),
    "if it decided from 2η values on": lambda _: Waiting(2 * _judges.ETA),
    "Ray Tune's ASHA": _judges.RayTune,
    "Optuna's halving": _judges.optuna_halving,
    "Optuna's Hyperband": _judges.optuna_hyperband,
    "Optuna's median": _judges.optuna_median,
    "Syne Tune's ASHA": _judges.SyneTune,
    RESUMED: lambda seed: Killed(_judges.asha, seed, BUDGET // 2, replays=True),
    "Ray Tune's ASHA, killed and restored": (
        lambda seed: Killed(_judges.RayTune, seed, BUDGET // 2, replays=False)
    ),
}
DRAWN = [
    BASELINE,
    OURS,
    "ours: asha, grace 3",
    "ours: hyperband",
    "Ray Tune's ASHA",
    "Syne Tune's ASHA",
    "Optuna's halving",
    "Optuna's Hyperband",
    "Optuna's median",
]
PANELS = (4, 16)
_ELSEWHERE = "Syne Tune's ASHA"


def main() -> None:
    """Run what is missing, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, required=True, help="JSON lines, added to")
    parser.add_argument("--only", nargs="*", help="these alone, and no tables")
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, SEEDS), help="first, last + 1")
    parser.add_argument("--workers", type=int, nargs="*", default=WORKERS)
    parser.add_argument("--plot", type=Path, help="a PNG file to draw the regrets into")
    args = parser.parse_args()
    who = args.only or [name for name in JUDGES if name != _ELSEWHERE]
    with args.results.open("a") as file:
        for row in _missing(read(args.results), who, range(*args.seeds), args.workers):
            file.write(json.dumps(row) + "\n")
            file.flush()
    if not args.only:
        rows = read(args.results)
        show(rows)
        if args.plot:
            draw(rows, args.plot)


def _missing(
    rows: Sequence[Row], chosen: Sequence[str], seeds: range, workers: Sequence[int]
) -> Iterator[Row]:
    done = {name_of(row) for row in rows}
    settings = [*((count, 1) for count in workers), (4, SPARSE)]
    for seed, task, (count, every), who in product(seeds, tasks(), settings, chosen):
        key = {"who": who, "task": task.name, "workers": count, "every": every, "seed": seed}
        if name_of(key) not in done:
            yield key | _measured(JUDGES[who](seed), task, count, every, seed)


def _measured(judge: Judge, task: Task, workers: int, every: int, seed: int) -> Row:
    draws = task.draw(np.random.default_rng(seed))

    def propose(_: object) -> object:
        return next(draws, None)

    run = simulate(judge, propose, workers=workers, budget=BUDGET, every=every)
    is_same = getattr(judge, "is_same", True)
    return {**figures(run, task, BUDGET), "is_same": is_same}


def draw(rows: Sequence[Row], path: Path) -> None:
    """The regret of the best so far against epochs, the mean over tasks, a panel for each count."""
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 2, figsize=(10, 3.6), sharey=True, layout="constrained")
    for panel, workers in zip(panels, PANELS, strict=True):
        results = Results(rows, workers)
        for number, who in enumerate(DRAWN):
            curve = results.regrets(who).mean(axis=(0, 1))
            epochs = MARK * np.arange(1, len(curve) + 1)
            panel.plot(
                epochs,
                curve,
                label=who,
                color=f"C{number}",
                lw=2.2 if who.startswith(OURS) else 1.2,
            )
        panel.set(title=f"{workers} workers", xlabel="epochs of all trials")
        panel.set(xlim=(2 * EPOCHS, BUDGET), ylim=(0.1, 0.6))
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("regret of the best so far")
    panels[1].legend(fontsize="small")
    figure.savefig(path, dpi=100)


def show(rows: Sequence[Row]) -> None:
    """A table for each setting."""
    for workers, every in dict.fromkeys((row["workers"], row["every"]) for row in rows):
        _show(Results(rows, workers, every), f"{workers} workers, a report every {every} epochs")
    same = [row for row in rows if row["who"] == RESUMED]
    undisturbed = {name_of(row): row for row in rows}
    alike = sum(_are_same(row, undisturbed[name_of({**row, "who": OURS})]) for row in same)
    print(f"\nkilled half-way and resumed: {alike} of {len(same)} runs as without the kill")


def _are_same(killed: Row, undisturbed: Row) -> bool:
    names = "regrets", "trials", "diverged"
    return killed["is_same"] and all(killed[name] == undisturbed[name] for name in names)


def _show(results: Results, title: str) -> None:
    print(f"\n{title}; {len(results.tasks)} tasks, {len(results.seeds)} seeds")
    print(f"{'':<40}{'regret after the epochs of':^34}{'epochs to':>12}{'epochs':>10}")
    columns = f"{'10 trials':>10}{'20':>8}{'40':>16}{'random’s':>12}{'diverged':>10}{'trials':>8}"
    print(" " * 40 + columns)
    for who in results.who:
        print(f"{who:<40}{_line(results, who)}")


def _line(results: Results, who: str) -> str:
    curve = results.regrets(who).mean(axis=(0, 1))
    ten, twenty = (curve[EPOCHS * trials // MARK - 1] for trials in (10, 20))
    share = np.median(results.to_reach(who, BASELINE))
    diverged, trials = results.mean(who, "diverged"), results.mean(who, "trials")
    error = f"±{results.error(who, -1):.4f}"
    regret = f"{ten:>10.4f}{twenty:>8.4f}{curve[-1]:>8.4f} {error}"
    return f"{regret}{share:>12.2f}{diverged:>10.4f}{trials:>8.0f}"


if __name__ == "__main__":
    main()
