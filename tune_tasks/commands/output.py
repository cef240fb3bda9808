"""Standard output and error as several commands use them: JSON, warnings, a reader who has gone."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from textwrap import indent
from typing import Any, TextIO

from tune_tasks.model.text import cut_lines


def print_json(document: Any, out: TextIO) -> None:
    """Print a document as JSON."""
    print(_encoded(document), file=out, flush=True)


def print_json_list(items: Iterable[Any], out: TextIO) -> None:
    """Print a JSON array item by item, because all of its items may not fit into memory."""
    before = "["
    for item in items:
        print(f"{before}\n{indent(_encoded(item), '  ')}", end="", file=out)
        before = ","
    ending = "[]" if before == "[" else "\n]"
    print(ending, file=out, flush=True)


def print_json_streamed(document: Mapping[str, Any], out: TextIO) -> None:
    """Print a document as JSON; each iterator in it is a list, whose items are printed one by one.

    Args:
        document: Objects, of which some have iterators.
        out: Where to.
    """
    for piece in _pieces(document, ""):
        out.write(piece)
    print(file=out, flush=True)


def _pieces(value: Any, margin: str) -> Iterator[str]:
    """Yield the JSON of a value, whose first line follows something, in pieces."""
    inner = f"{margin}  "
    if isinstance(value, Mapping) and value:
        before = "{"
        for key, item in value.items():
            yield f"{before}\n{inner}{json.dumps(key)}: "
            yield from _pieces(item, inner)
            before = ","
        yield f"\n{margin}}}"
    elif isinstance(value, Iterator):
        before = "["
        for item in value:
            yield f"{before}\n{indent(_encoded(item), inner)}"
            before = ","
        yield "[]" if before == "[" else f"\n{margin}]"
    else:
        yield indent(_encoded(value), margin).removeprefix(margin)


def print_warnings(warnings: Iterable[str]) -> None:
    """Print warnings to standard error."""
    for warning in warnings:
        print(cut_lines(f"Warning: {warning}"), file=sys.stderr)


def drop_unread(out: TextIO) -> None:
    """Drop what is left for a reader who has gone: Python would fail to write it at its end."""
    with contextlib.suppress(ValueError):  # it is closed already
        try:
            out.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())


def _encoded(value: Any) -> str:
    return json.dumps(_finite(value), indent=2, default=repr)


def _finite(value: Any) -> Any:
    """Return the value with null in place of NaN and infinity, which JSON does not have."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
