"""pydantic's words for what is wrong with a value, and ours. Pure."""

from __future__ import annotations

import re

_WORDS = {
    r"^Input should be ": "expected ",
    r"^expected (greater|less)": r"expected a number \1",
    r"^(?:List|Dictionary) should have at least 1 item after validation, not 0": (
        "expected at least one item"
    ),
    r"^String should have at least 1 character": "expected a text that is not empty",
    r"(?i)dictionary": "mapping",
    r" or instance of \w+": "",
}
"""Patterns of pydantic's, and ours; replaced in this order."""


def in_our_words(message: str) -> str:
    """Return a message of pydantic's in the words of all other errors of a spec."""
    for theirs, ours in _WORDS.items():
        message = re.sub(theirs, ours, message)
    return message
