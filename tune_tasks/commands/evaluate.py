"""`tune-tasks evaluate`: plays episodes with the policy of an RLlib trial's checkpoint."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from tune_tasks.commands.argument_types import not_negative, positive
from tune_tasks.commands.command import EXIT_OK

HELP = "play episodes with the policy of an RLlib trial's checkpoint"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `Command`."""
    parser.add_argument(
        "checkpoint", help="its folder, checkpoints/000010 for example, in the trial's"
    )
    parser.add_argument(
        "--episodes", type=positive, default=10, help="how many to play (default: 10)"
    )
    parser.add_argument(
        "--render",
        metavar="FILE",
        help="write the first as an animated picture: .gif, .webp or .png",
    )
    parser.add_argument(
        "--record",
        metavar="FILE",
        help="write all, .parquet, for BC, MARWIL, CQL and IQL to learn from",
    )
    parser.add_argument(
        "--explore",
        action="store_true",
        help="draw actions as in training (default: the likeliest)",
    )
    parser.add_argument("--seed", type=not_negative, help="of the environment")


def run(args: argparse.Namespace) -> int:
    """See `Command`."""
    # Here, because these import Ray
    from tune_tasks.cluster.connect import RayOptions, connect
    from tune_tasks.rllib.evaluate import check, evaluate

    folder = Path(args.checkpoint)
    render = _path(args.render)
    record = _path(args.record)
    check(folder, render, record)
    with connect(RayOptions(num_cpus=1)):
        played = evaluate(
            folder,
            args.episodes,
            seed=args.seed,
            explore=args.explore,
            render=render,
            record=record,
        )
    _print_episodes(played)
    return EXIT_OK


def _path(file: str | None) -> Path | None:
    return Path(file) if file else None


def _print_episodes(played: Sequence[tuple[float, int]]) -> None:
    for number, (episode_return, length) in enumerate(played, start=1):
        print(f"episode {number}: return {episode_return:g}, {length} steps")
    returns = [episode_return for episode_return, _ in played]
    mean = sum(returns) / len(returns)
    spread = f"{min(returns):g} to {max(returns):g}"
    print(f"mean return {mean:g} of {len(returns)} episodes, {spread}")
