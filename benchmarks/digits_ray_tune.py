"""The search of `end_to_end.py` as a script for Ray Tune: `python digits_ray_tune.py OPTIONS`.

Optuna's TPE and Ray Tune's ASHA, with Ray Tune's defaults elsewhere. A conditional space is a
function for `OptunaSearch`. The cluster is started without dashboard, as ours is.
"""

from __future__ import annotations

import json
import logging
import sys
from functools import partial
from pathlib import Path
from typing import Any

import ray
from digits_trial import METRIC, noted
from optuna.samplers import TPESampler
from optuna.trial import Trial
from ray import tune
from ray.air.integrations.mlflow import MLflowLoggerCallback
from ray.tune.schedulers import AsyncHyperBandScheduler
from ray.tune.search.optuna import OptunaSearch


def train(config: dict[str, Any]) -> None:
    """Train the network; report its validation error after each epoch."""
    for _, error in noted(config):
        tune.report({METRIC: error})


def config(options: dict[str, Any], trial: Trial) -> dict[str, Any]:
    """What `train` gets. Ray Tune pickles this function, so that it is none within another."""
    return {"marks": options["marks"], "network": network(trial, options["space"])}


def network(trial: Trial, space: dict[str, Any]) -> dict[str, Any]:
    """A config of the space that our spec has."""
    drawn = {name: _drawn(trial, name, domain) for name, domain in space.items()}
    branches = {each["name"]: each for each in space["optimizer"]["choice"]}
    name = trial.suggest_categorical("optimizer", sorted(branches))
    settings = branches[name].items()
    optimizer = {key: _drawn(trial, f"{name}.{key}", domain) for key, domain in settings}
    return {**drawn, "optimizer": optimizer}


def _drawn(trial: Trial, name: str, domain: Any) -> Any:
    """The value of a domain of ours; what is none is the value."""
    if not isinstance(domain, dict) or name == "optimizer":
        return domain
    ((kind, given),) = domain.items()
    if kind == "choice":
        return trial.suggest_categorical(name, given)
    if kind in ("int", "logint"):
        return trial.suggest_int(name, *given, log=kind == "logint")
    return trial.suggest_float(name, *given, log=kind == "loguniform")


def main(options: dict[str, Any]) -> None:
    """Search until the time is over."""
    cwd = Path.cwd()
    ray.init(
        address="local",
        num_cpus=options["cpus"],
        include_dashboard=False,
        logging_level=logging.ERROR,
        log_to_driver=False,
    )
    results = tune.Tuner(
        tune.with_resources(train, {"cpu": 1}),
        tune_config=tune.TuneConfig(
            search_alg=_search(options),
            scheduler=AsyncHyperBandScheduler(metric=METRIC, mode="min", **options["asha"]),
            num_samples=-1,
            time_budget_s=options["seconds"],
        ),
        run_config=tune.RunConfig(
            name="bench",
            callbacks=[_mlflow(cwd)] if options["mlflow"] else [],
            storage_path=str(cwd / "tune_results"),
            verbose=0,
        ),
    ).fit()
    ray.shutdown()
    if results.errors:
        raise SystemExit(f"{len(results.errors)} trials failed: {results.errors[0]}")


def _search(options: dict[str, Any]) -> OptunaSearch:
    sampler = TPESampler(seed=options["seed"])
    return OptunaSearch(partial(config, options), metric=METRIC, mode="min", sampler=sampler)


def _mlflow(cwd: Path) -> MLflowLoggerCallback:
    tracking_uri = f"sqlite:///{cwd / 'mlflow.db'}"
    return MLflowLoggerCallback(tracking_uri=tracking_uri, experiment_name="bench")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
