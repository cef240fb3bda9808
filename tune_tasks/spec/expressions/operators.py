"""The operators of the eval language, with bounds on what they make."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable

from tune_tasks.spec.expressions import with_numpy
from tune_tasks.spec.expressions.run import Run
from tune_tasks.spec.expressions.values import (
    MAX_BITS,
    LimitError,
    Value,
    bounded,
    is_array,
    listed,
)


def operate(run: Run, operation: Callable[..., Value], *operands: Value) -> Value:
    """The result of an operator, whose operands and result are paid for."""
    run.weigh(*operands)
    if operation not in (_contains, _lacks) and any(is_array(value) for value in operands):
        result = with_numpy.elementwise(run, operation, *operands)
    else:
        if len(operands) == 2:
            _check(operation, *operands)
        result = operation(*operands)
    run.weigh(result)
    return result


def _check(operation: Callable[..., Value], left: Value, right: Value) -> None:
    """Refuse what would be too large, before it is made."""
    if isinstance(left, int) and isinstance(right, int):
        _check_integers(operation, left, right)
    elif operation is operator.mod and isinstance(left, str):
        raise TypeError("formatting with % is not part of the eval language")
    elif operation is operator.mul:
        _check_repetition(left, right)
        _check_repetition(right, left)


def _check_integers(operation: Callable[..., Value], left: int, right: int) -> None:
    bits = 0
    if operation is operator.pow:
        bits = left.bit_length() * right
    elif operation is operator.lshift:
        bits = right
    if bits > MAX_BITS:
        raise LimitError(f"an integer would have more than {MAX_BITS} bits")


def _check_repetition(items: Value, times: Value) -> None:
    if isinstance(items, (str, list, tuple)) and isinstance(times, int):
        bounded(len(items) * times)


def _contains(left: Value, right: Value) -> bool:
    return listed(left) in listed(right)


def _lacks(left: Value, right: Value) -> bool:
    return not _contains(left, right)


OPERATORS: dict[type[ast.AST], Callable[..., Value]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
    ast.BitXor: operator.xor,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Invert: operator.invert,
    ast.Not: operator.not_,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: _contains,
    ast.NotIn: _lacks,
}
