"""The spec: what an experiment file may say. `load_spec` and `spec_from_data` check it; nothing of it is executed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError, WithJsonSchema, field_validator, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from tune_tasks.errors import SpecError, did_you_mean
from tune_tasks.spec_source import NodePath, Source, read_source
from tune_tasks.stopping import Criterion, parse_criterion
from tune_tasks.trial import Resources, safe_name

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40, "K": 2**10, "M": 2**20, "G": 2**30}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")

_CONFIG_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "What train() receives. At any depth a value may be {grid_search: [...]} or {eval: '...'}.",
    "properties": {
        "script_file_path": {
            "type": "string",
            "description": "The script, from the working directory, else the spec's folder; or package.module:function.",
        },
        "script_entrypoint": {"type": "string", "default": "train", "description": "The function in the script."},
        "script_min_iter_time_s": {
            "type": "number",
            "description": "Accepted for files of 2017 and without effect: every report is kept.",
        },
    },
    "additionalProperties": {"$ref": "#/$defs/Value"},
}
_VALUE_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {
            "type": "object",
            "properties": {"grid_search": {"type": "array", "minItems": 1, "description": "Every value is tried."}},
            "required": ["grid_search"],
            "additionalProperties": False,
        },
        {
            "type": "object",
            "properties": {"eval": {"type": "string", "description": "An expression, e.g. random.uniform(1e-4, 1e-3)."}},
            "required": ["eval"],
            "additionalProperties": False,
        },
        {},
    ]
}


class ResourcesSpec(BaseModel):
    """What each trial occupies on the cluster."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    cpu: float = Field(1, ge=0, allow_inf_nan=False, description="CPUs of a trial; fractions allowed.")
    gpu: float = Field(0, ge=0, allow_inf_nan=False, description="GPUs of a trial; fractions up to 1, or whole numbers.")
    memory: int | str = Field(0, description="Memory that Ray reserves for a trial: bytes, or a text such as '2GiB'.")

    @field_validator("gpu")
    @classmethod
    def _whole_above_one(cls, gpu: float) -> float:
        if gpu > 1 and gpu != int(gpu):
            raise PydanticCustomError("gpu", "expected a fraction up to 1 or a whole number")
        return gpu

    @field_validator("memory")
    @classmethod
    def _readable_size(cls, memory: int | str) -> int | str:
        if parse_size(memory) is None:
            raise PydanticCustomError("memory", "expected bytes or a size such as '2GiB' or '500MB'")
        return memory

    def resources(self) -> Resources:
        """The same as a trial carries it, memory in bytes."""
        return Resources(self.cpu, self.gpu, parse_size(self.memory) or 0)


def parse_size(value: int | str) -> int | None:
    """Bytes from a number or a text such as `2GiB` or `500MB`; None where it is neither."""
    match = _SIZE.fullmatch(str(value))
    if match is None or match[2].upper() not in _UNITS:
        return None
    return int(float(match[1]) * _UNITS[match[2].upper()])


class ExperimentSpec(BaseModel):
    """One experiment of a spec file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    env: str | None = Field(None, description="The environment or data set; part of the trials' names.")
    alg: str = Field("script", description="'script': the trials run config.script_file_path.")
    num_trials: int | None = Field(None, ge=1, le=1_000_000, description="Number of trials; default: the whole grid once.")
    resources: ResourcesSpec = Field(default_factory=ResourcesSpec, description="What each trial occupies.")
    stop: dict[str, float | str] = Field(
        default_factory=dict, description="Metric to bound: a number (>=; for losses <=) or a comparison such as '<= 0.1'."
    )
    config: Annotated[dict[str, Any], WithJsonSchema(_CONFIG_SCHEMA)] = Field(default_factory=dict)
    seed: int | None = Field(None, ge=0, lt=2**63, description="Seed of all randomness; default: drawn, printed and kept.")
    metric: str | None = Field(None, description="The metric that 'best' goes by.")
    mode: Literal["max", "min"] | None = Field(None, description="Whether the metric's best value is its max or min.")
    max_concurrent_trials: int | None = Field(None, ge=1, description="At most so many trials at once.")
    max_failures: int = Field(0, ge=0, le=1000, description="Further attempts of a trial that failed.")
    stop_grace_s: float = Field(
        10.0,
        ge=0,
        allow_inf_nan=False,
        description="Seconds a trial has to end itself once it is to stop, before its process is ended.",
    )
    isolate: bool = Field(False, description="A fresh process for each trial; default: warm processes are used again.")

    @field_validator("stop")
    @classmethod
    def _criteria(cls, stop: dict[str, float | str]) -> dict[str, float | str]:
        for name, bound in stop.items():
            try:
                parse_criterion(name, bound)
            except ValueError as exc:
                raise PydanticCustomError("criterion", "{reason}", {"reason": str(exc), "at": name}) from None
        return stop

    @model_validator(mode="after")
    def _mode_has_metric(self) -> ExperimentSpec:
        if self.mode and not self.metric:
            raise PydanticCustomError("mode", "mode without metric: name the metric that 'best' goes by", {"at": "mode"})
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
        folder: Where a relative script path is looked for after the working directory; None for data without a file.
    """

    experiments: dict[str, ExperimentSpec]
    source: Source = field(repr=False)
    folder: Path | None = None


def load_spec(path: str | Path) -> Spec:
    """Read and check a YAML or JSON spec file.

    Raises:
        SpecError: If anything in it is wrong; names file, line, column and what was expected.
    """
    path = Path(path).expanduser()
    return _checked(read_source(path), path.parent.resolve())


def spec_from_data(data: Mapping[str, Any], name: str = "spec") -> Spec:
    """Check a spec given as a dict in the file's form.

    Raises:
        SpecError: If anything in it is wrong; names the path of the value.
    """
    return _checked(Source(name, dict(data)), None)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a spec file, for editors."""
    schema = _File.model_json_schema()
    schema["$defs"]["Value"] = _VALUE_SCHEMA
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "tune-tasks spec", **schema}


def _checked(source: Source, folder: Path | None) -> Spec:
    if not isinstance(source.data, dict) or not source.data:
        raise SpecError("expected experiments: a mapping of a name to env, stop, config, …", source.at(()))
    try:
        experiments = _File.model_validate(source.data).root
    except ValidationError as exc:
        raise _spec_error(source, exc) from None
    _check_names(source, experiments)
    return Spec(experiments, source, folder)


def _check_names(source: Source, experiments: Mapping[str, ExperimentSpec]) -> None:
    folders: dict[str, str] = {}
    for name in experiments:
        if not name.strip():
            raise SpecError("an experiment needs a name", source.at((name,), key=True))
        other = folders.setdefault(safe_name(name), name)
        if other != name:
            raise SpecError(f"{name!r} and {other!r} would share the folder {safe_name(name)!r}", source.at((name,), key=True))


def _spec_error(source: Source, exc: ValidationError) -> SpecError:
    """One error that names every problem, first the first in the file."""
    problems = sorted(_problems(source, exc.errors()), key=lambda p: (p[1].line, p[1].column) if p[1] else (0, 0))
    (message, place), rest = problems[0], problems[1:]
    lines = [message, *(f"{where}: {text}" if where else text for text, where in rest)]
    return SpecError("\n".join(lines), place)


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
        yield f"{'.'.join(map(str, path)) or 'spec'}: {_explain(error, path)}", source.at(path, key=unknown)


def _path_in_data(loc: tuple[str | int, ...], data: Any) -> NodePath:
    """The part of pydantic's location that exists in the data: the names of union branches left out."""
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
        known = (ResourcesSpec if "resources" in path[:-1] else ExperimentSpec).model_fields
        return f"unknown key{did_you_mean(str(path[-1]), known)} (known: {', '.join(known)})"
    if len(path) == 1 and error["type"] in ("model_type", "model_attributes_type"):
        return f"expected an experiment: a mapping with env, stop, config, …; got {error['input']!r}"
    message = error["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    if error["type"].isidentifier() and not error["msg"].startswith("Input should be "):
        return message if "got " in message else f"{message}, got {error['input']!r}" if error["type"] != "mode" else message
    return f"expected {message}, got {error['input']!r}"
