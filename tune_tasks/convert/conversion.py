"""Converts a file, whose kind is found from what is in it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tune_tasks.convert.determined import draft_of_experiment
from tune_tasks.convert.draft import Draft
from tune_tasks.convert.evals import with_domains
from tune_tasks.convert.given import Given
from tune_tasks.convert.wandb import draft_of_sweep
from tune_tasks.convert.writing import written
from tune_tasks.errors import SpecError, did_you_mean
from tune_tasks.spec.loading import load_spec
from tune_tasks.spec.names import EXPERIMENT_IGNORED, EXPERIMENT_KEYS
from tune_tasks.spec.reading import as_yaml, is_json_file, parse_source
from tune_tasks.spec.schema import TEMPLATES, ExperimentSpec
from tune_tasks.spec.search_space import SearchSpace
from tune_tasks.spec.source import Source

_WANDB = "a W&B sweep"
_DETERMINED = "a Determined experiment"
_MARKS = {
    _WANDB: ("method", "parameters"),
    _DETERMINED: ("hyperparameters", "searcher"),
}
"""The keys at the top that tell another tool's file."""
_MAKERS: Mapping[str, Callable[[Given, str], Draft]] = {
    _WANDB: draft_of_sweep,
    _DETERMINED: draft_of_experiment,
}
_OURS = {*ExperimentSpec.model_fields, *EXPERIMENT_KEYS, *EXPERIMENT_IGNORED, "num_samples"}


def converted(path: Path, text: str) -> str:
    """A file as a spec: YAML with a comment at each thing that changed.

    Args:
        path: The file; JSON by its name.
        text: What is in it.

    Raises:
        SpecError: If it is broken, or no file of a kind that is known; names file, line, column.
    """
    text = as_yaml(text, str(path), is_json=is_json_file(path))
    source = parse_source(text, str(path))
    tool = _tool(source)
    said = [f"line {place.line}: {warning}" for place, warning in source.warnings.items()]
    if tool is None:
        _expect_valid(path, text)
        return with_domains(text, source.data, said)
    draft = _MAKERS[tool](Given(source), path.name)
    draft.head = [f"Converted from {tool}, {path.name}", *draft.head, *said]
    return written(draft)


def _tool(source: Source) -> str | None:
    """The tool whose file it is; None if it has experiments of ours."""
    data = source.data
    if not isinstance(data, dict) or not data:
        raise SpecError(f"expected {_known()}", source.at(()))
    found = {tool: _marks_in(data, marks) for tool, marks in _MARKS.items()}
    tools = [tool for tool, marks in found.items() if marks]
    if len(tools) > 1:
        both = " and ".join(f"of {tool} ({', '.join(found[tool])})" for tool in tools)
        place = source.at((found[tools[-1]][0],), key=True)
        raise SpecError(f"unclear what it is: it has keys {both}", place)
    if tools:
        return tools[0]
    if any(_is_experiment(item) for name, item in data.items() if not name.startswith(TEMPLATES)):
        return None
    hints = (
        did_you_mean(key, [mark for marks in _MARKS.values() for mark in marks]) for key in data
    )
    raise SpecError(f"expected {_known()}{next(filter(None, hints), '')}", source.at(()))


def _marks_in(data: Mapping[str, Any], marks: tuple[str, ...]) -> list[str]:
    return [mark for mark in marks if mark in data and not _is_surely_ours(data[mark])]


def _is_surely_ours(value: Any) -> bool:
    """Whether it is an experiment of ours, whatever its name is."""
    return isinstance(value, dict) and "config" in value and value.keys() <= _OURS


def _is_experiment(value: Any) -> bool:
    return isinstance(value, dict) and not _OURS.isdisjoint(value)


def _known() -> str:
    theirs = ", ".join(f"{tool} ({', '.join(marks)})" for tool, marks in _MARKS.items())
    return f"{theirs}, or experiments of ours (a name with config, …)"


def _expect_valid(path: Path, text: str) -> None:
    """Check a spec of ours, its expressions included."""
    spec = load_spec(path, text)
    for name, experiment in spec.experiments.items():
        _expect_searchable(spec.source, name, experiment.config)


def _expect_searchable(source: Source, name: str, config: Mapping[str, Any]) -> None:
    try:
        SearchSpace(config, lambda at: source.at((name, "config", *at)))
    except SpecError as exc:
        raise exc.within(name) from None
