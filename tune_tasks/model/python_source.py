"""Reads from a Python file's text what it defines; nothing of the file is executed."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from pathlib import Path

MAX_SCRIPT_BYTES = 2_000_000
"""A larger script is refused, because Python's parser takes hundreds of times its size."""

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def parsed(path: Path) -> ast.Module:
    """Return a script's syntax tree.

    Raises:
        ValueError: If it is not Python, is too large or cannot be read; the message names the file
            and the line.
    """
    try:
        with warnings.catch_warnings():
            # Python warns again when the script runs, in the trial's log.
            warnings.simplefilter("ignore")
            return ast.parse(_read(path), str(path))
    except SyntaxError as exc:
        place = _place(exc)
        raise ValueError(f"{path}{place}: the script is not valid Python: {exc.msg}") from exc
    except (OSError, RecursionError, MemoryError) as exc:
        raise ValueError(f"cannot read the script {path}: {exc}") from exc


def bound_names(tree: ast.Module) -> Iterator[str]:
    """Yield the names that the module's own statements bind, those in `if` and `try` included.

    A star import gives "*".
    """
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, _DEFINITIONS):
            # What a function or class binds in its body is not a name of the module.
            yield node.name
            continue
        pending.extend(ast.iter_child_nodes(node))
        if isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def function_names(tree: ast.Module) -> list[str]:
    """Return the functions that the module defines at its top, sorted."""
    return sorted(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        source = file.read(MAX_SCRIPT_BYTES + 1)
    if len(source) > MAX_SCRIPT_BYTES:
        raise ValueError(
            f"{path}: the script has more than {MAX_SCRIPT_BYTES:,} bytes; move data into files"
            " of its own"
        )
    # Looked for here, because Python's own error names no line
    nul = source.find(0)
    if nul >= 0:
        line = source.count(b"\n", 0, nul) + 1
        raise ValueError(f"{path}:{line}: the script is not valid Python: it holds a NUL byte")
    return source


def _place(error: SyntaxError) -> str:
    """Return `:line:column`, as far as the error has them: some have 0, -1 or None."""
    numbers = (error.lineno, error.offset)
    return "".join(f":{number}" for number in numbers if number and number > 0)
