"""The syntax of the eval language: parses a text, and words the refusal of foreign syntax.

Python's parser is used, and nothing of the text is executed.
"""

from __future__ import annotations

import ast
import warnings

from tune_tasks.errors import ExpressionError
from tune_tasks.spec.expressions.values import shortened

MAX_SOURCE = 10_000
"""Characters of an expression."""
MAX_DEPTH = 100
"""Nested nodes of an expression."""

_NAMES: dict[type[ast.AST], str] = {
    ast.Lambda: "lambda",
    ast.JoinedStr: "an f-string",
    ast.NamedExpr: "an assignment (:=)",
    ast.Starred: "unpacking with *",
    ast.Await: "await",
    ast.Yield: "yield",
    ast.YieldFrom: "yield",
    ast.Set: "a set",
    ast.SetComp: "a set comprehension",
    ast.DictComp: "a dict comprehension",
    ast.MatMult: "the operator @",
    ast.Is: "the operator 'is' (use ==)",
    ast.IsNot: "the operator 'is not' (use !=)",
}
"""The syntax of Python that somebody may try here, in words."""


def parsed(source: str) -> ast.expr:
    """Parse an expression.

    Raises:
        ExpressionError: If it is too long, nested too deeply, or not an expression.
    """
    if len(source) > MAX_SOURCE:
        raise ExpressionError(
            f"an expression has at most {MAX_SOURCE:,} characters, this one {len(source):,}"
        )
    tree = _tree(source)
    if _depth(tree) > MAX_DEPTH:
        raise ExpressionError(f"an expression is nested at most {MAX_DEPTH} deep")
    return tree.body


def _tree(source: str) -> ast.Expression:
    try:
        with warnings.catch_warnings():
            # What one version of Python warns of, the next one refuses.
            warnings.simplefilter("error")
            return ast.parse(source.strip(), mode="eval")
    except SyntaxError as error:
        reason = error.msg
    except (MemoryError, RecursionError, ValueError, Warning) as error:
        reason = shortened(str(error) or "too deeply nested")
    raise ExpressionError(f"{shortened(source)!r} is not an expression: {reason}")


def _depth(tree: ast.AST) -> int:
    # Level by level, because a recursion would meet Python's limit before ours.
    depth = 0
    level = [tree]
    while level:
        depth += 1
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    return depth


def refused(what: str) -> ExpressionError:
    """The error for something that is not part of the language."""
    return ExpressionError(f"{what} is not part of the eval language")


def refused_node(node: ast.AST, kind: str) -> ExpressionError:
    """The error for a node that is not part of the language.

    Args:
        node: The node.
        kind: What it is called if it has no name of its own: `the syntax`, `the operator`.
    """
    return refused(_NAMES.get(type(node), f"{kind} {type(node).__name__}"))
