"""Builds the calls of an expression. Only the functions of the language can be called."""

from __future__ import annotations

import ast

from tune_tasks.errors import ExpressionError, did_you_mean
from tune_tasks.spec.expressions.functions import FUNCTIONS, Function
from tune_tasks.spec.expressions.names import dotted
from tune_tasks.spec.expressions.run import Run
from tune_tasks.spec.expressions.scope import Code, Scope
from tune_tasks.spec.expressions.syntax import refused
from tune_tasks.spec.expressions.values import Value, shortened

_OF_A_CALL = 5
"""Steps: the time that a call takes beside what its function does."""


def build_call(node: ast.Call, scope: Scope) -> Code:
    """Build a call, whose arguments and result are paid for."""
    name = _called(node.func, scope)
    function = _function(name)
    _check_arguments(name, function, node)
    args = [scope.build(arg) for arg in node.args]
    kwargs = {keyword.arg: scope.build(keyword.value) for keyword in node.keywords if keyword.arg}

    def code(run: Run) -> Value:
        positional = [arg(run) for arg in args]
        named = {key: arg(run) for key, arg in kwargs.items()}
        run.spend(_OF_A_CALL)
        run.weigh(*positional, *named.values())
        result = function.call(run, *positional, **named)
        run.weigh(result)
        return result

    return code


def _called(node: ast.AST, scope: Scope) -> str:
    name = dotted(node)
    if name is not None and not scope.is_of_loop(name):
        return name
    if isinstance(node, ast.Attribute):
        raise refused(f"the method .{shortened(node.attr)}")
    raise refused("calling a value")


def _function(name: str) -> Function:
    if name not in FUNCTIONS:
        hint = did_you_mean(name, FUNCTIONS)
        raise ExpressionError(f"{shortened(name)} is not a function of the eval language{hint}")
    return FUNCTIONS[name]


def _check_arguments(name: str, function: Function, node: ast.Call) -> None:
    _check_unpacking(node)
    names = function.parameters
    given = names[:1]
    if not function.takes_any_number:
        given = names[: len(node.args)]
        if len(node.args) > len(names):
            raise ExpressionError(
                f"{name} takes at most {len(names)} arguments, got {len(node.args)}"
            )
    for keyword in node.keywords:
        key = str(keyword.arg)
        _check_keyword(name, key, names, given)
        given.append(key)
    for required in function.required:
        if required not in given:
            raise ExpressionError(f"{name} needs the argument {required!r}")


def _check_unpacking(node: ast.Call) -> None:
    has_star = any(isinstance(arg, ast.Starred) for arg in node.args)
    has_two_stars = any(keyword.arg is None for keyword in node.keywords)
    if has_star or has_two_stars:
        raise refused("unpacking with *")


def _check_keyword(name: str, key: str, names: list[str], given: list[str]) -> None:
    if key not in names:
        hint = did_you_mean(key, names)
        raise ExpressionError(f"{name} takes no argument {shortened(key)!r}{hint}")
    if key in given:
        raise ExpressionError(f"{name} gets the argument {key!r} twice")
