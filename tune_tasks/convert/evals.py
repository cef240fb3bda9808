"""A file of 2017 with domains in place of the `eval`s that only draw. Pure.

The text is edited, and nothing else of it is touched: comments, anchors and the order stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import yaml

from tune_tasks.convert.draws import domain_of
from tune_tasks.convert.writing import comments
from tune_tasks.errors import SpecError
from tune_tasks.spec.domains import DOMAINS
from tune_tasks.spec.expressions.language import Expression
from tune_tasks.spec.reading import parse_source
from tune_tasks.spec.schema import TEMPLATES
from tune_tasks.spec.yaml_1_2 import Loader, dump_yaml, one_line_of_yaml

_EVAL = "eval"
_CHANGED = (
    "Converted: an `eval` that only draws is a domain now, which draws the same. With the same seed"
    " its values are others than before. `search: tpe` would have a model choose them."
)
_UNCHANGED = "Converted: it has no `eval` that a domain could take the place of."
_LEFT = "no domain says the same, so no model can search it"


@dataclass(frozen=True)
class _Edit:
    """A piece of the text that is replaced.

    Attributes:
        start: Its first character.
        end: The one behind it.
        text: What takes its place.
        note: What is said about it.
    """

    start: int
    end: int
    text: str
    note: str


def with_domains(text: str, data: Mapping[str, Any], head: Sequence[str] = ()) -> str:
    """The text of a spec with domains, and a comment at each of them.

    Args:
        text: YAML of a valid spec.
        data: The same as data.
        head: What else is said at the top.
    """
    edits = list(_edits(text))
    wanted = _converted_experiments(data)
    first = _UNCHANGED if wanted == _experiments(data) else _CHANGED
    top = _lines([first, *head])
    notes = _lines(edit.note for edit in edits)
    in_place = top + _edited(text, edits, are_commented=True)
    above = top + notes + _edited(text, edits, are_commented=False)
    for made in (in_place, above):
        if _reads_as(made, wanted):
            return made
    return top + notes + dump_yaml(wanted)  # with an anchor on an expression, say


# ── Which pieces ─────


def _edits(text: str) -> Iterator[_Edit]:
    """Yield them in the order of the text."""
    seen: set[int] = set()
    pairs = [pair for node in _configs(text) for pair in _pairs_of_evals(node, seen)]
    for key, value in sorted(pairs, key=lambda pair: pair[0].start_mark.index):
        start = key.start_mark.index
        written = text[start : value.end_mark.index].rstrip()
        expression = " ".join(value.value.split())
        found = domain_of(value.value)
        if found:
            domain, difference = found
            replacement = one_line_of_yaml(domain)[1:-1]  # without the braces
            note = f"it was {expression}{difference and f': {difference}'}"
            yield _Edit(start, start + len(written), replacement, note)
        elif Expression.parse(value.value).draws:
            yield _Edit(start, start + len(written), written, f"{expression}: {_LEFT}")


def _configs(text: str) -> Iterator[yaml.Node]:
    """The `config` of each experiment, those of what is merged into it included."""
    root = yaml.compose(text, Loader=Loader)
    for name, experiment in root.value if isinstance(root, yaml.MappingNode) else ():
        if not name.value.startswith(TEMPLATES):
            yield from _configs_of(experiment)


def _configs_of(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):  # of what is merged
        for part in node.value:
            yield from _configs_of(part)
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        if key.tag.endswith(":merge"):
            yield from _configs_of(value)
        elif key.value == "config":
            yield value


def _pairs_of_evals(
    node: yaml.Node, seen: set[int]
) -> Iterator[tuple[yaml.ScalarNode, yaml.ScalarNode]]:
    """The keys and values of what stands for an `eval`, each once, however many aliases it has."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _pairs_of_evals(item, seen)
    if not isinstance(node, yaml.MappingNode):
        return
    if [key.value for key, _ in node.value] == [_EVAL]:
        yield node.value[0]
        return
    for key, value in node.value:
        if not _has_bounds(key.value, isinstance(value, yaml.SequenceNode)):
            yield from _pairs_of_evals(value, seen)


def _has_bounds(key: str, is_list: bool) -> bool:
    """Whether a pair is a domain with bounds: an `eval` among them stays one."""
    return is_list and key in DOMAINS and key != "choice"


# ── The same change to the data ─────


def _experiments(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if not name.startswith(TEMPLATES)}


def _converted_experiments(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _converted_experiment(value) for name, value in _experiments(data).items()}


def _converted_experiment(experiment: Any) -> Any:
    if not isinstance(experiment, Mapping) or "config" not in experiment:
        return experiment
    return {**experiment, "config": _converted(experiment["config"])}


def _converted(value: Any) -> Any:
    if isinstance(value, list):
        return [_converted(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    if list(value) == [_EVAL]:
        found = domain_of(value[_EVAL])
        return found[0] if found else value
    return {
        key: item if _has_bounds(key, isinstance(item, list)) else _converted(item)
        for key, item in value.items()
    }


# ── The text ─────


def _edited(text: str, edits: Sequence[_Edit], *, are_commented: bool) -> str:
    """The text with its pieces replaced, if wanted with comments above their lines."""
    of_lines = groupby(edits, key=lambda edit: text.rfind("\n", 0, edit.start) + 1)
    for start_of_line, found in reversed([(start, list(group)) for start, group in of_lines]):
        for edit in reversed(found):
            text = text[: edit.start] + edit.text + text[edit.end :]
        if are_commented:
            indent = _indent(text[start_of_line:])
            above = _lines((edit.note for edit in found), indent)
            text = text[:start_of_line] + above + text[start_of_line:]
    return text


def _indent(text: str) -> str:
    return text[: len(text) - len(text.lstrip(" "))]


def _lines(texts: Iterator[str] | Sequence[str], indent: str = "") -> str:
    return "".join(f"{indent}{line}\n" for line in comments(texts))


def _reads_as(text: str, wanted: Mapping[str, Any]) -> bool:
    """Whether a text has these experiments; a comment within a text of many lines is no comment."""
    try:
        data = parse_source(text, "").data
    except SpecError:
        return False
    return repr(_experiments(data)) == repr(wanted)
