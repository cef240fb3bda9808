"""The command line: `tune-tasks [run] -f spec.yaml`, and the other commands of `COMMANDS`.

It finds the command, has it run, and turns errors into messages and exit codes. `./flows/tune.py`
and `./flows/train.py` are the commands `run` and `train`.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Sequence

from tune_tasks import __version__
from tune_tasks.commands import (
    best,
    convert,
    deploy,
    doctor,
    evaluate,
    ls,
    plan,
    rerun,
    run,
    schema,
    serve,
    show,
    sync,
    train,
    ui,
    validate,
)
from tune_tasks.commands.command import EXIT_FAILED, EXIT_INTERRUPTED, Command
from tune_tasks.errors import TuneError, UsageError, did_you_mean
from tune_tasks.model.text import cut_lines

COMMANDS: dict[str, Command] = {
    "run": run,
    "train": train,
    "validate": validate,
    "plan": plan,
    "ls": ls,
    "show": show,
    "rerun": rerun,
    "sync": sync,
    "best": best,
    "evaluate": evaluate,
    "schema": schema,
    "convert": convert,
    "deploy": deploy,
    "serve": serve,
    "ui": ui,
    "doctor": doctor,
}
"""Every command, in the order of the help."""

_SPEC_HINT = "; a spec file is given with -f"
_SPEC_SUFFIXES = (".yaml", ".yml", ".json")
_FLAGS_WITHOUT_COMMAND = ("-h", "--help", "--version")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code.

    Args:
        argv: Its arguments. None: those of this process, which the command has to itself then. So
            it may run a sweep in a child process that it outlives.

    Returns:
        0; 1 if a trial failed or a service cannot be used, 2 for bad input, 130 if interrupted.
    """
    _escape_what_the_terminal_lacks()
    try:
        args = _parse(list(sys.argv[1:] if argv is None else argv))
        args.owns_process = argv is None
        run_command: Callable[[argparse.Namespace], int] = args.run_command
        return run_command(args)
    except TuneError as exc:
        print(_message(exc), file=sys.stderr)
        return exc.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone: there is nobody to tell
        return EXIT_FAILED


def parser(*, width: int | None = None, command: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of the command line, or of one command.

    Args:
        width: The columns of its help; None: the terminal's.
        command: The command; None: the whole command line.
    """

    def formatter(prog: str) -> argparse.HelpFormatter:
        return argparse.HelpFormatter(prog, width=width, max_help_position=30)

    whole = argparse.ArgumentParser(
        prog="tune-tasks",
        description=(
            "Tune any Python script from one YAML file: swept by a Prefect flow on Ray, compared in"
            " MLflow."
        ),
        epilog=(
            "With flags alone, the command is run. "
            "Exit code 0: every trial ended well; 1: some failed; 2: bad input; 130: interrupted."
        ),
        formatter_class=formatter,
    )
    whole.add_argument("--version", action="version", version=__version__)
    subparsers = whole.add_subparsers(metavar="command", required=True)
    for name, module in COMMANDS.items():
        subparser = subparsers.add_parser(
            name,
            help=module.HELP,
            description=f"{module.HELP[0].upper()}{module.HELP[1:]}.",
            allow_abbrev=False,
            formatter_class=formatter,
        )
        module.add_arguments(subparser)
        subparser.set_defaults(run_command=module.run)
    return subparsers.choices[command] if command else whole


def _escape_what_the_terminal_lacks() -> None:
    """Have characters escaped that the terminal's encoding lacks: printing one is no failure."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _parse(argv: list[str]) -> argparse.Namespace:
    argv = _with_command(argv)
    args, unknown = parser().parse_known_args(argv)
    if not unknown:
        return args
    command = argv[0]
    written = unknown[0].partition("=")[0]
    flags = parser(command=command)._option_string_actions
    hint = did_you_mean(written, flags)
    if not hint and _is_spec_name(written):
        hint = _SPEC_HINT
    raise UsageError(
        f"`tune-tasks {command}` has no argument {written!r}{hint} (`tune-tasks {command} --help`"
        " lists them)"
    )


def _with_command(argv: list[str]) -> list[str]:
    """Return the arguments with a command: `-f spec.yaml` means `run -f spec.yaml`."""
    if not argv:
        return ["--help"]
    first = argv[0]
    if first in COMMANDS or first in _FLAGS_WITHOUT_COMMAND:
        return argv
    if first.startswith("-"):
        return ["run", *argv]
    hint = _SPEC_HINT if _is_spec_name(first) else did_you_mean(first, COMMANDS)
    raise UsageError(
        f"`tune-tasks` has no command {first!r}{hint} (its commands: {', '.join(COMMANDS)})"
    )


def _is_spec_name(word: str) -> bool:
    return word.endswith(_SPEC_SUFFIXES)


def _message(exc: TuneError) -> str:
    kind = type(exc).__name__
    if exc.exit_code == UsageError.exit_code:
        kind = "error"
    return cut_lines(f"{kind}: {exc}")


if __name__ == "__main__":
    sys.exit(main())
