"""Reads a spec file, YAML or JSON, as plain data with the place of every part.

Executes nothing.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NoReturn

import yaml

from tune_tasks.errors import Location, SpecError
from tune_tasks.spec.construction import Construction
from tune_tasks.spec.source import MAX_DEPTH, Source
from tune_tasks.spec.yaml_1_2 import Loader, location

_MAX_CHARACTERS = 20_000_000
_SURROGATES = r"u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPE = re.compile(rf"\\(?:({_SURROGATES})|.)")


def is_json_file(path: Path) -> bool:
    """Whether a file is JSON, by its name."""
    return path.suffix.lower() == ".json"


def read_text(path: Path) -> str:
    """Read the text of a spec file.

    Raises:
        SpecError: If the file cannot be read.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(_MAX_CHARACTERS + 1)
    except OSError as exc:
        raise _unreadable(path, str(exc.strerror)) from exc
    except ValueError as exc:
        raise _unreadable(path, "not UTF-8 text") from exc
    if len(text) > _MAX_CHARACTERS:
        raise _unreadable(path, f"more than {_MAX_CHARACTERS:,} characters")
    return text


def _unreadable(path: Path, reason: str) -> SpecError:
    return SpecError(f"cannot read the spec file {str(path)!r}: {reason}")


def parse_source(text: str, name: str, *, is_json: bool = False) -> Source:
    """Parse YAML or JSON text.

    Args:
        text: What is in the file.
        name: What messages call it.
        is_json: Whether it is JSON.

    Raises:
        SpecError: If it is not valid; names file, line and column.
    """
    node = _composed(as_yaml(text, name, is_json=is_json), name)
    if node is None:
        return Source(name, None, {(): Location(name, 1, 1)})
    construction = Construction(name)
    data = construction.value(node)
    return Source(name, data, construction.places, construction.warnings)


def as_yaml(text: str, name: str, *, is_json: bool) -> str:
    """YAML text as it is; JSON text as YAML.

    Raises:
        SpecError: If it is to be JSON and is not; names file, line and column.
    """
    if not is_json:
        return text
    _check_json(text, name)
    return _json_as_yaml(text)


def _composed(text: str, name: str) -> yaml.Node | None:
    try:
        _check_depth(text, name)
        return yaml.compose(text, Loader=Loader)
    except yaml.YAMLError as exc:
        problem, place = _problem(exc, text, name)
        raise SpecError(f"not valid YAML: {problem}", place) from exc


def _check_depth(text: str, name: str) -> None:
    """Refuse deep nesting before it is composed, because libyaml recurses without a bound."""
    depth = 0
    for event in yaml.parse(text, Loader=Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            place = location(name, event.start_mark)
            raise SpecError(f"nested more than {MAX_DEPTH} levels deep", place)


def _problem(exc: yaml.YAMLError, text: str, name: str) -> tuple[str, Location]:
    """Return what PyYAML says, and the place that it is about."""
    if isinstance(exc, yaml.MarkedYAMLError):
        problem = ", ".join(part for part in (exc.context, exc.problem) if part)
        return problem, location(name, exc.problem_mark or exc.context_mark)
    if isinstance(exc, yaml.reader.ReaderError):
        before = text.encode()[: exc.position].decode(errors="ignore")  # libyaml counts bytes
        line = before.count("\n") + 1
        column = len(before) - before.rfind("\n")
        return str(exc.reason), Location(name, line, column)
    return str(exc), Location(name, 1, 1)


def _check_json(text: str, name: str) -> None:
    try:
        json.loads(text, parse_int=str, parse_constant=_refuse_constant)
    except json.JSONDecodeError as exc:
        place = Location(name, exc.lineno, exc.colno)
        raise SpecError(f"not valid JSON: {exc.msg}", place) from exc
    except ValueError as exc:
        raise SpecError(f"not valid JSON: {exc}", Location(name, 1, 1)) from exc
    except RecursionError:
        pass  # because `_check_depth` says it better, with the place


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _json_as_yaml(text: str) -> str:
    """Valid JSON as YAML.

    A tab is white space in JSON but not in YAML; valid JSON has none inside strings. A character
    beyond the basic plane is written as two escapes in JSON, which are an error in YAML.
    """
    return _ESCAPE.sub(_plain_escape, text.replace("\t", " "))


def _plain_escape(match: re.Match[str]) -> str:
    """The character that two escapes stand for; any other escape as it is."""
    if match[1]:
        return str(json.loads(f'"{match[0]}"'))
    return match[0]
