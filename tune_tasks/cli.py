"""The command line: `tune-tasks [run] -f spec.yaml` and the commands of `COMMANDS`.

`./flows/tune.py` is the same.

Heavy libraries are imported once the input is known to be good.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from textwrap import indent
from typing import Any, TextIO

from tune_tasks.commands.deployment import Draft, Timing, draft, parse_parameters
from tune_tasks.errors import TuneError, UsageError, did_you_mean
from tune_tasks.flows import as_train, as_tune
from tune_tasks.model.text import cut_lines, one_line
from tune_tasks.model.trial import shown_name
from tune_tasks.sweep.launch import AsFlow
from tune_tasks.sweep.request import Request, Session
from tune_tasks.sweep.status import make_display, put

_EXIT_INTERRUPTED = 130
_SPEC_HINT = "; a spec file is given with -f"
_PARAM_HELP = "parameter of its runs, the value as JSON, e.g. num_trials=20; may be given again"
_TRIAL_FLAGS = ("env", "stop", "config", "resources", "checkpoint_freq", "restore")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code.

    0, 1 where a trial failed, 2 for bad input, 130 where interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a trial's name is no reason to fail
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        args = _parse(list(sys.argv[1:] if argv is None else argv))
        command: Callable[[argparse.Namespace], int] = args.command
        return command(args)
    except TuneError as exc:
        print(_message(exc), file=sys.stderr)
        return exc.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return _EXIT_INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone: there is nobody to tell
        return 1


def _message(exc: TuneError) -> str:
    return cut_lines(f"{_kind(exc)}: {exc}")


def _kind(exc: TuneError) -> str:
    return "error" if exc.exit_code == UsageError.exit_code else type(exc).__name__


def _parse(argv: list[str]) -> argparse.Namespace:
    argv = _with_command(argv)
    args, unknown = parser().parse_known_args(argv)
    if not unknown:
        return args
    written = unknown[0].partition("=")[0]
    flags = parser(command=argv[0])._option_string_actions
    hint = did_you_mean(written, flags) or (_SPEC_HINT if _is_spec_name(written) else "")
    raise UsageError(
        f"`tune-tasks {argv[0]}` has no argument {written!r}{hint} (`tune-tasks {argv[0]} --help`"
        " lists them)"
    )


def _with_command(argv: list[str]) -> list[str]:
    """`-f spec.yaml` means `run -f spec.yaml`."""
    if not argv:
        return ["--help"]
    if argv[0] in COMMANDS or argv[0] in ("-h", "--help", "--version"):
        return argv
    if argv[0].startswith("-"):
        return ["run", *argv]
    hint = _SPEC_HINT if _is_spec_name(argv[0]) else did_you_mean(argv[0], COMMANDS)
    raise UsageError(
        f"`tune-tasks` has no command {argv[0]!r}{hint} (its commands: {', '.join(COMMANDS)})"
    )


def _is_spec_name(word: str) -> bool:
    return word.endswith((".yaml", ".yml", ".json"))


def parser(*, width: int | None = None, command: str | None = None) -> argparse.ArgumentParser:
    """The parser of the command line, or of one command.

    `width` is that of its help, in columns.
    """
    from tune_tasks import __version__

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
    commands = whole.add_subparsers(metavar="command", required=True)
    for name, (function, add_arguments, description) in COMMANDS.items():
        sub = commands.add_parser(
            name,
            help=description,
            description=f"{description[0].upper()}{description[1:]}.",
            allow_abbrev=False,
            formatter_class=formatter,
        )
        add_arguments(sub)
        sub.set_defaults(command=function)
    return commands.choices[command] if command else whole


def _spec_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what to run: a file, or one experiment by flags")
    group.add_argument("-f", "--file", action=_Once, help="spec file, YAML or JSON")
    group.add_argument(
        "--alg", "--run", help="'script' (default), or an algorithm of RLlib's, e.g. PPO"
    )
    group.add_argument("--env", help="environment or data set; part of the trials' names")
    group.add_argument(
        "--stop",
        type=_json_object,
        help="JSON, e.g. '{\"mean_accuracy\": 0.99}'; with -f beside the file's",
    )
    group.add_argument(
        "--config", type=_json_object, help='JSON, e.g. \'{"script_file_path": "train.py"}\''
    )
    group.add_argument("--resources", type=_json_object, help="JSON, e.g. '{\"cpu\": 1}'")
    group.add_argument(
        "--checkpoint-freq", type=_not_negative, help="RLlib: a checkpoint every so many iterations"
    )
    group.add_argument(
        "--restore", metavar="FOLDER", help="RLlib: the checkpoint that every trial goes on from"
    )
    group.add_argument(
        "--num-trials", type=_positive, help="number of trials; with -f in place of the file's"
    )
    group.add_argument(
        "--experiment-name", help="the experiment's name where there is no file (default: default)"
    )
    group.add_argument(
        "--seed", type=_not_negative, help="seed of all randomness, in place of the spec's"
    )


def _run_arguments(parser: argparse.ArgumentParser) -> None:
    _spec_arguments(parser)
    ray = parser.add_argument_group("where to run")
    ray.add_argument(
        "--address",
        "--redis-address",
        help="join the Ray cluster there (default: RAY_ADDRESS, else a local one)",
    )
    ray.add_argument(
        "--num-cpus", type=_not_negative, help="CPUs of a local cluster (default: the machine's)"
    )
    ray.add_argument(
        "--num-gpus", type=_not_negative, help="GPUs of a local cluster (default: the machine's)"
    )
    ray.add_argument(
        "--local-dir",
        default="tune_results",
        help="where the trials' files go (default: tune_results)",
    )
    output = parser.add_argument_group("what to show")
    output.add_argument(
        "--classic", action="store_true", help="the == Status == block also on a terminal"
    )
    output.add_argument(
        "--json", action="store_true", help="one JSON document at the end, alone on standard output"
    )
    output.add_argument(
        "-v", "--verbose", action="store_true", help="show what Ray and Prefect say"
    )


def _plan_arguments(parser: argparse.ArgumentParser) -> None:
    _spec_arguments(parser)
    parser.add_argument("--json", action="store_true", help="as a JSON list")


def _best_arguments(parser: argparse.ArgumentParser) -> None:
    of_what = parser.add_mutually_exclusive_group(required=True)
    of_what.add_argument(
        "-f",
        "--file",
        action=_Once,
        help="spec file, YAML or JSON: the best trial of each of its experiments",
    )
    of_what.add_argument("--experiment", help="the experiment's name")
    parser.add_argument(
        "--all",
        action="store_true",
        help="of all sweeps of the experiment (default: of the last one)",
    )
    parser.add_argument("--metric", help="what to go by (default: what the last sweep went by)")
    parser.add_argument(
        "--mode", choices=("max", "min"), help="of --metric (default: min for a loss, else max)"
    )


def _deployment_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_argument_group("what to run")
    what.add_argument(
        "-f",
        "--file",
        action=_Once,
        required=True,
        help="spec file; its content goes into the deployment",
    )
    what.add_argument(
        "--name", help="the deployment's (default: the spec file's, without its suffix)"
    )
    what.add_argument("--param", action="append", default=[], metavar="KEY=VALUE", help=_PARAM_HELP)
    what.add_argument(
        "--tag",
        action="append",
        default=[],
        help="tag of the deployment and its runs; may be given again",
    )
    when = parser.add_argument_group(
        "when; at most one of the first three, without any only when asked to"
    )
    when.add_argument("--cron", help="e.g. '0 2 * * *': every night at two")
    when.add_argument(
        "--interval", type=_positive, metavar="SECONDS", help="from one start to the next"
    )
    when.add_argument("--rrule", help="recurrence rule, e.g. 'FREQ=WEEKLY;BYDAY=MO'")
    when.add_argument("--timezone", help="of the schedule, e.g. Europe/Berlin (default: UTC)")
    when.add_argument("--paused", action="store_true", help="with its schedule switched off")


def _deploy_arguments(parser: argparse.ArgumentParser) -> None:
    _deployment_arguments(parser)
    where = parser.add_argument_group("where to run")
    where.add_argument("--pool", help="process work pool (default: the only one there is)")
    where.add_argument(
        "--working-dir",
        help="folder to run in, absolute, of the worker's machine (default: this one)",
    )


def _evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "checkpoint", help="its folder, checkpoint_000010 for example, in the trial's"
    )
    parser.add_argument(
        "--episodes", type=_positive, default=10, help="how many to play (default: 10)"
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
    parser.add_argument("--seed", type=_not_negative, help="of the environment")


def _ui_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-browser", action="store_true", help="print the addresses only")


class _Once(argparse.Action):
    """Stores a value.

    An option that is given again is an error, where argparse would take the last in silence.
    """

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, *_: Any
    ) -> None:
        if getattr(namespace, self.dest) is not None:
            raise argparse.ArgumentError(
                self, "given twice; a file may hold any number of experiments"
            )
        setattr(namespace, self.dest, values)


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as exc:
        raise argparse.ArgumentTypeError(
            f"not valid JSON: {exc.msg} at character {exc.pos + 1} of {text!r}"
        ) from None
    except (ValueError, RecursionError) as exc:
        reason = (
            "nested too deeply"
            if isinstance(exc, RecursionError)
            else "a number has too many digits"
        )
        raise argparse.ArgumentTypeError(f"not usable: {reason}") from None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(
            f"expected a JSON object such as '{{\"key\": 1}}', got {text!r}"
        )
    return value


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number >= 1, got {text!r}")
    return int(text)


def _not_negative(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number >= 0, got {text!r}")
    return int(text)


def _request(args: argparse.Namespace) -> Request:
    given = {
        name: getattr(args, name)
        for name in ("alg", *_TRIAL_FLAGS)
        if getattr(args, name) is not None
    }
    stop = given.pop("stop", None) if args.file else None
    if args.file and (given or args.experiment_name):
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in given) or "--experiment-name"
        raise UsageError(f"{flags} cannot be combined with -f: write it into {args.file}")
    if not args.file and not given:
        raise UsageError(
            "nothing to run: give a spec file (-f spec.yaml), or one experiment by --config,"
            " --stop, …"
        )
    spec = None if args.file else {args.experiment_name or "default": given}
    names = ("address", "num_cpus", "num_gpus", "local_dir", "verbose")
    options = {name: getattr(args, name) for name in names if hasattr(args, name)}
    return Request(
        spec, args.file, seed=args.seed, num_trials=args.num_trials, stop=stop, **options
    )


def _train(args: argparse.Namespace) -> int:
    if not args.file and not (args.alg and args.env):
        raise UsageError(
            "nothing to train: give --alg and --env (--alg=PPO --env=CartPole-v1), or a spec file"
            " (-f spec.yaml)"
        )
    return _run(args, as_train)


def _run(args: argparse.Namespace, as_flow: AsFlow = as_tune) -> int:
    request = _request(args)
    out = sys.stdout
    status_out = sys.stderr if args.json else out
    session = Session(
        display=make_display("classic" if args.classic or args.json else "auto", status_out)
    )
    from tune_tasks.sweep.launch import launch

    # Ray prints what it has to say of a dead worker to standard output, whatever its log level.
    with contextlib.redirect_stdout(status_out if args.verbose else io.StringIO()):
        try:
            summary = launch(request, session, as_flow)
        finally:
            session.display.close()
    _print_end(summary, status_out)
    _drop_unread(status_out)
    if args.json:
        _print_json(summary.as_json(), out)
    if summary.interrupted:
        return _EXIT_INTERRUPTED
    return 0 if summary.ended_well else 1


def _print_end(summary: Any, out: TextIO) -> None:
    from tune_tasks.results.summary import report_lines, where_to_look

    put("\n".join([*report_lines(summary), summary.one_line(), "", *where_to_look(summary)]), out)


def _drop_unread(out: TextIO) -> None:
    """Drop what is left for a reader who has gone: Python would fail at its end to write it."""
    with contextlib.suppress(ValueError):  # it is closed already
        try:
            out.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())


def _print_json(document: Any, out: TextIO) -> None:
    text = json.dumps(_finite(document), indent=2, default=repr)
    print(text, file=out, flush=True)


def _print_json_list(items: Iterable[Any], out: TextIO) -> None:
    """Print a JSON array item by item, because all of its items may not fit into memory."""
    before = "["
    for item in items:
        text = json.dumps(_finite(item), indent=2, default=repr)
        print(f"{before}\n{indent(text, '  ')}", end="", file=out)
        before = ","
    print("[]" if before == "[" else "\n]", file=out, flush=True)


def _finite(value: Any) -> Any:
    """The value with null for NaN and infinity, which JSON does not have."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _validate(args: argparse.Namespace) -> int:
    plan = _request(args).plan({})
    _warn(plan.warnings)
    for experiment in plan.experiments:
        print(f"{one_line(experiment.name)}: valid, {len(experiment.trials)} trials")
    return 0


def _warn(warnings: Iterable[str]) -> None:
    for warning in warnings:
        print(cut_lines(f"Warning: {warning}"), file=sys.stderr)


def _plan(args: argparse.Namespace) -> int:
    plan = _request(args).plan({})
    _warn(plan.warnings)
    if args.json:
        _print_json_list(plan.as_json(), sys.stdout)
        return 0
    for experiment in plan.experiments:
        first, count = experiment.trials[0], len(experiment.trials)
        drawn = (
            ""
            if experiment.seed == experiment.spec.seed
            else " (drawn for this plan; a run draws its own)"
        )
        print(
            f"{one_line(experiment.name)}: {count} trials of {first.resources}, seed"
            f" {experiment.seed}{drawn}"
        )
        print(f"  stop: {', '.join(map(str, first.stop)) or 'when train() returns'}")
    for trial in plan.trials():
        print(f" - {shown_name(trial.name, trial.index)}")
    return 0


def _best(args: argparse.Namespace) -> int:
    from tune_tasks.commands.best import best_spec
    from tune_tasks.model.objective import Objective
    from tune_tasks.spec.schema import load_spec

    if args.mode and not args.metric:
        raise UsageError("--mode without --metric: name the metric that 'best' goes by")
    names = list(load_spec(args.file).experiments) if args.file else [args.experiment]
    print(
        best_spec(
            names,
            Path.cwd(),
            wanted=Objective.of_spec(args.metric, args.mode),
            all_sweeps=args.all,
        ),
        end="",
    )
    return 0


def _evaluate(args: argparse.Namespace) -> int:
    from tune_tasks.cluster.connect import RayOptions, connect
    from tune_tasks.rllib.evaluate import check, evaluate

    folder = Path(args.checkpoint)
    render, record = (Path(file) if file else None for file in (args.render, args.record))
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
    for number, (episode_return, length) in enumerate(played, start=1):
        print(f"episode {number}: return {episode_return:g}, {length} steps")
    returns = [episode_return for episode_return, _ in played]
    print(
        f"mean return {sum(returns) / len(returns):g} of {len(returns)} episodes, {min(returns):g}"
        f" to {max(returns):g}"
    )
    return 0


def _schema(args: argparse.Namespace) -> int:
    from tune_tasks.spec.schema import json_schema

    print(json.dumps(json_schema(), indent=2))
    return 0


def _deploy(args: argparse.Namespace) -> int:
    draft = _draft(args)
    from tune_tasks.commands.deploy import deploy

    print(deploy(draft, pool=args.pool, working_dir=Path(args.working_dir or Path.cwd())))
    return 0


def _serve(args: argparse.Namespace) -> int:
    draft = _draft(args)
    from tune_tasks.commands.deploy import serve

    serve(draft)
    return 0


def _draft(args: argparse.Namespace) -> Draft:
    timing = Timing(args.cron, args.interval, args.rrule, args.timezone)
    request = Request(spec_file=args.file, **parse_parameters(args.param))
    drafted = draft(request, timing, name=args.name, tags=args.tag, paused=args.paused)
    _warn(drafted.warnings)
    return drafted


def _ui(args: argparse.Namespace) -> int:
    from tune_tasks.commands.ui import serve

    serve(open_browser=not args.no_browser)
    return 0


def _no_arguments(parser: argparse.ArgumentParser) -> None:
    """The command takes none."""


COMMANDS: dict[
    str, tuple[Callable[[argparse.Namespace], int], Callable[[argparse.ArgumentParser], None], str]
] = {
    "run": (_run, _run_arguments, "run the trials of a spec"),
    "train": (_train, _run_arguments, "train RLlib's algorithms: --alg and --env, or a spec"),
    "validate": (_validate, _spec_arguments, "check a spec without running it"),
    "plan": (_plan, _plan_arguments, "show what would run, in order, without running it"),
    "best": (
        _best,
        _best_arguments,
        "print the best trial of the last sweep as a spec that runs it again",
    ),
    "evaluate": (
        _evaluate,
        _evaluate_arguments,
        "play episodes with the policy of an RLlib trial's checkpoint",
    ),
    "schema": (_schema, _no_arguments, "print the JSON Schema of a spec file"),
    "deploy": (
        _deploy,
        _deploy_arguments,
        "store a spec in a deployment of the Prefect server, scheduled or not",
    ),
    "serve": (
        _serve,
        _deployment_arguments,
        "the same, with this process to run it until Ctrl-C: no work pool, no worker",
    ),
    "ui": (_ui, _ui_arguments, "show Prefect's and MLflow's pages on what the runs wrote"),
}

if __name__ == "__main__":
    sys.exit(main())
