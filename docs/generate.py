"""Writes the parts of the documents that follow from the code, and the JSON Schema.

`python docs/generate.py` brings them up to date. With `--check` it changes nothing, and exits with
1 if one of them is out of date.
"""

from __future__ import annotations

import argparse
import inspect
import json
import re
import tempfile
import types
import typing
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from tune_tasks import cli
from tune_tasks.errors import SpecError
from tune_tasks.model.python_source import MAX_SCRIPT_BYTES
from tune_tasks.result import STOP_METRICS, TrainingResult
from tune_tasks.rllib.config import keys_2017, keys_gone
from tune_tasks.spec import names
from tune_tasks.spec.budget import BudgetSpec
from tune_tasks.spec.checkpoint import CheckpointSpec
from tune_tasks.spec.expressions import functions as eval_language
from tune_tasks.spec.expressions import plan_budget, run, syntax, values
from tune_tasks.spec.json_schema import json_schema
from tune_tasks.spec.loading import load_spec
from tune_tasks.spec.resources import ResourcesSpec
from tune_tasks.spec.retry import RetryResourcesSpec, RetrySpec
from tune_tasks.spec.scheduling import SCHEDULERS
from tune_tasks.spec.schema import ExperimentSpec
from tune_tasks.spec.search import SearchOptions
from tune_tasks.spec.warm_start import WarmStartSpec
from tune_tasks.sweep.planning import make_plan

DOCS = Path(__file__).parent
SCHEMA = DOCS.parent / "examples" / "tune-tasks.schema.json"
NOTHING = "–"
SECTION = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
WORDS = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    dict: "mapping",
    list: "list",
    type(None): "",
}

ERRORS = (
    "digits:\n  stopp: {mean_loss: 0.1}",
    "digits:\n  env: mnist\n  env: digits",
    "digits:\n  num_trials: ten",
    "digits:\n  stop: {mean_loss: low}",
    "digits:\n  resources: {memory: 2 GBytes}",
    "digits:\n  config:\n    script_file_path: train.py\n    script_entrypoint: tran",
    "digits:\n  config:\n    script_file_path: train.py\n    lr:\n      eval: random.unifrom(0, 1)",
    (
        "digits:\n  config:\n    script_file_path: train.py\n    a:\n      eval: spec.config.b\n   "
        " b:\n      eval: spec.config.a"
    ),
)
"""Specs with a mistake, whose messages the spec reference shows."""


# ---- The sections, under the names that the documents have for them


def keys() -> str:
    """The keys of an experiment."""
    return _key_table(ExperimentSpec)


def resources() -> str:
    """The keys of `resources`."""
    return _key_table(ResourcesSpec)


def retry() -> str:
    """The keys of a rule of `retry`."""
    return _key_table(RetrySpec)


def retry_resources() -> str:
    """The keys of a rule's `resources`."""
    return _key_table(RetryResourcesSpec)


def checkpoint() -> str:
    """The keys of `checkpoint`."""
    return _key_table(CheckpointSpec)


def warm_start() -> str:
    """The keys of `warm_start`."""
    return _key_table(WarmStartSpec)


def budget() -> str:
    """The keys of `budget`."""
    return _key_table(BudgetSpec)


def schedulers() -> str:
    """The options of the schedulers that end trials early."""
    have: dict[tuple[str, str, str], list[str]] = {}
    for name in ("asha", "hyperband", "median", "plateau"):
        for option, field in SCHEDULERS[name].model_fields.items():
            row = (f"`{option}`", _default(field), str(field.description))
            have.setdefault(row, []).append(f"`{name}`")
    rows = [(option, ", ".join(names), *rest) for (option, *rest), names in have.items()]
    return _table(("option", "of", "default", "meaning"), rows)


def searches() -> str:
    """The options of the searches that learn."""
    return _key_table(SearchOptions)


def config() -> str:
    """The keys of `config` that have a meaning of their own."""
    words = {"string": "text", "number": "number"}
    rows = []
    for name, key in _properties()["config"]["properties"].items():
        default = f"`{key['default']}`" if "default" in key else NOTHING
        rows.append((f"`{name}`", words[key["type"]], default, key["description"]))
    return _table(("key", "type", "default", "meaning"), rows)


def functions() -> str:
    """The functions and constants of the eval language, by module."""
    calls: dict[str, list[str]] = {}
    for name, function in eval_language.FUNCTIONS.items():
        module, _, short = name.rpartition(".")
        group = f"`{module}`" if module else "built in"
        calls.setdefault(group, []).append(f"`{short}({_signature(function.signature)})`")
    calls["constants"] = [f"`{name}`" for name in eval_language.CONSTANTS]
    rows = [(group, ", ".join(members)) for group, members in calls.items()]
    return _table(("module", "functions"), rows)


def limits() -> str:
    """The bounds of an expression, and of a plan."""
    return _table(
        ("what", "at most"),
        [
            ("characters of an expression", f"{syntax.MAX_SOURCE:,}"),
            ("nesting of an expression", f"{syntax.MAX_DEPTH}"),
            ("steps of one evaluation", f"{run.MAX_STEPS:,}"),
            ("items or characters of a value", f"{values.MAX_LENGTH:,}"),
            ("bits of a whole number", f"{values.MAX_BITS:,}"),
            ("steps to plan all trials of a spec", f"{plan_budget.MAX_PLAN_STEPS:,}"),
            ("values in the configs of all trials of a spec", f"{plan_budget.MAX_PLAN_VALUES:,}"),
            ("bytes of a script", f"{MAX_SCRIPT_BYTES:,}"),
        ],
    )


def metrics() -> str:
    """The fields of a report that a criterion can name."""
    return ", ".join(f"`{name}`" for name in STOP_METRICS) + "\n"


def errors() -> str:
    """Mistakes, and the messages that they give."""
    examples = [f"```yaml\n{text}\n```\n```text\n{_message(text)}\n```\n" for text in ERRORS]
    return "\n".join(examples)


def result() -> str:
    """The fields of a report, from the docstring of TrainingResult."""
    docstring = inspect.getdoc(TrainingResult) or ""
    entries = dict(re.findall(r"^    (\w+): (.+(?:\n {8}.+)*)$", docstring, re.MULTILINE))
    if list(entries) != list(TrainingResult._fields):
        raise SystemExit("the docstring of TrainingResult does not list its fields in their order")
    rows = [(f"`{name}`", " ".join(meaning.split())) for name, meaning in entries.items()]
    return _table(("field", "meaning"), rows)


def help() -> str:
    """The help of the command line and of each command."""
    parsers = [cli.parser(width=100, command=name) for name in (None, *cli.COMMANDS)]
    return "\n".join(f"```text\n{parser.format_help()}```\n" for parser in parsers)


def experiment_names() -> str:
    """Ray Tune's keys of an experiment."""
    renamed = {**names.EXPERIMENT_KEYS, "num_samples": "num_trials"}
    rows = [(f"`{old}`", f"`{renamed.get(new, new)}`") for old, new in renamed.items()]
    rows += [
        (f"`checkpoint_config.{old}`", f"`{new}`")
        for old, new in names.CHECKPOINT_KEYS.items()
        if new not in names.EXPERIMENT_IGNORED
    ]
    rows += [("`resources.extra_cpu`, `resources.extra_gpu`", "added to `cpu`, `gpu`")]
    of_resources = {f"resources.{key}": why for key, why in names.RESOURCES_IGNORED.items()}
    for ignored in (names.EXPERIMENT_IGNORED, of_resources):
        rows += _by_reason(ignored, "no effect, with a warning: {}")
    return _table(("key", "becomes"), rows)


def metric_names() -> str:
    """RLlib's names of metrics."""
    renamed = {theirs: ours for theirs, ours in keys_2017.METRICS.items() if theirs != ours}
    return _table(("RLlib's", "ours"), _by_reason(renamed, "`{}`"))


def algorithms_gone() -> str:
    """RLlib's algorithms of old."""
    nearest = {
        old: f"`{new}`" if new else NOTHING for old, new in keys_2017.ALGORITHMS_GONE.items()
    }
    return _table(("no longer there", "the nearest"), _by_reason(nearest))


def ignored_keys() -> str:
    """Keys without effect."""
    inside = {"model": keys_gone.MODEL_IGNORED, "replay_buffer_config": keys_gone.REPLAY_IGNORED}
    rows = [*_by_reason(keys_gone.IGNORED)]
    for place, reasons in inside.items():
        rows += [(f"in `{place}`: {names}", why) for names, why in _by_reason(reasons)]
    for name, old in keys_gone.OLD_VALUES.items():
        settings = [f"`{name}: {value}`" for value in old.values]
        rows.append((", ".join(settings), old.reason))
    return _table(("key", "why"), rows)


def fixed_keys() -> str:
    """Keys with one value left."""
    rows = []
    for name, fixed in keys_gone.FIXED.items():
        value = f"`{json.dumps(fixed.value)}`"
        algorithms = ", ".join(fixed.only) or "all"
        rows.append((f"`{name}`", value, algorithms, fixed.reason))
    return _table(("key", "value", "for", "why"), rows)


def refused_keys() -> str:
    """Keys that are an error."""
    rows = [*_by_reason(keys_gone.REFUSED)]
    rows += [(f"in `model`: {names}", why) for names, why in _by_reason(keys_gone.MODEL_REFUSED)]
    return _table(("key", "why"), rows)


SECTIONS: dict[str, Callable[[], str]] = {
    function.__name__: function
    for function in (
        *(
            keys,
            resources,
            budget,
            checkpoint,
            retry,
            retry_resources,
            warm_start,
            schedulers,
            searches,
            config,
            functions,
            limits,
            metrics,
            errors,
            result,
            help,
        ),
        *(experiment_names, metric_names, algorithms_gone, ignored_keys, fixed_keys, refused_keys),
    )
}


# ---- The files


def regenerated(text: str) -> str:
    """Return a document with its generated parts as they should be."""
    return SECTION.sub(lambda match: match[1] + SECTIONS[match[2]]() + match[3], text)


def generated_files() -> Iterator[tuple[Path, str]]:
    """Yield every file with generated parts, and its text as it should be."""
    for path in sorted(DOCS.glob("*.md")):
        yield path, regenerated(path.read_text(encoding="utf-8"))
    yield SCHEMA, json.dumps(json_schema(), indent=2) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Write what is out of date, or say so; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit 1 if a file is out of date"
    )
    check = parser.parse_args(argv).check
    stale = [(path, text) for path, text in generated_files() if not _has_text(path, text)]
    for path, text in stale:
        name = path.relative_to(DOCS.parent)
        if check:
            print(f"{name} is out of date: run python docs/generate.py")
        else:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {name}")
    return int(check and bool(stale))


def _has_text(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


# ---- What the sections are made of


def _by_reason(reasons: typing.Mapping[str, str], why: str = "{}") -> Iterator[tuple[str, str]]:
    """Yield a row for each reason: the names that have it, and the reason.

    Args:
        reasons: By name.
        why: The text of a row's reason, with `{}` in place of the reason.
    """
    names: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        names.setdefault(reason, []).append(f"`{name}`")
    for reason, group in names.items():
        yield ", ".join(group), why.format(reason)


def _key_table(model: type[BaseModel]) -> str:
    rows = [
        (f"`{field.alias or name}`", _kind(field), _default(field), _meaning(name, field))
        for name, field in model.model_fields.items()
    ]
    return _table(("key", "type", "default", "meaning"), rows)


def _kind(field: FieldInfo) -> str:
    words = " or ".join(word for word in _words(field.annotation) if word)
    return words + _bounds(field)


def _words(annotation: Any) -> Iterator[str]:
    """Yield the words for a type, one for each of its alternatives."""
    origin = typing.get_origin(annotation)
    if origin in (types.UnionType, typing.Union):
        for part in typing.get_args(annotation):
            yield from _words(part)
    elif origin is typing.Literal:
        yield " or ".join(f"`{choice}`" for choice in typing.get_args(annotation))
    elif origin is not None:
        yield WORDS[origin]
    else:
        yield "mapping" if issubclass(annotation, BaseModel) else WORDS[annotation]


def _bounds(field: FieldInfo) -> str:
    low = next((m.ge for m in field.metadata if isinstance(m, annotated_types.Ge)), None)
    high = next((m.le for m in field.metadata if isinstance(m, annotated_types.Le)), None)
    if low is None:
        return ""
    if high is None:
        return f" ≥ {low}"
    return f", {low} to {high:,}"


def _default(field: FieldInfo) -> str:
    value = field.get_default()
    if field.default_factory is not None or value in (None, PydanticUndefined):
        return NOTHING
    text = value if isinstance(value, str) else json.dumps(value)
    return f"`{text}`"


def _meaning(name: str, field: FieldInfo) -> str:
    return field.description or str(_properties()[name]["description"])


def _properties() -> dict[str, Any]:
    """Return the keys of an experiment as the JSON Schema describes them."""
    properties: dict[str, Any] = json_schema()["$defs"]["ExperimentSpec"]["properties"]
    return properties


def _table(head: Sequence[str], rows: typing.Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head)]
    for row in rows:
        lines.append([cell.replace("|", "\\|") for cell in row])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _signature(parameters: str) -> str:
    """Return `low size?` as a reader expects it, the optional ones in brackets: `low, [size]`."""
    return ", ".join(re.sub(r"(.+)\?$", r"[\1]", name) for name in parameters.split())


def _message(text: str) -> str:
    """Return the message that a spec with a mistake gives."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spec.yaml"
        path.write_text(text)
        (path.parent / "train.py").write_text("def train(config, status_reporter): ...\n")
        try:
            make_plan(load_spec(path), seed=0)
        except SpecError as exc:
            return str(exc).replace(f"{folder}/", "")
    raise SystemExit(f"this spec has no mistake:\n{text}")


if __name__ == "__main__":
    raise SystemExit(main())
