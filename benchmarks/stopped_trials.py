"""Measures what a model is best told of trials that were stopped: `search: tpe` with ASHA.

`python benchmarks/stopped_trials.py --results FILE` (about half an hour on one core) runs what FILE
does not have yet, and prints the tables. The simulation and the curves are those of
`early_stopping.py`, without those that lead astray. A run may spend 810 epochs, as many as 10
trials that are never stopped.

A stopped trial is told as stopped (ranked behind those that have finished, the further it came the
better, and then by its last value), as finished with its last value, or not at all.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Literal

import _judges
import numpy as np
import optuna
from _figures import MARK, Results, Row, figures, name_of, read
from _simulation import Curve, Judge, Trial, simulate
from _tasks import EPOCHS, Task, tasks
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from tune_tasks.search.observation import Fate, Observation
from tune_tasks.search.optuna_models import OptunaSearcher
from tune_tasks.search.study import Study, text_of
from tune_tasks.spec.domains import Choice, Scale, Unit
from tune_tasks.spec.resolution import Choose
from tune_tasks.spec.search_space import Resolved
from tune_tasks.spec.start_up import LatinHypercube

BUDGET = 10 * EPOCHS
SEEDS = 15
WORKERS = (4,)
START_UP = 16
_FEWEST = 10
Told = Literal["stopped", "finished", "left out"]
FATES: Mapping[Told, Fate | None] = {
    "stopped": Fate.STOPPED,
    "finished": Fate.FINISHED,
    "left out": None,
}


class _ToldAsStopped(OptunaSearcher):
    """Tells Optuna's TPE of stopped trials as it has them: pruned, at a step.

    It ranks them behind those that have finished, the further they came the better.

    Args:
        scales: Every parameter's.
        steps: Where trials were stopped, by index; of the others there is none.
    """

    def __init__(self, scales: Mapping[str, Scale], steps: Mapping[int, float]) -> None:
        super().__init__("tpe", scales, ["min"], fewest=_FEWEST)
        self._steps = steps

    def _sampler(self, seed: int, _told: Sequence[FrozenTrial]) -> BaseSampler:
        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=_FEWEST)

    def _told(self, history: Sequence[Observation]) -> Iterator[FrozenTrial]:
        for trial in super()._told(history):
            step = self._steps.get(history[trial.number - 1].index)
            if step is not None and trial.values:
                trial.state = TrialState.PRUNED
                trial.intermediate_values = {int(step): trial.values[0]}
                trial.values = None
            yield trial


class Proposing:
    """Proposes as a sweep with `search: tpe` does.

    Args:
        task: What is tuned.
        seed: Of the sweep.
        told: As what a stopped trial is told.
    """

    def __init__(self, task: Task, seed: int, told: Told) -> None:
        self._at = task.at
        self._fate_of_stopped = FATES[told]
        self._scales = {name: _scale(options) for name, options in task.options.items()}
        self._start_up = LatinHypercube(list(self._scales), seed, START_UP)
        self._steps: dict[int, float] = {}
        searcher = _ToldAsStopped(self._scales, self._steps)
        self._study = Study(searcher, str(seed))
        self._rng = np.random.default_rng(seed)
        self._tried: set[str] = set()

    def __call__(self, trials: Sequence[Trial]) -> Curve:
        """The next trial."""
        point = self._point(trials)
        self._tried.add(text_of(self._resolved(lambda name, _: point[name])))
        curve = self._at(point, self._rng)
        return Curve(curve.values, curve.seconds, point)

    def _point(self, trials: Sequence[Trial]) -> Mapping[str, Any]:
        if len(trials) < START_UP:
            return self._resolved(self._start_up.chooser(len(trials))).point
        history = list(self._history(trials))
        point = self._study.propose(history, len(trials), self._resolved, self._tried)
        assert point is not None
        return point

    def _resolved(self, choose: Choose) -> Resolved:
        point = {name: scale.nearest(choose(name, scale)) for name, scale in self._scales.items()}
        return Resolved({}, point, point)

    def _history(self, trials: Sequence[Trial]) -> Iterator[Observation]:
        for index, trial in enumerate(trials):
            fate = self._fate(trial)
            if fate is not None:
                value = trial.value if trial.is_over and _is_finite(trial.value) else None
                if fate is Fate.STOPPED:
                    self._steps[index] = trial.step
                yield Observation(index, trial.curve.config, fate, value)

    def _fate(self, trial: Trial) -> Fate | None:
        if not trial.is_over:
            return Fate.RUNNING
        return Fate.FINISHED if trial.stopped is None else self._fate_of_stopped


def _scale(options: Sequence[Any]) -> Scale:
    return Choice().scale(*options) if options else Unit()


def _is_finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


SIDES: Mapping[str, tuple[Told | None, _judges.MakeJudge]] = {
    "random": (None, lambda _: Judge()),
    "random + asha": (None, _judges.asha),
    "random + asha, grace 3": (None, _judges.asha_3),
    "tpe": ("finished", lambda _: Judge()),
    "tpe + asha, told as stopped": ("stopped", _judges.asha),
    "tpe + asha, told as finished": ("finished", _judges.asha),
    "tpe + asha, left out": ("left out", _judges.asha),
    "tpe + asha, grace 3, told as stopped": ("stopped", _judges.asha_3),
    "tpe + asha, grace 3, told as finished": ("finished", _judges.asha_3),
    "tpe + asha, grace 3, left out": ("left out", _judges.asha_3),
}


def main() -> None:
    """Run what is missing, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, required=True, help="JSON lines, added to")
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, SEEDS), help="first, last + 1")
    parser.add_argument("--workers", type=int, nargs="*", default=WORKERS)
    args = parser.parse_args()
    with args.results.open("a") as file:
        for row in _missing(read(args.results), range(*args.seeds), args.workers):
            file.write(json.dumps(row) + "\n")
            file.flush()
    show(read(args.results))


def _missing(rows: Sequence[Row], seeds: range, workers: Sequence[int]) -> Iterator[Row]:
    done = {name_of(row) for row in rows}
    honest = [task for task in tasks() if not task.name.endswith("bad")]
    for seed, count, task, who in product(seeds, workers, honest, SIDES):
        key = {"who": who, "task": task.name, "workers": count, "every": 1, "seed": seed}
        if name_of(key) not in done:
            yield key | _measured(who, task, count, seed)


def _measured(who: str, task: Task, workers: int, seed: int) -> Row:
    told, make = SIDES[who]
    draws = task.draw(np.random.default_rng(seed))
    propose = Proposing(task, seed, told) if told else lambda _: next(draws, None)
    run = simulate(make(seed), propose, workers=workers, budget=BUDGET)
    return figures(run, task, BUDGET)


def show(rows: Sequence[Row]) -> None:
    """A table for each number of workers."""
    for workers in dict.fromkeys(row["workers"] for row in rows):
        results = Results(rows, workers)
        print(f"\n{workers} workers; {len(results.tasks)} tasks, {len(results.seeds)} seeds")
        print(f"{'':<40}{'regret after the epochs of':>32}")
        print(f"{'':<40}{'3 trials':>8}{'5':>8}{'10':>16}")
        for who in results.who:
            curve = results.regrets(who).mean(axis=(0, 1))
            three, five = (curve[EPOCHS * trials // MARK - 1] for trials in (3, 5))
            error = results.error(who, -1)
            print(f"{who:<40}{three:>8.4f}{five:>8.4f}{curve[-1]:>8.4f} ±{error:.4f}")


if __name__ == "__main__":
    main()
