"""The hyperparameters of a Determined experiment as settings of ours. Pure.

Source: the experiment configuration reference of docs.determined.ai, and the sampler and the grid
of github.com/determined-ai/determined (master/pkg/searcher). Bounds are inclusive there as here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tune_tasks.convert.draft import MOST_OF_A_GRID, Setting
from tune_tasks.convert.exact import between, exact, raised, shown
from tune_tasks.convert.given import Given
from tune_tasks.errors import did_you_mean
from tune_tasks.spec.search_parsing import holds_marker

_TYPE = "type"
_KEYS = ("type", "val", "vals", "minval", "maxval", "base", "count")


def is_hyperparameter(value: Any) -> bool:
    """Whether a value has a type; a mapping without one is a mapping of hyperparameters."""
    return isinstance(value, Mapping) and _TYPE in value


def constant_of(given: Given, key: str) -> Any:
    """A value that is the same in every trial, and means the same here.

    Raises:
        SpecError: If it looks like a domain of ours.
    """
    value = given.take(key)
    if holds_marker(value):
        problem = "a value that holds a mapping such as {choice: [...]} would be searched here"
        raise given.error(problem, key)
    return value


def setting_of(given: Given, *, is_grid: bool) -> Setting:
    """A hyperparameter with a type as a setting.

    Args:
        given: The hyperparameter.
        is_grid: Whether the searcher is a grid.

    Raises:
        SpecError: If it is not one.
    """
    name = given.needed_text(_TYPE, _TYPES)
    made = _TYPES[name](given)
    made.expect_valid(given)
    if is_grid:
        count = given.whole("count", least=1)
        made = _in_grid(given, made, count) if name in _POINTS else _listed(made)
    notes = [_useless(given, key, name) for key in given.rest()]
    return made.with_notes(notes)


def _useless(given: Given, key: str, name: str) -> str:
    if key == "count":
        return f"{given.cited(key)} is left out: it is for the searcher grid"
    hint = "" if key in _KEYS else did_you_mean(key, _KEYS)
    return f"{given.cited(key)} is left out: it says nothing about {name}{hint}"


# ── Types ─────


def _const(given: Given) -> Setting:
    if "val" not in given:
        given.expect("val")
    return Setting(constant_of(given, "val"))


def _categorical(given: Given) -> Setting:
    given.listed("vals")
    return Setting({"choice": constant_of(given, "vals")})


def _bounds(given: Given) -> tuple[Any, Any]:
    low, high = given.number("minval"), given.number("maxval")
    if low > high:
        raise given.error(f"minval {low} is above maxval {high}", "minval")
    return low, high


def _int(given: Given) -> Setting:
    low, high = _bounds(given)
    for key, end in (("minval", low), ("maxval", high)):
        if end != int(end):
            raise given.error(f"int takes whole numbers, got {end}", key)
    return Setting({"int": [int(low), int(high)]})


def _double(given: Given) -> Setting:
    return Setting({"uniform": list(_bounds(given))})


def _log(given: Given) -> Setting:
    low, high = _bounds(given)
    base = _base(given)
    ends = sorted(_power(given, base, exponent) for exponent in (low, high))
    return Setting({"loguniform": ends}, (f"log {shown([low, high])} are exponents of {base}",))


def _base(given: Given) -> Any:
    base = given.number("base")
    if base <= 0:
        raise given.error(f"expected a number above 0, got {base}", "base")
    return base


def _power(given: Given, base: float, exponent: float) -> Any:
    try:
        return raised(float(base), exponent)
    except ValueError as exc:
        raise given.error(f"log takes exponents: {exc}", "maxval") from None


_TYPES: Mapping[str, Callable[[Given], Setting]] = {
    "const": _const,
    "categorical": _categorical,
    "int": _int,
    "double": _double,
    "log": _log,
}


# ── The grid ─────


def _listed(made: Setting) -> Setting:
    if isinstance(made.value, dict) and "choice" in made.value:
        return Setting({"grid_search": made.value["choice"]}, made.notes)
    return made


def _in_grid(given: Given, made: Setting, count: int | None) -> Setting:
    """So many points of a domain, evenly spaced on its scale; of one, the one in the middle."""
    given.expect("count")
    if count is None or count > MOST_OF_A_GRID:
        raise given.error(f"at most {MOST_OF_A_GRID:,} points of a grid are written", "count")
    ((name, (low, high)),) = made.value.items()
    points = _POINTS[given.take(_TYPE)](given, low, high, count)
    note = f"{count} points of {{{name}: {shown([low, high])}}}"
    return Setting({"grid_search": points}, (*made.notes, note))


def _whole_points(_given: Given, low: int, high: int, count: int) -> list[Any]:
    return [round(number) for number in between(low, high, min(count, high - low + 1))]


def _even_points(_given: Given, low: float, high: float, count: int) -> list[Any]:
    return [exact(number) for number in between(float(low), float(high), count)]


def _log_points(given: Given, _low: float, _high: float, count: int) -> list[Any]:
    base = _base(given)
    return [_power(given, base, exponent) for exponent in between(*_bounds(given), count)]


_POINTS: Mapping[str, Callable[[Given, Any, Any, int], list[Any]]] = {
    "int": _whole_points,
    "double": _even_points,
    "log": _log_points,
}
"""How the points of a grid are made, by type."""
