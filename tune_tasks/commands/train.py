"""`tune-tasks train`: trains RLlib's algorithms, from flags or from a spec file."""

from __future__ import annotations

import argparse

from tune_tasks.commands import run as run_command
from tune_tasks.errors import UsageError
from tune_tasks.flows import as_train

HELP = "train RLlib's algorithms: --alg and --env, or a spec"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `Command`."""
    run_command.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """See `Command`."""
    if not (args.file or args.resume) and not (args.alg and args.env):
        raise UsageError(
            "nothing to train: give --alg and --env (--alg=PPO --env=CartPole-v1), or a spec file"
            " (-f spec.yaml)"
        )
    return run_command.run_as(args, as_train)
