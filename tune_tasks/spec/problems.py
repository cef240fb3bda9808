"""pydantic's complaints about a spec, in our words and at their places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tune_tasks.errors import Location, SpecError, did_you_mean
from tune_tasks.model.masking import short
from tune_tasks.model.paths import NodePath, dotted
from tune_tasks.model.text import not_replaced, one_line
from tune_tasks.spec.budget import BudgetSpec
from tune_tasks.spec.checkpoint import CheckpointSpec
from tune_tasks.spec.pydantic_words import in_our_words
from tune_tasks.spec.resources import ResourcesSpec
from tune_tasks.spec.retry import RetryResourcesSpec, RetrySpec
from tune_tasks.spec.schema import ExperimentSpec
from tune_tasks.spec.source import Source
from tune_tasks.spec.warm_start import WarmStartSpec
from tune_tasks.spec.yaml_1_2 import one_line_of_yaml

_KEYS_OF_SCALARS: Mapping[NodePath, tuple[str, type[BaseModel]]] = {
    ("budget",): ("time", BudgetSpec),
    ("resources",): ("cpu", ResourcesSpec),
    ("warm_start",): ("from", WarmStartSpec),
}
"""Mappings of an experiment in whose place a value is written, and which key is meant by it."""
_LENGTH = 60


def spec_error(source: Source, exc: ValidationError) -> SpecError:
    """One error that names every problem, in the order of the file."""
    problems = _problems(source, exc.errors())
    return SpecError.of(SpecError(message, place) for message, place in problems)


def _problems(source: Source, errors: list[ErrorDetails]) -> Iterator[tuple[str, Location | None]]:
    seen: set[NodePath] = set()
    for error in errors:
        path = _path_in_data(error["loc"], source.data)
        context = error.get("ctx", {})
        if "at" in context:
            path = (*path, context["at"])
        path = (*path, *context.get("path", ()))
        if path in seen:  # because each branch of a union complains
            continue
        seen.add(path)
        is_key = error["type"] == "extra_forbidden" or context.get("is_key", False)
        yield (
            f"{one_line(dotted(path)) or 'spec'}: {_message(error, path)}",
            source.at(path, key=is_key),
        )


def _path_in_data(loc: tuple[str | int, ...], data: Any) -> NodePath:
    """The parts of pydantic's location that the data has, so without a union's branches.

    Args:
        loc: pydantic's location.
        data: The spec's data.
    """
    path: list[str | int] = []
    for part in loc:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            continue
        path.append(part)
    return tuple(path)


def _message(error: ErrorDetails, path: NodePath) -> str:
    kind = error["type"]
    given = error["input"]
    if kind == "extra_forbidden":
        return _unknown_key(path)
    if kind in ("model_type", "model_attributes_type") and len(path) == 1:
        form = "a mapping with env, stop, config, …"
        return f"expected an experiment: {form}; got {short(given)}"
    if kind == "criterion":
        return f"{error['msg']}{not_replaced(given.get(path[-1]))}"
    if kind == "missing":
        return f"lacks the key {error['loc'][-1]!r}, got {short(given)}"
    if kind in ("mode", "wrong"):
        return error["msg"]
    form = _as_mapping(path, given) if kind in ("model_type", "model_attributes_type") else ""
    return f"{in_our_words(error['msg'])}, got {short(given, path)}{not_replaced(given)}{form}"


def _as_mapping(path: NodePath, given: object) -> str:
    """What an error adds if a value stands in place of the mapping that has it under a key."""
    key, model = _KEYS_OF_SCALARS.get(path[1:], ("", None))
    if model is None or isinstance(given, bool) or not isinstance(given, (int, float, str)):
        return ""
    for value in (given, str(given)):  # a sweep's id may be a number without quotes
        form = one_line_of_yaml({key: value}) if _takes(model, key, value) else ""
        if form and len(form) <= _LENGTH:
            return f"; write {path[-1]}: {form}"
    return ""


def _takes(model: type[BaseModel], key: str, value: object) -> bool:
    try:
        model.model_validate({key: value})
    except ValidationError:
        return False
    return True


def _unknown_key(path: NodePath) -> str:
    keys = _model_at(path).model_fields
    known = [key.alias or name for name, key in keys.items()]
    return f"unknown key{did_you_mean(str(path[-1]), known)} (known: {', '.join(known)})"


def _model_at(path: NodePath) -> type[BaseModel]:
    """What has an unknown key: an experiment, a part of it, or a rule of its `retry`."""
    if len(path) == 2:
        return ExperimentSpec
    if path[1] == "checkpoint":
        return CheckpointSpec
    if path[1] == "warm_start":
        return WarmStartSpec
    if path[1] == "budget":
        return BudgetSpec
    if path[1] == "retry":
        return RetrySpec if len(path) == 4 else RetryResourcesSpec
    return ResourcesSpec
