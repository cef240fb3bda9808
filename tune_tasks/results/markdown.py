"""Tables in Markdown. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any


def table(columns: Iterable[Any], rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    """Yield a table with an empty line behind it."""
    columns = list(columns)
    yield table_line(columns)
    yield table_line(["---"] * len(columns))
    yield from map(table_line, rows)
    yield ""


def table_line(cells: Iterable[Any]) -> str:
    """Return a row of a table."""
    texts = [str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells]
    return f"| {' | '.join(texts)} |"
