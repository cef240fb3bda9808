"""CartPole to a mean return of 150.

`python benchmarks/rllib_cartpole.py [A3C A2C ES PPO DQN] [--seeds 3]`.

Each algorithm of RLlib's new API stack, with networks of two layers of 64, on a Ray of 2 CPUs.
Seconds are those of `Algorithm.train()`, from its first call until the mean return of the last 100
episodes (or more: of whole iterations) has been reached; building is measured apart. ES counts the
episodes of its perturbed policies.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from statistics import median

import ray
from _side_by_side import CPUS, show_machine
from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.algorithms.dqn import DQNConfig
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig

from tune_tasks.rllib.algorithms.a2c import A2CConfig
from tune_tasks.rllib.algorithms.a3c import A3CConfig
from tune_tasks.rllib.algorithms.es import ESConfig

EPISODES = 100


def a3c() -> AlgorithmConfig:
    """Two workers, whose gradients are each of 8 rollouts."""
    return A3CConfig().env_runners(num_env_runners=2, num_envs_per_env_runner=8).training(lr=3e-3)


def a2c() -> AlgorithmConfig:
    """In the trial's process, 8 environments at once."""
    return A2CConfig().env_runners(num_envs_per_env_runner=8)


def es() -> AlgorithmConfig:
    """Two workers, 5 pairs of episodes each."""
    return ESConfig().env_runners(num_env_runners=2)


def ppo() -> AlgorithmConfig:
    """In the trial's process, 8 environments at once."""
    config = PPOConfig().env_runners(num_env_runners=0, num_envs_per_env_runner=8)
    return config.training(
        lr=1e-3, train_batch_size_per_learner=1024, minibatch_size=128, num_epochs=8, lambda_=0.95
    )


def dqn() -> AlgorithmConfig:
    """In the trial's process."""
    buffer = {"type": "PrioritizedEpisodeReplayBuffer", "capacity": 50_000}
    config = DQNConfig().training(
        lr=1e-3, train_batch_size_per_learner=32, replay_buffer_config=buffer
    )
    return config.training(epsilon=[(0, 1.0), (5_000, 0.02)], target_network_update_freq=500)


CONFIGS: dict[str, Callable[[], AlgorithmConfig]] = {
    "A3C": a3c,
    "A2C": a2c,
    "ES": es,
    "PPO": ppo,
    "DQN": dqn,
}


@dataclass(frozen=True)
class Run:
    """One training. `reached` says whether it came to the goal within the time.

    `return_mean` is what it ended with.
    """

    seed: int
    reached: bool
    build_s: float
    train_s: float
    steps: int
    return_mean: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "algorithms",
        nargs="*",
        metavar="ALG",
        help=f"of {', '.join(CONFIGS)}; all, if none is named",
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--env", default="CartPole-v0")
    parser.add_argument("--goal", type=float, default=150.0)
    parser.add_argument(
        "--limit",
        type=float,
        default=180.0,
        help="seconds of training after which a run has failed",
    )
    args = parser.parse_args()
    if unknown := set(args.algorithms) - set(CONFIGS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(CONFIGS)}")
    show_machine()
    ray.init(num_cpus=CPUS, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    print(f"{'':6}{'seed':>6}{'reached':>9}{'build s':>9}{'train s':>9}{'steps':>10}{'return':>8}")
    for alg in args.algorithms or CONFIGS:
        runs = [_run(alg, args.env, seed, args.goal, args.limit) for seed in range(args.seeds)]
        reached = [run for run in runs if run.reached]
        if reached:
            times, steps = (
                [getattr(run, name) for run in reached] for name in ("train_s", "steps")
            )
            print(
                f"{alg}: {len(reached)} of {len(runs)}, median {median(times):.1f} s,"
                f" {median(steps):,.0f} steps",
                flush=True,
            )


def _run(alg: str, env: str, seed: int, goal: float, limit_s: float) -> Run:
    network = DefaultModelConfig(fcnet_hiddens=[64, 64], vf_share_layers=False)
    config = CONFIGS[alg]().environment(env).rl_module(model_config=network).debugging(seed=seed)
    before = time.perf_counter()
    algorithm = config.build_algo()
    build_s = time.perf_counter() - before
    try:
        run = _train(algorithm, seed, build_s, goal, limit_s)
    finally:
        algorithm.stop()
    reached = "yes" if run.reached else "NO"
    figures = f"{run.build_s:9.1f}{run.train_s:9.1f}{run.steps:10,}{run.return_mean:8.1f}"
    print(f"{alg:6}{seed:6}{reached:>9}{figures}", flush=True)
    return run


def _train(algorithm: Algorithm, seed: int, build_s: float, goal: float, limit_s: float) -> Run:
    before = time.perf_counter()
    for steps, mean in _means(algorithm):
        took = time.perf_counter() - before
        if mean >= goal or took > limit_s:
            return Run(seed, mean >= goal, build_s, took, steps, mean)
    raise AssertionError


def _means(algorithm: Algorithm) -> Iterator[tuple[int, float]]:
    """Steps so far and the mean return, after each iteration."""
    history: list[tuple[int, float]] = []
    while True:
        played = algorithm.train()["env_runners"]
        if "episode_return_mean" in played:
            history.insert(0, (int(played["num_episodes"]), float(played["episode_return_mean"])))
        enough = [total >= EPISODES for total in accumulate(count for count, _ in history)]
        recent = history[: enough.index(True) + 1] if any(enough) else history
        episodes = sum(count for count, _ in recent)
        mean = (
            sum(count * mean for count, mean in recent) / episodes
            if episodes >= EPISODES
            else float("-inf")
        )
        yield int(played["num_env_steps_sampled_lifetime"]), mean


if __name__ == "__main__":
    main()
