"""Ours and its rivals, each asked what to try and told what came of it.

Each is driven by its own interface: ours is the core of a sweep, with the same decisions as in a
driver; the others are asked and told as their documentation has it. All know of a setting whose
options are numbers that these are in an order, and of the others that they are not.
"""

from __future__ import annotations

import json
import subprocess
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from _core import CoreSweep
from _tables import Parameter, Place

_SERVER = Path(__file__).with_name("_syne_tune.py")


class Tries(ABC):
    """Says what to try. Trials are numbered from 0, in the order in which they are asked for."""

    @abstractmethod
    def ask(self, trial: int) -> Place:
        """What a trial tries."""

    @abstractmethod
    def tell(self, trial: int, loss: float) -> None:
        """Say what came of a trial."""


MakeTries = Callable[[Sequence[Parameter], int, int, int], Tries]
"""Called with the settings, the seed, the number of workers and the number of trials."""


class Ours(Tries):
    """A sweep's core, without the processes around it.

    Args:
        parameters: The settings.
        seed: Of the sweep.
        workers: How many trials run at once.
        trials: How many there are.
    """

    def __init__(
        self, parameters: Sequence[Parameter], seed: int, workers: int, trials: int
    ) -> None:
        self._options = {each.name: list(each.options) for each in parameters}
        config = {name: {"choice": options} for name, options in self._options.items()}
        experiment = {"search": "tpe", "num_trials": trials, "config": config}
        self._sweep = CoreSweep(experiment, seed, workers)
        self._keys: list[str] = []

    def ask(self, trial: int) -> Place:
        """What a trial tries."""
        key = self._sweep.waiting.popleft()
        self._keys.append(key)
        config = self._sweep.config(key)
        return {name: options.index(config[name]) for name, options in self._options.items()}

    def tell(self, trial: int, loss: float) -> None:
        """Say what came of a trial."""
        self._sweep.end(self._keys[trial], loss)


class Optuna(Tries):
    """Optuna alone: a study in memory, `ask` and `tell`.

    Args:
        sampler: The name of the sampler's class.
        options: What it is given.
        parameters: The settings.
        seed: Of the sampler.
        workers: Not needed.
        trials: Not needed.
    """

    def __init__(
        self,
        sampler: str,
        options: Mapping[str, Any],
        parameters: Sequence[Parameter],
        seed: int,
        workers: int,
        trials: int,
    ) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._parameters = parameters
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            made = getattr(optuna.samplers, sampler)(seed=seed, **options)
        self._study = optuna.create_study(sampler=made)
        self._trials: list[optuna.Trial] = []

    def ask(self, trial: int) -> Place:
        """What a trial tries."""
        asked = self._study.ask()
        self._trials.append(asked)
        place = {}
        for each in self._parameters:
            last = len(each.options) - 1
            if each.is_ordinal:
                place[each.name] = asked.suggest_int(each.name, 0, last)
            else:
                place[each.name] = asked.suggest_categorical(each.name, range(last + 1))
        return place

    def tell(self, trial: int, loss: float) -> None:
        """Say what came of a trial."""
        self._study.tell(self._trials[trial], loss)


class RayTune(Tries):
    """The searcher `OptunaSearch` of Ray Tune, asked and told as its driver does it.

    Args:
        parameters: The settings.
        seed: Of the searcher.
        workers: Not needed.
        trials: Not needed.
    """

    def __init__(
        self, parameters: Sequence[Parameter], seed: int, workers: int, trials: int
    ) -> None:
        from optuna.distributions import (
            BaseDistribution,
            CategoricalDistribution,
            IntDistribution,
        )
        from ray.tune.search.optuna import OptunaSearch

        space: dict[str, BaseDistribution] = {}
        for each in parameters:
            last = len(each.options) - 1
            ordinal = IntDistribution(0, last)
            named = CategoricalDistribution(range(last + 1))
            space[each.name] = ordinal if each.is_ordinal else named
        self._searcher = OptunaSearch(space=space, metric="loss", mode="min", seed=seed)

    def ask(self, trial: int) -> Place:
        """What a trial tries."""
        return self._searcher.suggest(str(trial)) or {}

    def tell(self, trial: int, loss: float) -> None:
        """Say what came of a trial."""
        self._searcher.on_trial_complete(str(trial), {"loss": loss})


class SyneTune:
    """Syne Tune, in a process and an environment of its own.

    Args:
        python: The interpreter of the environment.
    """

    def __init__(self, python: str) -> None:
        self._process = subprocess.Popen(
            [python, str(_SERVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def tries(
        self, scheduler: str, parameters: Sequence[Parameter], seed: int, workers: int, trials: int
    ) -> Tries:
        """One of its schedulers."""
        counts = {each.name: len(each.options) for each in parameters}
        ordinal = [each.name for each in parameters if each.is_ordinal]
        self.call("new", scheduler=scheduler, seed=seed, counts=counts, ordinal=ordinal)
        return _SyneTuneTries(self)

    def call(self, what: str, **given: Any) -> Any:
        """Ask the process for something, and wait for the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps({"what": what, **given}), file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())


class _SyneTuneTries(Tries):
    def __init__(self, process: SyneTune) -> None:
        self._process = process

    def ask(self, trial: int) -> Place:
        place: Mapping[str, int] = self._process.call("ask", trial=trial)
        return place

    def tell(self, trial: int, loss: float) -> None:
        self._process.call("tell", trial=trial, loss=loss)


def methods(syne_tune: SyneTune | None) -> dict[str, MakeTries]:
    """All that can be compared, by name."""
    made: dict[str, MakeTries] = {
        "ours": Ours,
        "Optuna": partial(Optuna, "TPESampler", {}),
        "Ray Tune OptunaSearch": RayTune,
        "random": partial(Optuna, "RandomSampler", {}),
        "QMC": partial(Optuna, "QMCSampler", {"scramble": True}),
    }
    if syne_tune:
        for name in ("TPE", "REA", "BORE", "CQR"):
            made[f"Syne Tune {name}"] = partial(syne_tune.tries, name)
    return made
