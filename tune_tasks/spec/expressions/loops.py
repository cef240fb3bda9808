"""Builds list comprehensions and generator expressions, whose loops pay for each turn."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tune_tasks.errors import ExpressionError
from tune_tasks.spec.expressions.functions import RESERVED
from tune_tasks.spec.expressions.run import Run
from tune_tasks.spec.expressions.scope import Code, Scope
from tune_tasks.spec.expressions.syntax import refused
from tune_tasks.spec.expressions.values import Value, items_of, listed, shortened

_MAX_LOOPS = 5


@dataclass(frozen=True)
class _Loop:
    """One `for names in source if conditions` of a comprehension.

    Attributes:
        source: What it loops over.
        names: The names that each turn binds.
        unpacks: Whether the names are written as a tuple.
        conditions: The conditions for a turn.
    """

    source: Code
    names: list[str]
    unpacks: bool
    conditions: list[Code]

    def bind(self, run: Run, item: Value) -> bool:
        """Bind the names for one turn; returns whether the conditions hold."""
        values = items_of(item) if self.unpacks else [item]
        if len(values) != len(self.names):
            raise ValueError(f"expected {len(self.names)} values to unpack, got {len(values)}")
        run.names.update(zip(self.names, values, strict=True))
        return all(condition(run) for condition in self.conditions)


def build_comprehension(node: ast.ListComp | ast.GeneratorExp, scope: Scope) -> Code:
    """Build a comprehension. The value of a generator expression is a list, too."""
    if len(node.generators) > _MAX_LOOPS or any(each.is_async for each in node.generators):
        raise refused("a comprehension of more than 5 loops, or an asynchronous one,")
    cost_of_a_turn = sum(1 for _ in ast.walk(node))
    loops = []
    for generator in node.generators:
        loop = _built_loop(generator, scope)
        loops.append(loop)
        scope = scope.inside_loop(loop.names)
    element = scope.build(node.elt)

    def code(run: Run) -> Value:
        outer = run.names
        run.names = dict(outer)
        value = [listed(element(run)) for _ in _turns(run, loops, cost_of_a_turn)]
        run.names = outer
        run.weigh(value)
        return value

    return code


def _built_loop(generator: ast.comprehension, scope: Scope) -> _Loop:
    source = scope.build(generator.iter)
    names = _targets(generator.target)
    inside = scope.inside_loop(names)
    return _Loop(
        source=source,
        names=names,
        unpacks=not isinstance(generator.target, ast.Name),
        conditions=[inside.build(condition) for condition in generator.ifs],
    )


def _targets(node: ast.AST) -> list[str]:
    targets: Sequence[ast.AST] = [node]
    if isinstance(node, (ast.Tuple, ast.List)):
        targets = node.elts
    return [_target(target) for target in targets]


def _target(node: ast.AST) -> str:
    if not isinstance(node, ast.Name):
        raise refused("a loop target that is neither a name nor a tuple of names")
    if node.id in RESERVED or node.id.startswith("__"):
        raise ExpressionError(f"{shortened(node.id)} cannot be the name of a loop")
    return node.id


def _turns(run: Run, loops: Sequence[_Loop], cost: int) -> Iterator[None]:
    """Yield once for each turn of the innermost loop, its names bound."""
    if not loops:
        yield
        return
    loop, *inner = loops
    for item in items_of(loop.source(run)):
        run.spend(cost)
        if loop.bind(run, item):
            yield from _turns(run, inner, cost)
