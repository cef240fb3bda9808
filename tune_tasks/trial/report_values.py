"""Turns what a script reports into values that JSON holds: numbers, texts, lists and dicts.

Scripts report what their libraries give them: NumPy scalars, tensors of one element, Decimals.
"""

from __future__ import annotations

import contextlib
import json
import math
import numbers
from collections.abc import Mapping
from typing import Any

from tune_tasks.errors import ReportError
from tune_tasks.model.result_file import MOST_STEPS
from tune_tasks.result import REPORTED_METRICS, TrainingResult

_SHOWN_LENGTH = 80
_KEPT_LENGTH = 10_000
_SCRIPT_FIELDS = (*REPORTED_METRICS, "neg_mean_loss")


def checked_fields(result: TrainingResult) -> dict[str, Any]:
    """The fields that a script has set, as plain values.

    Raises:
        ReportError: If one has a value that it cannot have.
    """
    row: dict[str, Any] = {"timesteps_total": _timesteps(result.timesteps_total)}
    for name in _SCRIPT_FIELDS:
        value = getattr(result, name)
        if value is not None:
            row[name] = value if type(value) is float else _number(name, value)
    if row.get("mean_loss") is not None:
        row["neg_mean_loss"] = -row["mean_loss"]
    if result.info is not None:
        row["info"] = _plain_info(result.info)
    if _flag("done", result.done):
        row["done"] = True
    return row


def encoded(row: Mapping[str, Any]) -> bytes:
    """The row as JSON without the closing brace.

    Raises:
        ReportError: If JSON cannot hold it.
    """
    try:
        return json.dumps(row, default=_plain).encode()[:-1]
    except (TypeError, ValueError, RecursionError) as exc:
        raise ReportError(f"info: expected values that JSON can hold: {exc}") from exc


def mapping(info: object) -> Mapping[Any, Any]:
    """`info`, which has to be a mapping.

    Raises:
        ReportError: If it is not.
    """
    if not isinstance(info, Mapping):
        raise ReportError(f"info: expected a dict of further metrics, got {_shown(info)}")
    return info


def _timesteps(value: object) -> int:
    if value is None:
        raise ReportError("timesteps_total is required: the number of training steps so far")
    number = _number("timesteps_total", value)
    is_whole = 0 <= number < MOST_STEPS and number == number // 1
    if not is_whole:
        raise ReportError(f"timesteps_total: expected a whole number >= 0, got {_shown(value)}")
    return int(number)


def _number(name: str, value: Any) -> int | float:
    """A Python number from anything that is one: NumPy scalars, tensors of one element, Decimal."""
    if isinstance(value, (str, bytes, bool)) or not hasattr(value, "__float__"):
        raise ReportError(f"{name}: expected a number, got {_shown(value)}")
    try:
        if isinstance(value, numbers.Integral):
            return _integer(int(value))
        return float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError) as exc:
        raise ReportError(f"{name}: expected a number, got {_shown(value)}") from exc


def _integer(value: int) -> int | float:
    """The integer, or the nearest float if 64 bits do not hold it: no tracker could take it."""
    if -(2**63) <= value < 2**63:
        return value
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _flag(name: str, value: object) -> bool:
    if value is None or isinstance(value, bool):
        return bool(value)
    # NumPy's booleans are not Python's. Comparing an array raises.
    with contextlib.suppress(TypeError, ValueError, RuntimeError):
        if value in (0, 1):
            return bool(value)
    raise ReportError(f"{name}: expected True or False, got {_shown(value)}")


def _plain_info(info: object) -> dict[str, Any]:
    try:
        return {str(key): _plain_value(value) for key, value in mapping(info).items()}
    except RecursionError:
        raise ReportError("info: expected plain values, got some nested without end") from None


def _plain_value(value: Any) -> Any:
    if value is None or type(value) in (float, bool, str):
        return value
    if isinstance(value, (int, float, str)):
        return _of_plain_type(value)
    if isinstance(value, Mapping):
        return {str(key): _plain_value(item) for key, item in value.items()}
    return _plain(value)


def _of_plain_type(value: float | str) -> int | float | str:
    """A value of a subclass of a plain type (numpy.float64, an IntEnum) as one of that type."""
    if isinstance(value, int):
        return _integer(int(value))
    if isinstance(value, float):
        return float(value)
    return str.__str__(value)


def _plain(value: Any) -> Any:
    """What JSON can hold of a value that it does not know."""
    if hasattr(value, "tolist"):  # NumPy and torch
        return value.tolist()
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain_value(item) for item in value]
    if isinstance(value, numbers.Real):
        return float(value)
    return _shown(value, _KEPT_LENGTH)


def _shown(value: object, length: int = _SHOWN_LENGTH) -> str:
    """The value for a message: a short text, even if its `repr` raises."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - user code
        text = f"a {type(value).__name__}"
    if len(text) <= length:
        return text
    return f"{text[: length - 1]}…"
