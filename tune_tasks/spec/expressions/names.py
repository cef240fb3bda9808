"""Builds the names of an expression: settings of the spec, loops' names, `_i`, constants."""

from __future__ import annotations

import ast

from tune_tasks.errors import ExpressionError, did_you_mean
from tune_tasks.model.paths import NodePath
from tune_tasks.spec.expressions.functions import CONSTANTS, FUNCTIONS
from tune_tasks.spec.expressions.scope import Code, Scope
from tune_tasks.spec.expressions.syntax import refused
from tune_tasks.spec.expressions.values import shortened


def build_name(node: ast.Name | ast.Attribute, scope: Scope) -> Code:
    """Build a name, dotted or not."""
    path = spec_path(node)
    if path is not None:
        return build_reference(path, scope)
    name = dotted(node)
    if name in scope.names:
        return lambda run: run.names[name]
    if name is None or scope.is_of_loop(name):
        raise refused(f"the attribute .{shortened(getattr(node, 'attr', ''))}")
    if name == "_i":
        return lambda run: run.index
    return _constant(name, scope)


def _constant(name: str, scope: Scope) -> Code:
    if name in CONSTANTS:
        value = CONSTANTS[name]
        return lambda run: value
    if name in FUNCTIONS:
        raise ExpressionError(f"{name} is a function; call it: {name}(...)")
    hint = did_you_mean(name, [*FUNCTIONS, *CONSTANTS, *scope.names, "spec", "_i"])
    if not hint and "." not in name:
        hint = f"; a setting is written spec.config.{shortened(name)}"
    raise ExpressionError(f"{shortened(name)} is not a name of the eval language{hint}")


def build_reference(path: NodePath, scope: Scope) -> Code:
    """Build a path below `spec`, and note that the expression reads it."""
    if len(path) < 2 or path[0] != "config":
        raise ExpressionError("spec has only settings, written spec.config.<name>")
    for part in path:
        if str(part).startswith("__"):
            raise refused(f"the name {shortened(str(part))}")
    setting = path[1:]
    scope.references.add(setting)
    return lambda run: run.refer(setting)


def spec_path(node: ast.AST) -> NodePath | None:
    """`("config", "a", 0)` for `spec.config.a[0]`; None if it is not a constant path of `spec`."""
    parts: list[str | int] = []
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        key = _key(node)
        if key is None:
            return None
        parts.append(key)
        node = node.value
    if not isinstance(node, ast.Name) or node.id != "spec":
        return None
    return tuple(reversed(parts))


def _key(node: ast.Attribute | ast.Subscript) -> str | int | None:
    """The attribute or the constant index of a node; None for any other index."""
    if isinstance(node, ast.Attribute):
        return node.attr
    if not isinstance(node.slice, ast.Constant):
        return None
    key = node.slice.value
    if isinstance(key, bool) or not isinstance(key, (str, int)):
        return None
    return key


def dotted(node: ast.AST) -> str | None:
    """`np.random.rand` for the node of that name; None if it is not a name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    root = "np" if node.id == "numpy" else node.id
    return ".".join((root, *reversed(parts)))
