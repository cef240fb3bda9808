"""Makes users' text fit to be shown and sent, and counts what is left out of a list.

What comes out has no control characters, nothing that UTF-8 cannot hold, and is no longer than its
place. A NUL would make PostgreSQL refuse a whole batch of Prefect's logs, half a surrogate pair is
refused by every JSON client, an ESC moves the cursor of a terminal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

ONE_LINE = 200
"""The most characters of a text in one line."""
_MOST = 200_000
"""The most characters of a text in many lines, which travels with a trial's outcome."""
_LOOKED_AT = 8
"""A text is cut to this many times its length before it is escaped: it may have millions."""
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
# Control characters but tab and newline, separators of lines that end no line of a file, marks that
# turn the direction of writing, halves of surrogate pairs.
_UNSHOWABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_OF_LINES = re.compile("[\t\n]")


def showable(text: str) -> str:
    """Return a text with its lines, escaped where it cannot be shown.

    Terminal colours are removed. The middle of a huge text is left out.
    """
    if len(text) > _MOST:
        half = _MOST // 2
        left_out = f"… {len(text) - 2 * half:,} characters left out …"
        text = f"{text[:half]}\n{left_out}\n{text[-half:]}"
    text = text.replace("\r\n", "\n")
    return _UNSHOWABLE.sub(_escaped, _COLOUR.sub("", text))


def escaped(text: str) -> str:
    """Return a text in one line: as `showable`, but the ends of its lines are escaped, too."""
    # The way of nearly every text, and quick, because the names of all trials go through here
    if text.isascii() and text.isprintable():
        return text
    return _OF_LINES.sub(_escaped, _UNSHOWABLE.sub(_escaped, _COLOUR.sub("", text)))


def one_line(text: str, length: int = ONE_LINE) -> str:
    """Return a text in one line of at most `length` characters."""
    looked_at = text[: _LOOKED_AT * length]
    line = escaped(looked_at)
    if len(line) <= length and len(looked_at) == len(text):
        return line
    return f"{line[: length - 1]}…"


def cut_lines(text: str, length: int = 1_000) -> str:
    """Return a text with each of its lines cut: it may quote a value of any length."""
    return "\n".join(one_line(line, length) for line in text.split("\n"))


def printed(text: str, encoding: str | None) -> str:
    """Return a text as a stream of that encoding can print it, with its lines."""
    encoding = encoding or "utf-8"
    return showable(text).encode(encoding, "backslashreplace").decode(encoding)


def left_out(count: int, most: int, sentence: str = "… {} more") -> Iterator[str]:
    """Yield a sentence with the number of items that are not shown, if there are any.

    It is for the end of a list that is cut: `[*names[:5], *left_out(len(names), 5)]`.

    Args:
        count: How many items there are.
        most: How many of them are shown at most.
        sentence: With `{}` in place of the number.
    """
    if count > most:
        yield sentence.format(count - most)


# Without braces a variable is in capitals: `^a$b`, `$x^2$` and `Hello $name` are somebody's own.
VARIABLE = re.compile(r"\$(?:\{[A-Za-z_]\w{0,60}[^}]{0,60}\}|[A-Z_][A-Z0-9_]*(?![\w$^]))")


def not_replaced(value: object) -> str:
    """Return what an error adds if its value is a text with a variable; an empty text if not."""
    if isinstance(value, str) and VARIABLE.search(value):
        return "; variables are not replaced"
    return ""


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()
