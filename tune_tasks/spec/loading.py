"""Loads a spec from a file or a dict, and checks everything in it. Nothing of it is executed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tune_tasks.errors import SpecError
from tune_tasks.model.paths import NodePath, dotted
from tune_tasks.model.text import escaped, one_line
from tune_tasks.model.trial import safe_name
from tune_tasks.spec.names import in_todays_words
from tune_tasks.spec.problems import spec_error
from tune_tasks.spec.reading import is_json_file, parse_source, read_text
from tune_tasks.spec.schema import TEMPLATES, ExperimentSpec, SpecFile
from tune_tasks.spec.source import MAX_DEPTH, Source, check_digits


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


def load_spec(path: str | Path, text: str | None = None) -> Spec:
    """Read and check a YAML or JSON spec file.

    Args:
        path: The file.
        text: What it said when somebody read it; None: what it says now.

    Raises:
        SpecError: If anything in it is wrong; names file, line, column and what was expected.
    """
    path = _expanded(path)
    if text is None:
        text = read_text(path)
    source = parse_source(text, str(path), is_json=is_json_file(path))
    return _checked(source, path.parent.resolve())


def text_of_spec(path: str | Path) -> str:
    """Read the text of a spec file, for `load_spec`.

    Raises:
        SpecError: If the file cannot be read.
    """
    return read_text(_expanded(path))


def _expanded(path: str | Path) -> Path:
    # Not Path.expanduser, which raises for a user who does not exist.
    return Path(os.path.expanduser(path))  # noqa: PTH111


def spec_from_data(data: Mapping[str, Any], name: str = "spec") -> Spec:
    """Check a spec given as a dict in the file's form.

    Raises:
        SpecError: If anything in it is wrong; names the path of the value.
    """
    return _checked(Source(name, _plain_data(data, ())), None)


def _plain_data(value: Any, path: NodePath) -> Any:
    """A copy with dicts and lists as a file gives them: tuples are lists, and keys are strings."""
    if len(path) > MAX_DEPTH:
        raise SpecError(f"{_shown(path[:5])}…: nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, Mapping):
        for key in value:
            _check_key(key, path)
        return {key: _plain_data(item, (*path, key)) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain_data(item, (*path, i)) for i, item in enumerate(value)]
    if isinstance(value, str):
        _check_text(value, path)
    if isinstance(value, int):
        _check_number(value, path)
    return value


def _check_key(key: object, path: NodePath) -> None:
    if not isinstance(key, str):
        raise SpecError(f"{_shown(path)}: a key must be a string, got {key!r}")
    _check_text(key, path)


def _check_text(text: str, path: NodePath) -> None:
    """Refuse what no file, tracker or server could hold: a file with it is not read at all."""
    try:
        text.encode()
    except UnicodeEncodeError:
        got = one_line(repr(text))
        raise SpecError(
            f"{escaped(_shown(path))}: expected text that UTF-8 can hold, got {got}"
        ) from None


def _check_number(number: int, path: NodePath) -> None:
    try:
        check_digits(number)
    except ValueError as exc:
        raise SpecError(f"{_shown(path)}: the number has {exc}") from None


def _shown(path: NodePath) -> str:
    return dotted(path) or "spec"


def _checked(source: Source, folder: Path | None) -> Spec:
    source = _without_templates(source)
    source, warnings = in_todays_words(source)
    try:
        experiments = SpecFile.model_validate(source.data).root
    except ValidationError as exc:
        raise spec_error(source, exc) from None
    _check_names(source, experiments)
    return Spec(experiments, source, folder, warnings)


def _without_templates(source: Source) -> Source:
    """The source with its experiments alone."""
    if not isinstance(source.data, dict) or not source.data:
        raise SpecError(
            "expected experiments: a mapping of a name to env, stop, config, …", source.at(())
        )
    data = {name: value for name, value in source.data.items() if not name.startswith(TEMPLATES)}
    if not data:
        starts = ", ".join(map(repr, TEMPLATES))
        raise SpecError(
            f"expected an experiment: keys that begin with {starts} are templates and do not run",
            source.at(()),
        )
    return replace(source, data=data)


def _check_names(source: Source, experiments: Mapping[str, ExperimentSpec]) -> None:
    folders: dict[str, str] = {}
    for name in experiments:
        problem = _problem_of_name(name)
        folder = safe_name(name)
        other = folders.setdefault(folder, name)
        if not problem and other != name:
            problem = f"{name!r} and {other!r} would share the folder {folder!r}"
        if problem:
            raise SpecError(problem, source.at((name,), key=True))


def _problem_of_name(name: str) -> str:
    if not name.strip():
        return "an experiment needs a name"
    if escaped(name) != name:
        return f"an experiment's name has no control characters, got {name!r}"
    return ""
