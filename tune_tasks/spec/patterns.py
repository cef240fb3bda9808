"""Regular expressions of a spec, in time that grows with the text alone. Pure.

Python's own engine may take longer than anybody lives for `(a+)+$` and thirty letters, in the
driver, where nobody could end it. Rust's, which pydantic brings, has no look-around and no back
references, and can do without trying again.
"""

from __future__ import annotations

import functools

from pydantic_core import SchemaError, SchemaValidator, core_schema

_INDENT = 4
"""Of the pattern and of the mark below it, in a message of Rust's."""


def found(pattern: str, text: str) -> bool:
    """Return whether a pattern is found anywhere in a text.

    Raises:
        ValueError: If it is not a regular expression; says what is wrong, and where.
    """
    return _compiled(pattern).isinstance_python(text)


def check_pattern(pattern: str) -> None:
    """Check a pattern; raises as `found` does."""
    _compiled(pattern)


@functools.lru_cache(maxsize=1_000)
def _compiled(pattern: str) -> SchemaValidator:
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern))
    except SchemaError as exc:
        raise ValueError(_in_our_words(str(exc))) from None


def _in_our_words(message: str) -> str:
    """Rust's message in one line.

    It shows the pattern, then a line of marks below the characters that it is about, then what is
    wrong with them.
    """
    lines = message.splitlines()
    problem = lines[-1].removeprefix("error: ").replace("  SchemaError: ", "")
    marks = [line for line in lines if line.strip() and not line.strip(" ^")]
    if not marks:
        return problem
    character = len(marks[0]) - len(marks[0].lstrip()) - _INDENT + 1
    return f"{problem}, at its character {character}"
