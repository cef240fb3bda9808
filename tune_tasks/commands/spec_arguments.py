"""The arguments that say what to try: a spec file, or one experiment by flags."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tune_tasks.commands.argument_types import Once, json_object, not_negative, positive
from tune_tasks.commands.output import print_warnings
from tune_tasks.errors import UsageError
from tune_tasks.sweep.beginning import folder_elsewhere
from tune_tasks.sweep.lookup import LAST
from tune_tasks.sweep.request import Request

_EXPERIMENT_KEYS = ("alg", "env", "stop", "config", "resources", "checkpoint_freq", "restore")
"""The arguments that are keys of an experiment, under the same names."""


def add_spec_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments from which `request_of` makes a request."""
    group = parser.add_argument_group("what to run: a file, or one experiment by flags")
    group.add_argument("-f", "--file", action=Once, help="spec file, YAML or JSON")
    group.add_argument(
        "--alg", "--run", help="'script' (default), or an algorithm of RLlib's, e.g. PPO"
    )
    group.add_argument("--env", help="environment or data set; part of the trials' names")
    group.add_argument(
        "--stop",
        type=json_object,
        help="JSON, e.g. '{\"mean_accuracy\": 0.99}'; with -f beside the file's",
    )
    group.add_argument(
        "--config", type=json_object, help='JSON, e.g. \'{"script_file_path": "train.py"}\''
    )
    group.add_argument("--resources", type=json_object, help="JSON, e.g. '{\"cpu\": 1}'")
    group.add_argument(
        "--checkpoint-freq",
        type=not_negative,
        help="RLlib: iterations from one checkpoint to the next",
    )
    group.add_argument(
        "--restore", metavar="FOLDER", help="RLlib: the checkpoint that every trial goes on from"
    )
    group.add_argument(
        "--num-trials", type=positive, help="number of trials; with -f in place of the file's"
    )
    group.add_argument(
        "--experiment-name", help="the experiment's name, if there is no file (default: default)"
    )
    group.add_argument(
        "--seed", type=not_negative, help="seed of all randomness, in place of the spec's"
    )


def add_resume_argument(group: argparse._ArgumentGroup) -> None:
    """Add the argument that names the sweep that is to go on."""
    group.add_argument(
        "--resume",
        nargs="?",
        const=LAST,
        metavar="SWEEP",
        help="go on with that sweep: its id, or the beginning of it (default: the last unfinished"
        " one of the spec)",
    )


def add_failed_argument(group: argparse._ArgumentGroup) -> None:
    """Add the argument that gives failed trials another attempt."""
    group.add_argument(
        "--failed",
        dest="retry_failed",
        action="store_true",
        help="give its failed trials another attempt, too",
    )


def expect_resumed(args: argparse.Namespace, flags: Mapping[str, bool]) -> None:
    """Check that what is said of a sweep that goes on comes with one.

    Args:
        args: Those of the command.
        flags: By name, whether it is given.

    Raises:
        UsageError: If one is given without `--resume`.
    """
    for flag, is_given in flags.items():
        if is_given and not args.resume:
            raise UsageError(f"{flag} is about a sweep that is resumed: give --resume, too")


def request_of(args: argparse.Namespace) -> Request:
    """Return the request that these arguments make.

    Raises:
        UsageError: If they say nothing to run, or contradict one another.
    """
    keys = _given_keys(args)
    if args.file:
        return _request_of_file(args, keys)
    if not keys and getattr(args, "resume", None):
        return Request(seed=args.seed, num_trials=args.num_trials)
    if not keys:
        raise UsageError(
            "nothing to run: give a spec file (-f spec.yaml), or one experiment by --config,"
            " --stop, …"
        )
    spec = {args.experiment_name or "default": keys}
    return Request(spec, seed=args.seed, num_trials=args.num_trials)


@contextlib.contextmanager
def in_the_sweeps_folder(request: Request) -> Iterator[Request]:
    """Be in the working directory of the sweep that is resumed; yields the request as given there.

    Raises:
        UsageError: If there is no such sweep.
    """
    folder = folder_elsewhere(request)
    if folder is None:
        yield request
        return
    print_warnings([f"the sweep began in {folder}, and goes on there"])
    spec_file = request.spec_file and str(Path(request.spec_file).absolute())
    request = dataclasses.replace(request, spec_file=spec_file, local_dir=str(request.results))
    with contextlib.chdir(folder):
        yield request


def _given_keys(args: argparse.Namespace) -> dict[str, Any]:
    values = {key: getattr(args, key) for key in _EXPERIMENT_KEYS}
    return {key: value for key, value in values.items() if value is not None}


def _request_of_file(args: argparse.Namespace, keys: dict[str, Any]) -> Request:
    stop = keys.pop("stop", None)
    if keys or args.experiment_name:
        flags = [f"--{key.replace('_', '-')}" for key in keys] or ["--experiment-name"]
        raise UsageError(
            f"{', '.join(flags)} cannot be combined with -f: write it into {args.file}"
        )
    return Request(spec_file=args.file, seed=args.seed, num_trials=args.num_trials, stop=stop)
