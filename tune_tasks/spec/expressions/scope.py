"""The surroundings of a node, in which it is checked and built."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from tune_tasks.model.paths import NodePath
from tune_tasks.spec.expressions.run import Run
from tune_tasks.spec.expressions.values import Value

Code: TypeAlias = Callable[[Run], Value]
"""A node that is checked: a function that computes its value in a run."""


@dataclass(frozen=True)
class Scope:
    """The surroundings of a node.

    Attributes:
        builder: Checks any node and turns it into code. The modules that build one kind of node
            reach the others by it, and so need not import one another.
        names: The names that the loops around the node bind.
        references: The settings that the whole expression reads, as far as it is built.
    """

    builder: Callable[[ast.AST, Scope], Code]
    names: frozenset[str] = frozenset()
    references: set[NodePath] = field(default_factory=set)

    def build(self, node: ast.AST) -> Code:
        """Check a node and turn it into code.

        Raises:
            ExpressionError: If it is not part of the language.
        """
        return self.builder(node, self)

    def inside_loop(self, names: Iterable[str]) -> Scope:
        """The scope of what is inside a loop that binds some names."""
        return replace(self, names=self.names.union(names))

    def is_of_loop(self, name: str) -> bool:
        """Return whether a dotted name begins with the name of a loop."""
        return name.partition(".")[0] in self.names
