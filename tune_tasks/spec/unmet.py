"""Conditions of a `when` that no trial can meet: the setting never has what they ask for. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tune_tasks.errors import did_you_mean
from tune_tasks.model.masking import is_secret
from tune_tasks.model.paths import NodePath, dotted
from tune_tasks.model.stopping import Criterion
from tune_tasks.spec.domains import Choice, Normal, is_same
from tune_tasks.spec.search_nodes import Condition, Eval, Grid, Parameter


def unmet(tree: Any, parameters: Sequence[Parameter]) -> Iterator[tuple[Parameter, str]]:
    """Yield the parameters that a value of a condition keeps away, with why.

    What an `eval` makes of a setting is not known here, so nothing is said of such a one.

    Args:
        tree: A config with its searched parts parsed.
        parameters: Those of the tree that have domains.
    """
    for parameter in parameters:
        for condition in parameter.when:
            there = [node for path, node in _values(tree, ()) if path == condition.path]
            for why in _reasons(condition, there):
                yield parameter, why


def _reasons(condition: Condition, there: Sequence[Any]) -> Iterator[str]:
    """Why none of the nodes at a condition's path may be what it asks for."""
    if not there:
        return
    if condition.comparison is not None:
        if not any(_may_meet(node, condition, condition.comparison) for node in there):
            yield _why_never_met(condition.path, condition.comparison)
        return
    for value in condition.values:
        if not any(_may_be(node, value) for node in there):
            yield _why(condition.path, value, there)


def _values(node: Any, path: NodePath) -> Iterator[tuple[NodePath, Any]]:
    """Everything that a path of a config may have, what grids and choices offer apart from them."""
    if isinstance(node, Grid) or _is_choice(node):
        for option in node.options if isinstance(node, Grid) else node.given:
            yield from _values(option, path)
        return
    yield path, node
    if isinstance(node, Mapping):
        for key, child in node.items():
            yield from _values(child, (*path, key))
    elif isinstance(node, list):
        for place, child in enumerate(node):
            yield from _values(child, (*path, place))


def _is_choice(node: Any) -> bool:
    return isinstance(node, Parameter) and isinstance(node.domain, Choice)


def _may_be(node: Any, value: Any) -> bool:
    if isinstance(node, Eval) or (isinstance(node, Parameter) and node.is_dependent):
        return True
    if isinstance(node, Parameter):
        return node.domain.coordinate(value, *node.given) is not None
    return isinstance(node, (Mapping, list)) or is_same(node, value)


def _may_meet(node: Any, condition: Condition, comparison: Criterion) -> bool:
    if not isinstance(node, Parameter):
        return isinstance(node, Eval) or condition.holds(node)
    if node.is_dependent or isinstance(node.domain, Normal):
        return True
    if comparison.op == "==":
        return _may_be(node, comparison.bound)
    low, high = node.given[:2]
    return comparison.met_by(low) or comparison.met_by(high)


def _why_never_met(path: NodePath, comparison: Criterion) -> str:
    name = dotted(path)
    if is_secret(name):
        return f"{name} is never that"
    return f"{name} is never {comparison.op} {comparison.bound:.12g}"


def _why(path: NodePath, value: Any, there: Sequence[Any]) -> str:
    name = dotted(path)
    if is_secret(name):
        return f"{name} is never that"
    other = _number(value) if isinstance(value, str) else str(value)
    if any(_may_be(node, other) for node in there if not isinstance(node, (Mapping, list))):
        return f"{name} is never {value!r}; write {other!r}"
    offered = [node for node in there if isinstance(node, str)]
    return f"{name} is never {value!r}{did_you_mean(str(value), offered)}"


def _number(text: str) -> float | None:
    """The number that a text says; None if it says none."""
    try:
        return int(text) if text.isdecimal() else float(text)
    except ValueError:
        return None
