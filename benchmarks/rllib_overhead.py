"""What a trial adds to RLlib: `python benchmarks/rllib_overhead.py [--iterations 60] [--repeat 3]`.

The same PPO on CartPole-v1 with the same seed, for the same iterations: as a trial of ours, as one
of Ray Tune's Tuner with its MLflow callback, and by `Algorithm.train()` alone. Seconds from one
result to the next, of which the median counts: starting and building are left out; reporting,
logging and what runs beside it are in. Each has a fresh process, a Ray of 2 CPUs and one thread for
torch. The three take turns, and each ratio is of medians, too.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from _side_by_side import CPUS, scratch, show, show_machine, show_ratio, timed

TO_REACH = 1.03
SPEC: dict[str, Any] = {
    "num_workers": 0,
    "num_envs_per_env_runner": 8,
    "train_batch_size_per_learner": 1024,
    "minibatch_size": 128,
    "num_epochs": 8,
    "seed": 0,
    "model": {"fcnet_hiddens": [64, 64], "vf_share_layers": False},
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--iterations", type=int, default=60)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--side", choices=SIDES, help="(what the benchmark calls itself with)")
    args = parser.parse_args()
    if args.side:
        SIDES[args.side](args.iterations)
        return
    show_machine()
    took: dict[str, list[float]] = {side: [] for side in SIDES}
    with scratch() as folder:
        for number in range(args.repeat):
            for side in SIDES:
                took[side].append(_seconds(side, folder / f"{number}-{side}", args.iterations))
    show("Seconds an iteration of 1,024 steps", took, "s", 4)
    ratio = median(took["ours"]) / median(took["bare"])
    show_ratio("ours / bare", ratio, f"<= {TO_REACH:g}", reached=ratio <= TO_REACH)
    print(f"  {'Tuner / bare':<58}{median(took['tuner']) / median(took['bare']):>12,.2f} ×")


def _seconds(side: str, folder: Path, iterations: int) -> float:
    folder.mkdir(parents=True)
    environment = {"OMP_NUM_THREADS": "1", "PREFECT_HOME": str(folder.parent / "prefect")}
    timed(
        [sys.executable, __file__, "--side", side, "--iterations", str(iterations)],
        folder,
        environment,
    )
    times = json.loads((folder / "times.json").read_text())
    assert len(times) == iterations, f"{side} has {len(times)} results, expected {iterations}"
    return median(after - before for before, after in itertools.pairwise(times))


def bare(iterations: int) -> None:
    """`Algorithm.train()`, and nothing else."""
    import ray

    ray.init(num_cpus=CPUS, include_dashboard=False, logging_level="ERROR")
    algorithm = _settings().build_algo()
    times = []
    for _ in range(iterations):
        algorithm.train()
        times.append(time.time())
    algorithm.stop()
    _write(times)


def tuner(iterations: int) -> None:
    """Ray Tune with its MLflow callback."""
    import ray
    from ray import tune
    from ray.air.integrations.mlflow import MLflowLoggerCallback

    class Clock(tune.Callback):
        times: list[float] = []  # noqa: RUF012 - one trial

        def on_trial_result(
            self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
        ) -> None:
            self.times.append(time.time())

    ray.init(num_cpus=CPUS, include_dashboard=False, logging_level="ERROR")
    callbacks = [
        Clock(),
        MLflowLoggerCallback(tracking_uri="sqlite:///mlflow.db", experiment_name="bench"),
    ]
    run = tune.RunConfig(
        stop={"training_iteration": iterations}, callbacks=callbacks, storage_path=str(Path.cwd())
    )
    tune.Tuner("PPO", param_space=_settings().to_dict(), run_config=run).fit()
    _write(Clock.times)


def ours(iterations: int) -> None:
    """A spec of ours, with everything that belongs to a sweep.

    Prefect, MLflow, TensorBoard, `result.json`.
    """
    from tune_tasks import run_experiments

    experiment = {
        "alg": "PPO",
        "env": "CartPole-v1",
        "config": SPEC,
        "stop": {"training_iteration": iterations},
    }
    summary = run_experiments({"bench": experiment}, num_cpus=CPUS, display="none")
    (trial,) = summary.trials
    rows = (Path(trial.logdir) / "result.json").read_text().splitlines()
    _write([json.loads(row)["timestamp"] for row in rows])


def _settings() -> Any:
    """The same in RLlib's own words, on Gymnasium's own environment."""
    from ray.rllib.algorithms.ppo import PPOConfig
    from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig

    settings = {
        name: value
        for name, value in SPEC.items()
        if name in ("train_batch_size_per_learner", "minibatch_size", "num_epochs")
    }
    config = PPOConfig().environment("CartPole-v1").training(**settings).debugging(seed=0)
    return config.env_runners(num_env_runners=0, num_envs_per_env_runner=8).rl_module(
        model_config=DefaultModelConfig(**SPEC["model"])
    )


def _write(times: list[float]) -> None:
    Path("times.json").write_text(json.dumps(times))


SIDES: dict[str, Callable[[int], None]] = {"bare": bare, "ours": ours, "tuner": tuner}

if __name__ == "__main__":
    main()
