"""Checks the nodes of an expression and turns them into code: `build`, by a table of builders.

A node that is not in the table is refused.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable
from typing import Any

from tune_tasks.errors import ExpressionError
from tune_tasks.spec.expressions.calls import build_call
from tune_tasks.spec.expressions.loops import build_comprehension
from tune_tasks.spec.expressions.names import build_name, build_reference, spec_path
from tune_tasks.spec.expressions.operators import OPERATORS, operate
from tune_tasks.spec.expressions.run import Run
from tune_tasks.spec.expressions.scope import Code, Scope
from tune_tasks.spec.expressions.syntax import refused, refused_node
from tune_tasks.spec.expressions.values import MAX_BITS, Value, from_numpy, is_array, listed

_INDICES = {str, bool, int, float, slice}
# None, booleans and lists as indices of an array can make a larger one.
_INDICES_OF_ARRAYS = {int, slice}


def build(node: ast.AST, scope: Scope) -> Code:
    """Check a node and all below it, and turn it into code.

    Raises:
        ExpressionError: If something is not part of the language.
    """
    builder = _BUILDERS.get(type(node))
    if builder is None:
        raise refused_node(node, "the syntax")
    return builder(node, scope)


def _constant(node: ast.Constant, _scope: Scope) -> Code:
    value = node.value
    if value is ...:
        raise refused("...")
    if value is not None and type(value) not in (bool, int, float, str):
        raise refused(f"a {type(value).__name__}")
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise ExpressionError(f"an integer has more than {MAX_BITS} bits")
    return lambda run: value


def _sequence(
    kind: type[list[Value]] | type[tuple[Value, ...]], node: ast.List | ast.Tuple, scope: Scope
) -> Code:
    items = [scope.build(item) for item in node.elts]

    def code(run: Run) -> Value:
        value = kind(listed(item(run)) for item in items)
        run.weigh(value)
        return value

    return code


def _dict(node: ast.Dict, scope: Scope) -> Code:
    items = []
    for key, value in zip(node.keys, node.values, strict=True):
        if key is None:
            raise refused("unpacking with **")
        items.append((scope.build(key), scope.build(value)))

    def code(run: Run) -> Value:
        made = {_checked_key(key(run)): listed(value(run)) for key, value in items}
        run.weigh(made)
        return made

    return code


def _checked_key(key: Value) -> Value:
    if not isinstance(key, (str, int, float)):
        raise TypeError("the keys of a dict are texts or numbers")
    return key


def _operation(node: ast.AST) -> Callable[..., Value]:
    if type(node) not in OPERATORS:
        raise refused_node(node, "the operator")
    return OPERATORS[type(node)]


def _unary(node: ast.UnaryOp, scope: Scope) -> Code:
    operation = _operation(node.op)
    operand = scope.build(node.operand)
    return lambda run: operate(run, operation, operand(run))


def _binary(node: ast.BinOp, scope: Scope) -> Code:
    operation = _operation(node.op)
    left = scope.build(node.left)
    right = scope.build(node.right)
    return lambda run: operate(run, operation, left(run), right(run))


def _boolean(node: ast.BoolOp, scope: Scope) -> Code:
    *others, last = [scope.build(value) for value in node.values]
    is_or = isinstance(node.op, ast.Or)

    def code(run: Run) -> Value:
        for other in others:
            value = other(run)
            if bool(value) is is_or:
                return value
        return last(run)

    return code


def _compare(node: ast.Compare, scope: Scope) -> Code:
    first = scope.build(node.left)
    *chain, last = [
        (_operation(each), scope.build(operand))
        for each, operand in zip(node.ops, node.comparators, strict=True)
    ]

    def code(run: Run) -> Value:
        left = first(run)
        for operation, operand in chain:
            right = operand(run)
            result = operate(run, operation, left, right)
            if not result:
                return result
            left = right
        operation, operand = last
        return operate(run, operation, left, operand(run))

    return code


def _conditional(node: ast.IfExp, scope: Scope) -> Code:
    test = scope.build(node.test)
    body = scope.build(node.body)
    orelse = scope.build(node.orelse)
    return lambda run: body(run) if test(run) else orelse(run)


def _subscript(node: ast.Subscript, scope: Scope) -> Code:
    path = spec_path(node)
    if path is not None:
        return build_reference(path, scope)
    container = scope.build(node.value)
    index = _index(node.slice, scope)

    def code(run: Run) -> Value:
        value = container(run)
        place = index(run)
        _check_index(value, place)
        result = from_numpy(value[place])
        if isinstance(place, (slice, tuple)):
            run.weigh(result)
        return result

    return code


def _index(node: ast.AST, scope: Scope) -> Code:
    if isinstance(node, ast.Tuple):
        parts = [_index(part, scope) for part in node.elts]
        return lambda run: tuple(part(run) for part in parts)
    if not isinstance(node, ast.Slice):
        return scope.build(node)
    ends = [_end(end, scope) for end in (node.lower, node.upper, node.step)]
    return lambda run: slice(*(end(run) for end in ends))


def _end(node: ast.AST | None, scope: Scope) -> Code:
    if node is None:
        return lambda run: None
    return scope.build(node)


def _check_index(value: Value, place: Value) -> None:
    kinds = {type(place)}
    allowed = _INDICES
    if is_array(value):
        allowed = _INDICES_OF_ARRAYS
        if isinstance(place, tuple):
            kinds = set(map(type, place))
    if not kinds <= allowed:
        raise TypeError(f"an index is a number or a slice, not {type(place).__name__}")


_BUILDERS: dict[type[ast.AST], Callable[[Any, Scope], Code]] = {
    ast.Constant: _constant,
    ast.Name: build_name,
    ast.Attribute: build_name,
    ast.List: functools.partial(_sequence, list),
    ast.Tuple: functools.partial(_sequence, tuple),
    ast.Dict: _dict,
    ast.UnaryOp: _unary,
    ast.BinOp: _binary,
    ast.BoolOp: _boolean,
    ast.Compare: _compare,
    ast.IfExp: _conditional,
    ast.Subscript: _subscript,
    ast.ListComp: build_comprehension,
    ast.GeneratorExp: build_comprehension,
    ast.Call: build_call,
}
