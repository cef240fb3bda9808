"""Users' text as it may be shown and sent.

No control characters, nothing that UTF-8 cannot hold, no longer than its place.

A NUL makes PostgreSQL refuse a whole batch of Prefect's logs, half a surrogate pair is refused by
every JSON client, an ESC moves the cursor of a terminal.
"""

from __future__ import annotations

import re

ONE_LINE = 200
"""Characters of a text in one line, at most."""
_MOST = 200_000
"""Characters of a text in many lines, at most: it travels with a trial's outcome."""
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
# Control characters but tab and newline, separators of lines that are none in a file, marks that
# turn the direction of writing, halves of surrogate pairs.
_UNSHOWABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_OF_LINES = re.compile("[\t\n]")


def showable(text: str) -> str:
    """The text with its lines.

    Without terminal colours, what cannot be shown escaped, its middle cut if it is huge.
    """
    if len(text) > _MOST:
        half = _MOST // 2
        text = f"{text[:half]}\n… {len(text) - 2 * half:,} characters left out …\n{text[-half:]}"
    return _UNSHOWABLE.sub(_escaped, _COLOUR.sub("", text.replace("\r\n", "\n")))


def escaped(text: str) -> str:
    """The text in one line: the same, and the ends of its lines are escaped."""
    # Nearly every text: the names of many trials are made by this
    if text.isascii() and text.isprintable():
        return text
    return _OF_LINES.sub(_escaped, _UNSHOWABLE.sub(_escaped, _COLOUR.sub("", text)))


def one_line(text: str, length: int = ONE_LINE) -> str:
    """The text in one line of at most `length` characters."""
    line = escaped(text[: 8 * length])  # a text may have millions
    return line if len(line) <= length and len(text) <= 8 * length else f"{line[: length - 1]}…"


def cut_lines(text: str, length: int = 1_000) -> str:
    """The text with each of its lines cut.

    A warning or an error may quote a name or a value of any length.
    """
    return "\n".join(one_line(line, length) for line in text.split("\n"))


def printed(text: str, encoding: str | None) -> str:
    """The text with its lines as a stream of that encoding can print it."""
    encoding = encoding or "utf-8"
    return showable(text).encode(encoding, "backslashreplace").decode(encoding)


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


# Without braces a variable is in capitals: `^a$b`, `$x^2$` and `Hello $name` are somebody's own.
VARIABLE = re.compile(r"\$(?:\{[A-Za-z_]\w{0,60}[^}]{0,60}\}|[A-Z_][A-Z0-9_]*(?![\w$^]))")


def not_replaced(value: object) -> str:
    """What to add to an error that arises from a text with a variable in it.

    Empty for any other.
    """
    return (
        "; variables are not replaced" if isinstance(value, str) and VARIABLE.search(value) else ""
    )
