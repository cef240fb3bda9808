"""The spec: what an experiment file may say. `load_spec` and `spec_from_data` check it.

Nothing of it is executed.
"""

from __future__ import annotations

import os
import re
import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from tune_tasks.errors import SpecError, did_you_mean
from tune_tasks.model.stopping import Criterion, parse_criterion
from tune_tasks.model.text import escaped, not_replaced, one_line
from tune_tasks.model.timeouts import STOP_GRACE_S
from tune_tasks.model.trial import Resources, safe_name
from tune_tasks.spec.names import in_todays_words
from tune_tasks.spec.reading import read_source
from tune_tasks.spec.source import MAX_DEPTH, NodePath, Source, check_digits

TEMPLATES = ("_", "x-", ".")
"""How the keys at the top begin that are no experiments.

What they hold is there for anchors, and may be anything.
"""
MAX_TRIALS = 1_000_000
"""Of one experiment."""

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS |= {
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
    "TIB": 2**40,
    "K": 2**10,
    "M": 2**20,
    "G": 2**30,
}
_MAX_MEMORY = 2**63 - 1
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")

_WORDS = {
    "Input should be ": "expected ",
    "expected greater": "expected a number greater",
    "expected less": "expected a number less",
    "dictionary": "mapping",
    " or instance of ResourcesSpec": "",
}

_CONFIG_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": (
        "What train() receives. At any depth a value may be {grid_search: [...]} or {eval: '...'}."
    ),
    "properties": {
        "script_file_path": {
            "type": "string",
            "description": (
                "The script, from the working directory, else the spec's folder; or"
                " package.module:function."
            ),
        },
        "script_entrypoint": {
            "type": "string",
            "default": "train",
            "description": "The function in the script.",
        },
        "script_min_iter_time_s": {
            "type": "number",
            "description": "Of 2017; has no effect, because every report is kept.",
        },
    },
    "additionalProperties": {"$ref": "#/$defs/Value"},
}
_VALUE_SCHEMA: dict[str, Any] = {
    "properties": {
        "grid_search": {
            "type": "array",
            "minItems": 1,
            "description": "Every value is tried.",
            "items": {"$ref": "#/$defs/Value"},
        },
        "eval": {
            "type": "string",
            "description": "An expression, e.g. random.uniform(1e-4, 1e-3).",
        },
    },
    "dependentSchemas": {"grid_search": {"maxProperties": 1}, "eval": {"maxProperties": 1}},
    "additionalProperties": {"$ref": "#/$defs/Value"},
    "items": {"$ref": "#/$defs/Value"},
}


class ResourcesSpec(BaseModel):
    """What each trial occupies on the cluster."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    cpu: float = Field(
        1, ge=0, allow_inf_nan=False, description="CPUs of a trial; fractions allowed."
    )
    gpu: float = Field(
        0,
        ge=0,
        allow_inf_nan=False,
        description="GPUs of a trial; fractions up to 1, or whole numbers.",
    )
    memory: int | str = Field(
        0, description="Memory that Ray reserves for a trial: bytes, or a text such as '2GiB'."
    )

    @field_validator("gpu")
    @classmethod
    def _whole_above_one(cls, gpu: float) -> float:
        if gpu > 1 and gpu != int(gpu):
            raise PydanticCustomError("gpu", "expected a fraction up to 1 or a whole number")
        return gpu

    @field_validator("memory", mode="before")
    @classmethod
    def _readable_size(cls, memory: object) -> object:
        if not isinstance(memory, (int, str)) or parse_size(memory) is None:
            raise PydanticCustomError(
                "memory", "expected bytes or a size such as '2GiB' or '500MB', below 8 EiB"
            )
        return memory

    def resources(self) -> Resources:
        """The same as a trial carries it, memory in bytes."""
        return Resources(self.cpu, self.gpu, parse_size(self.memory) or 0)


def parse_size(value: int | str) -> int | None:
    """Bytes from a number or a text such as `2GiB` or `500MB`.

    None if it is neither, or more than any machine has.
    """
    match = _SIZE.fullmatch(str(value))
    if match is None or match[2].upper() not in _UNITS:
        return None
    size = float(match[1]) * _UNITS[match[2].upper()]
    return int(size) if size <= _MAX_MEMORY else None


class ExperimentSpec(BaseModel):
    """One experiment of a spec file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    env: str | None = Field(
        None, description="The environment or data set; part of the trials' names."
    )
    alg: str = Field(
        "script",
        description=(
            "'script' runs config.script_file_path; any other value names an algorithm of RLlib"
            " (PPO)."
        ),
    )
    num_trials: int | None = Field(
        None, ge=1, le=MAX_TRIALS, description="Number of trials; default: the whole grid once."
    )
    resources: ResourcesSpec = Field(
        default_factory=ResourcesSpec, description="What each trial occupies."
    )
    stop: dict[str, float | str] = Field(
        default_factory=dict,
        description=(
            "When a trial ends: a metric, and a number (>=; for losses <=) or a comparison such"
            " as '<= 0.1'."
        ),
    )
    config: dict[str, Any] = Field(default_factory=dict)
    seed: int | None = Field(
        None,
        ge=0,
        lt=2**63,
        description="Seed of all randomness; default: drawn, printed and kept.",
    )
    metric: str | None = Field(None, description="The metric that 'best' goes by.")
    mode: Literal["max", "min"] | None = Field(
        None, description="Whether the metric's best value is its max or min."
    )
    max_concurrent_trials: int | None = Field(
        None, ge=1, description="The most trials that run at once; default: what fits."
    )
    max_failures: int = Field(
        0, ge=0, le=1000, description="How often a trial that fails is tried again."
    )
    stop_grace_s: float = Field(
        STOP_GRACE_S,
        ge=0,
        allow_inf_nan=False,
        description=(
            "Seconds that a trial has to end by itself once it is to stop; then its process is"
            " killed."
        ),
    )
    checkpoint_freq: int = Field(
        0,
        ge=0,
        description=(
            "RLlib: iterations from one checkpoint to the next, and one at the end; 0: none."
        ),
    )
    checkpoint_at_end: bool = Field(
        False,
        description=("RLlib: a checkpoint at the end, also without `checkpoint_freq`."),
    )
    restore: str | None = Field(
        None, description="RLlib: the folder of a checkpoint, from which every trial goes on."
    )
    isolate: bool = Field(
        False, description="A fresh process for each trial; default: warm processes are used again."
    )

    @field_validator("stop", mode="before")
    @classmethod
    def _criteria(cls, stop: object) -> object:
        for name, bound in stop.items() if isinstance(stop, dict) else ():
            try:
                parse_criterion(name, bound)
            except ValueError as exc:
                raise PydanticCustomError(
                    "criterion", "{reason}", {"reason": str(exc), "at": name}
                ) from None
        return stop

    @model_validator(mode="after")
    def _mode_has_metric(self) -> ExperimentSpec:
        if self.mode and not self.metric:
            raise PydanticCustomError(
                "mode", "mode without metric: name the metric that 'best' goes by", {"at": "mode"}
            )
        return self

    def criteria(self) -> tuple[Criterion, ...]:
        """The stop criteria in the file's order."""
        return tuple(parse_criterion(name, bound) for name, bound in self.stop.items())


class _File(RootModel[dict[str, ExperimentSpec]]):
    """A spec file: experiment name to experiment. See the spec reference in docs/spec.md."""


@dataclass(frozen=True)
class Spec:
    """A checked spec.

    Attributes:
        experiments: By name, in the file's order.
        source: The data as given, with the place of every part.
        folder: Where a relative script path is looked for after the working directory; None for
            data without a file.
        warnings: What it says in old words without effect.
    """

    experiments: dict[str, ExperimentSpec]
    source: Source = field(repr=False)
    folder: Path | None = None
    warnings: list[str] = field(default_factory=list)


def load_spec(path: str | Path) -> Spec:
    """Read and check a YAML or JSON spec file.

    Raises:
        SpecError: If anything in it is wrong; names file, line, column and what was expected.
    """
    path = Path(os.path.expanduser(path))  # noqa: PTH111 - Path's raises where there is no such user
    return _checked(read_source(path), path.parent.resolve())


def spec_from_data(data: Mapping[str, Any], name: str = "spec") -> Spec:
    """Check a spec given as a dict in the file's form.

    Raises:
        SpecError: If anything in it is wrong; names the path of the value.
    """
    return _checked(Source(name, _plain_data(data, ())), None)


def _plain_data(value: Any, path: NodePath) -> Any:
    """A copy with dicts and lists as a file gives them: tuples are lists, and keys are strings."""
    if len(path) > MAX_DEPTH:
        raise SpecError(f"{_dotted(path[:5])}…: nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise SpecError(f"{_dotted(path)}: a key must be a string, got {key!r}")
            _expect_text(key, path)
        return {key: _plain_data(item, (*path, key)) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain_data(item, (*path, i)) for i, item in enumerate(value)]
    if isinstance(value, str):
        _expect_text(value, path)
    if isinstance(value, int):
        try:
            check_digits(value)
        except ValueError as exc:
            raise SpecError(f"{_dotted(path)}: the number has {exc}") from None
    return value


def _expect_text(text: str, path: NodePath) -> None:
    """Raise SpecError for what no file, tracker or server could hold.

    A file with it is not read at all.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise SpecError(
            f"{escaped(_dotted(path))}: expected text that UTF-8 can hold, got"
            f" {one_line(repr(text))}"
        ) from None


def _dotted(path: NodePath) -> str:
    return ".".join(map(str, path)) or "spec"


SCHEMA_VERSION = 1
"""Rises if a spec that was valid is refused, or means something else; see docs/stability.md."""


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a spec file, for editors."""
    schema = _File.model_json_schema()
    schema["$defs"]["Value"] = _VALUE_SCHEMA
    schema["$defs"]["ExperimentSpec"]["properties"]["config"] = _CONFIG_SCHEMA
    schema["patternProperties"] = {
        "^(_|x-|\\.)": {"description": "A template for anchors; no experiment."}
    }
    return {
        **schema,
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:tune-tasks:spec:{SCHEMA_VERSION}",
        "title": "tune-tasks spec",
    }


def _checked(source: Source, folder: Path | None) -> Spec:
    if not isinstance(source.data, dict) or not source.data:
        raise SpecError(
            "expected experiments: a mapping of a name to env, stop, config, …", source.at(())
        )
    source = replace(
        source,
        data={name: given for name, given in source.data.items() if not name.startswith(TEMPLATES)},
    )
    if not source.data:
        starts = ", ".join(map(repr, TEMPLATES))
        raise SpecError(
            f"expected an experiment: keys that begin with {starts} are templates and do not run",
            source.at(()),
        )
    source, warnings = in_todays_words(source)
    try:
        experiments = _File.model_validate(source.data).root
    except ValidationError as exc:
        raise _spec_error(source, exc) from None
    _check_names(source, experiments)
    return Spec(experiments, source, folder, warnings)


def _check_names(source: Source, experiments: Mapping[str, ExperimentSpec]) -> None:
    folders: dict[str, str] = {}
    for name in experiments:
        if not name.strip():
            raise SpecError("an experiment needs a name", source.at((name,), key=True))
        if escaped(name) != name:
            raise SpecError(
                f"an experiment's name has no control characters, got {name!r}",
                source.at((name,), key=True),
            )
        other = folders.setdefault(safe_name(name), name)
        if other != name:
            raise SpecError(
                f"{name!r} and {other!r} would share the folder {safe_name(name)!r}",
                source.at((name,), key=True),
            )


def _spec_error(source: Source, exc: ValidationError) -> SpecError:
    """One error that names every problem, first the first in the file."""
    return SpecError.of(
        SpecError(message, place) for message, place in _problems(source, exc.errors())
    )


def _problems(source: Source, errors: list[ErrorDetails]) -> Iterator[tuple[str, Any]]:
    seen: set[NodePath] = set()
    for error in errors:
        path = _path_in_data(error["loc"], source.data)
        if "at" in (error.get("ctx") or {}):
            path = (*path, error["ctx"]["at"])
        if path in seen:  # each branch of a union complains
            continue
        seen.add(path)
        unknown = error["type"] == "extra_forbidden"
        yield f"{_dotted(path)}: {_explain(error, path)}", source.at(path, key=unknown)


def _path_in_data(loc: tuple[str | int, ...], data: Any) -> NodePath:
    """The part of pydantic's location that exists in the data.

    The names of union branches left out.
    """
    path: list[str | int] = []
    for part in loc:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            continue
        path.append(part)
    return tuple(path)


def _explain(error: ErrorDetails, path: NodePath) -> str:
    if error["type"] == "extra_forbidden":
        known = (ExperimentSpec if len(path) == 2 else ResourcesSpec).model_fields
        return f"unknown key{did_you_mean(str(path[-1]), known)} (known: {', '.join(known)})"
    if len(path) == 1 and error["type"] in ("model_type", "model_attributes_type"):
        return (
            "expected an experiment: a mapping with env, stop, config, …; got"
            f" {reprlib.repr(error['input'])}"
        )
    if error["type"] == "criterion":
        return f"{error['msg']}{not_replaced(error['input'].get(path[-1]))}"
    if error["type"] == "mode":
        return error["msg"]
    expected = error["msg"]
    for pydantics, ours in _WORDS.items():
        expected = expected.replace(pydantics, ours)
    return f"{expected}, got {reprlib.repr(error['input'])}{not_replaced(error['input'])}"
