"""What it costs to propose a trial, ours and Optuna alone, with 1,000 trials behind it.

`python benchmarks/asking.py [--trials 1000] [--asks 20]`.

The space has eight parameters; two of them belong to one option of a third, one has a bound that
depends on another and is there under a condition. Ours is what a driver does when there is room for
a trial: the core gathers what is known, a study is built from it, and TPE proposes a config that
was not tried. Optuna's is `ask` and the `suggest` of each parameter, on a study and a sampler that
it keeps. Each with one objective and with two. Times are of the process's CPU; they are longer all
the same if others need the caches and the other half of a core.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

from _core import METRIC, CoreSweep
from _side_by_side import show, show_machine, show_ratio

if TYPE_CHECKING:
    import optuna

TO_REACH_MS = 25.0
CONFIG = {
    "optimizer": {
        "choice": [
            {"name": "sgd", "momentum": {"uniform": [0, 0.99]}},
            {"name": "adam", "beta": {"uniform": [0.8, 0.999]}},
        ]
    },
    "lr": {"loguniform": [1e-5, 1e-1]},
    "layers": {"int": [1, 6]},
    "width": {"logint": [8, 512]},
    "width2": {"int": [1, {"eval": "spec.config.width"}], "when": {"layers": ">= 2"}},
    "dropout": {"quniform": [0.0, 0.6, 0.05]},
    "activation": {"choice": ["relu", "tanh", "gelu"]},
}


def loss_of(config: Mapping[str, Any]) -> float:
    """Something to learn."""
    is_sgd = config["optimizer"]["name"] == "sgd"
    return float((math.log10(config["lr"]) + 3) ** 2 + abs(config["layers"] - 3) + is_sgd)


def size_of(config: Mapping[str, Any]) -> float:
    """Something that is in the way of it."""
    return float(config["layers"] * config["width"])


class _Timed(CoreSweep):
    """Notes what each proposal costs."""

    def __init__(self, trials: int, asks: int, keys: Mapping[str, Any]) -> None:
        self.milliseconds: list[float] = []
        search = {"tpe": {"startup_trials": trials}}
        experiment = {"search": search, "num_trials": trials + asks, "config": CONFIG, **keys}
        super().__init__(experiment, seed=1, workers=1)

    def propose(self, key: str) -> None:
        """Ask the model, and note the time."""
        start = time.process_time()
        super().propose(key)
        self.milliseconds.append(1e3 * (time.process_time() - start))


def ours(trials: int, asks: int, *, is_multi: bool = False) -> list[float]:
    """Milliseconds for each proposal."""
    keys = {"objectives": {METRIC: "min", "size": "min"}} if is_multi else {}
    sweep = _Timed(trials, asks, keys)
    while sweep.waiting:
        key = sweep.waiting.popleft()
        config = sweep.config(key)
        sweep.end(key, loss_of(config), size=size_of(config))
    return sweep.milliseconds


def optuna_alone(trials: int, asks: int, *, is_multi: bool = False) -> list[float]:
    """Milliseconds for each proposal."""
    import optuna

    def values_of(config: Mapping[str, Any]) -> Sequence[float]:
        values = (loss_of(config), size_of(config))
        return values if is_multi else values[:1]

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        sampler=optuna.samplers.RandomSampler(seed=1),
        directions=["minimize"] * (2 if is_multi else 1),
    )
    study.optimize(lambda trial: values_of(suggested(trial)), n_trials=trials)
    study.sampler = optuna.samplers.TPESampler(seed=1)
    milliseconds = []
    for _ in range(asks):
        start = time.process_time()
        trial = study.ask()
        config = suggested(trial)
        milliseconds.append(1e3 * (time.process_time() - start))
        study.tell(trial, values_of(config))
    return milliseconds


def suggested(trial: optuna.Trial) -> dict[str, Any]:
    """A config of the same space."""
    name = trial.suggest_categorical("optimizer", ["sgd", "adam"])
    optimizer: dict[str, Any] = {"name": name}
    if name == "sgd":
        optimizer["momentum"] = trial.suggest_float("momentum", 0, 0.99)
    else:
        optimizer["beta"] = trial.suggest_float("beta", 0.8, 0.999)
    layers = trial.suggest_int("layers", 1, 6)
    config: dict[str, Any] = {
        "optimizer": optimizer,
        "lr": trial.suggest_float("lr", 1e-5, 1e-1, log=True),
        "layers": layers,
        "width": trial.suggest_int("width", 8, 512, log=True),
        "dropout": trial.suggest_float("dropout", 0.0, 0.6, step=0.05),
        "activation": trial.suggest_categorical("activation", ["relu", "tanh", "gelu"]),
    }
    if layers >= 2:
        config["width2"] = trial.suggest_int("width2", 1, config["width"])
    return config


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=1_000, help="that have ended before")
    parser.add_argument("--asks", type=int, default=20, help="the median counts")
    wanted = parser.parse_args()
    show_machine()
    for is_multi in (False, True):
        mine = median(ours(wanted.trials, wanted.asks, is_multi=is_multi))
        theirs = median(optuna_alone(wanted.trials, wanted.asks, is_multi=is_multi))
        several = ", two objectives" if is_multi else ""
        title = f"CPU time of a proposal after {wanted.trials:,} trials{several}"
        show(title, {"ours": [mine], "Optuna alone": [theirs]}, "ms", 1)
        reached = mine <= TO_REACH_MS
        target = f"ours <= {TO_REACH_MS:g} ms"
        show_ratio("ours / Optuna alone", mine / theirs, target, reached=reached)


if __name__ == "__main__":
    main()
