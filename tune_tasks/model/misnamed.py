"""What a metric was meant to be called that no report has: for warnings and errors. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Any

from tune_tasks.errors import did_you_mean
from tune_tasks.model.text import left_out, one_line
from tune_tasks.result import STOP_METRICS, tracked_metrics

_LISTED = 8
_BETWEEN_WORDS = re.compile(r"[\W_]+|(?<=[a-z])(?=[A-Z])")
_SHORTEST = 4
"""The letters that a word has at least of which another is a misspelling: `mse` and `mae`."""
_PROPER = {
    *("macro", "micro", "mean", "median", "rmse", "rmae", "rmsle", "nmse", "nmae", "mape", "mase"),
    *("auroc", "aurc", "aupr", "test", "text"),
}
"""Words that are near to each other, and each a word of its own."""
_DIGITS = re.compile(r"\d+")


def names_in(row: Mapping[str, Any]) -> list[str]:
    """Return the metrics that a report has of its script's own, in the report's order."""
    return [name for name, _ in tracked_metrics(row)]


def slip_of(name: str, row: Mapping[str, Any]) -> str | None:
    """Return the metric of a report of which a name is most likely a misspelling, or None.

    `f1_macro` and `f1_micro` are two metrics, and one may be reported more rarely. So all words but
    one have to be the same, and in that one a letter is wrong, too many or missing, or two of them
    are swapped.
    """
    others = dict.fromkeys(
        [*names_in(row), *(each for each in STOP_METRICS if row.get(each) is not None)]
    )
    return next((other for other in others if _is_slip(name, other)), None)


def _is_slip(name: str, other: str) -> bool:
    if _DIGITS.findall(name) != _DIGITS.findall(other):
        return False  # top1 and top5
    words, other_words = _words(name), _words(other)
    if "".join(words) == "".join(other_words):
        return bool(words)
    if len(words) != len(other_words):
        return False
    pairs = [pair for pair in zip(words, other_words, strict=True) if len(set(pair)) > 1]
    return len(pairs) == 1 and _is_mistyped(*pairs[0])


def _words(name: str) -> list[str]:
    return [word.casefold() for word in _BETWEEN_WORDS.split(name) if word]


def _is_mistyped(word: str, other: str) -> bool:
    if word[0] != other[0] or min(len(word), len(other)) < _SHORTEST:
        return False
    # In Chinese one sign is a word
    if not (word + other).isascii() or _PROPER.issuperset((word, other)):
        return False
    start = _alike(word, other)
    rest, other_rest = word[start:], other[start:]
    end = _alike(rest[::-1], other_rest[::-1])
    rest, other_rest = rest[: len(rest) - end], other_rest[: len(other_rest) - end]
    is_swap = len(rest) == 2 and rest == other_rest[::-1]
    return is_swap or max(len(rest), len(other_rest)) == 1


def _alike(word: str, other: str) -> int:
    """Return how many letters two words have in common at their beginning."""
    pairs = zip(word, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def meant_and_reported(name: str, row: Mapping[str, Any], who: str = "it reports") -> str:
    """Return `; did you mean 'x'? it reports: x, y`, without the first part if nothing is near."""
    names = names_in(row)
    slip = slip_of(name, row)
    meant = f"; did you mean {one_line(slip)!r}?" if slip else did_you_mean(name, names)
    return f"{meant or ';'} {who}: {_listed(names)}"


def _listed(names: Sequence[str]) -> str:
    shown: Iterable[str] = (one_line(name) for name in names[:_LISTED])
    return ", ".join([*shown, *left_out(len(names), _LISTED)]) or "no metric"
