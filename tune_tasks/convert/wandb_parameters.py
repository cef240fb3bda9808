"""The parameters of a Weights & Biases sweep as settings of ours. Pure.

Source: the schema and the sampler of github.com/wandb/sweeps, and the page "Sweep configuration
options" of its documentation. Bounds are inclusive there as here. What draws in a way that no
domain has stays drawn the same, by an `eval`, and the comment says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from tune_tasks.convert.draft import MOST_OF_A_GRID, Setting
from tune_tasks.convert.exact import exact, raised, shown
from tune_tasks.convert.given import Given
from tune_tasks.errors import did_you_mean
from tune_tasks.spec.search_parsing import holds_marker
from tune_tasks.spec.yaml_1_2 import one_line_of_yaml

_EVAL = "eval"
_DRAWN = "it is drawn as W&B does it, and no model can search it"
_KEYS = (
    *("distribution", "value", "values", "probabilities", "parameters"),
    *("min", "max", "mu", "sigma", "q", "a", "b"),
)
"""The keys of a parameter."""


def setting_of(given: Given, *, is_grid: bool) -> Setting:
    """A parameter as a setting; one that has parameters is not for here.

    Args:
        given: The parameter.
        is_grid: Whether the sweep's method is a grid.

    Raises:
        SpecError: If it is not a parameter.
    """
    name = _distribution(given)
    try:
        made = _made(given, name, is_grid=is_grid)
    except OverflowError:
        raise given.error("its numbers are too large") from None
    made.expect_valid(given)
    return made.with_notes(_useless(given, key, name) for key in given.rest())


def _made(given: Given, name: str, *, is_grid: bool) -> Setting:
    if is_grid and name in _OF_A_GRID:
        return _OF_A_GRID[name](given)
    made = _DISTRIBUTIONS[name](given)
    if is_grid and name != "constant":
        return made.with_notes([f"W&B has no grid over {name}: values of it are drawn here"])
    return made


def _distribution(given: Given) -> str:
    name = given.text("distribution", _DISTRIBUTIONS)
    if name:
        return name
    if "values" in given:
        return "categorical"
    if "value" in given:
        return "constant"
    if "min" in given or "max" in given:
        low, high = given.number("min"), given.number("max")
        return "int_uniform" if isinstance(low, int) and isinstance(high, int) else "uniform"
    hint = next(filter(None, (did_you_mean(key, _KEYS) for key in given)), "")
    raise given.error(f"expected value, values, min and max, a distribution, or parameters{hint}")


def _useless(given: Given, key: str, distribution: str) -> str:
    hint = "" if key in _KEYS else did_you_mean(key, _KEYS)
    return f"{given.cited(key)} is left out: it says nothing about {distribution}{hint}"


# ── Values ─────


def _constant(given: Given) -> Setting:
    if "value" not in given:
        given.expect("value")
    return Setting(_checked(given, "value", given.take("value")))


def _categorical(given: Given) -> Setting:
    values = _checked(given, "values", given.listed("values"))
    weights = given.take("probabilities")
    if weights is None:
        return Setting({"choice": values})
    weights = _weights(given, len(values))
    same = one_line_of_yaml({_EVAL: f"random.choices({values!r}, {weights!r})[0]"})
    note = f"probabilities {weights}: each is as likely as another here; {same} draws as W&B does"
    return Setting({"choice": values}, (note,))


def _weights(given: Given, count: int) -> list[Any]:
    weights = given.listed("probabilities")
    if len(weights) != count:
        problem = f"expected one for each of the {count} values, got {len(weights)}"
        raise given.error(problem, "probabilities")
    return weights


def _grid(given: Given) -> Setting:
    made = _categorical(given)
    return Setting({"grid_search": made.value["choice"]}, made.notes)


def _checked(given: Given, key: str, value: Any) -> Any:
    """A value that means the same here: one that looks like a domain of ours would not."""
    if holds_marker(value):
        problem = "a value that holds a mapping such as {choice: [...]} would be searched here"
        raise given.error(problem, key)
    return value


# ── Bounds ─────


def _bounds(given: Given) -> tuple[Any, Any]:
    low, high = given.number("min"), given.number("max")
    if low > high:
        raise given.error(f"min {low} is above max {high}", "min")
    return low, high


def _values(given: Given) -> tuple[Any, Any]:
    """Bounds above 0."""
    low, high = _bounds(given)
    if low <= 0:
        raise given.error(f"expected a number above 0, got {low}", "min")
    return low, high


def _powers(given: Given, low: float, high: float) -> tuple[Any, Any]:
    """Bounds whose exponents of e are given."""
    try:
        return raised(math.e, low), raised(math.e, high)
    except ValueError as exc:
        values = "; did you mean log_uniform_values, whose bounds are values?"
        raise given.error(f"bounds are exponents: {exc}{values}", "max") from None


def _of_exponents(low: float, high: float, name: str) -> str:
    note = f"{name} {shown([low, high])} are exponents of e"
    if low > 0 and high <= 1:
        note += f"; if values were meant, W&B's {name}_values, it is {shown([low, high])}"
    return note


def _whole_numbers(given: Given) -> Setting:
    low, high = _bounds(given)
    for key, end in (("min", low), ("max", high)):
        if not isinstance(end, int):
            raise given.error(f"int_uniform takes whole numbers, got {end}", key)
    return Setting({"int": [low, high]})


def _grid_of_whole_numbers(given: Given) -> Setting:
    low, high = _whole_numbers(given).value["int"]
    _expect_small(given, high - low + 1)
    return Setting({"grid_search": list(range(low, high + 1))})


def _expect_small(given: Given, count: int) -> None:
    if count > MOST_OF_A_GRID:
        raise given.error(f"a grid of {count:,} values; at most {MOST_OF_A_GRID:,} are written")


def _uniform(given: Given) -> Setting:
    return Setting({"uniform": list(_bounds(given))})


def _log_uniform(given: Given) -> Setting:
    low, high = _bounds(given)
    note = _of_exponents(low, high, "log_uniform")
    return Setting({"loguniform": list(_powers(given, low, high))}, (note,))


def _log_uniform_values(given: Given) -> Setting:
    return Setting({"loguniform": list(_values(given))})


def _inverse(given: Given) -> Setting:
    low, high = _bounds(given)
    note = f"inv_log_uniform {shown([low, high])} are exponents of 1/e: the same as loguniform"
    return Setting({"loguniform": list(_powers(given, -high, -low))}, (note,))


def _inverse_values(given: Given) -> Setting:
    note = "inv_log_uniform_values draws the same as loguniform"
    return Setting({"loguniform": list(_values(given))}, (note,))


# ── Steps ─────


def _step(given: Given) -> Any:
    step = given.number("q", 1)
    if step <= 0:
        raise given.error(f"expected a number above 0, got {step}", "q")
    return step


def _multiple(number: float, step: float) -> Any:
    """The nearest multiple, with W&B's way to round; a whole number if the step is one."""
    return exact(round(number / step) * step)


def _q_uniform(given: Given) -> Setting:
    low, high = _bounds(given)
    step = _step(given)
    ends = [_multiple(low, step), _multiple(high, step)]
    note = f"q_uniform {shown([low, high])}: multiples of {step}, of which the ends are as likely"
    return Setting({"quniform": [*ends, step]}, (f"{note} as the others now, not half as likely",))


def _grid_of_steps(given: Given) -> Setting:
    low, high = _bounds(given)
    step = _step(given)
    count = math.ceil((high - low) / step)
    _expect_small(given, count)
    values = [exact(low + i * step) for i in range(count)] or [low]
    note = f"q_uniform {shown([low, high])}: W&B's grid ends before max"
    return Setting({"grid_search": values}, (note,))


def _q_log_uniform(given: Given) -> Setting:
    low, high = _bounds(given)
    note = _of_exponents(low, high, "q_log_uniform")
    return _log_steps(given, *_powers(given, low, high)).with_notes([note])


def _q_log_uniform_values(given: Given) -> Setting:
    return _log_steps(given, *_values(given))


def _log_steps(given: Given, low: float, high: float) -> Setting:
    step = _step(given)
    first, last = _multiple(low, step), _multiple(high, step)
    if last <= 0:
        raise given.error(f"every value would be rounded to 0: q is {step}", "q")
    if first > 0:
        return Setting({"qloguniform": [first, last, step]}, (f"the ends are multiples of {step}",))
    note = f"0, to which what is below {exact(step / 2)} was rounded, is no value of qloguniform"
    return Setting({"qloguniform": [step, last, step]}, (note,))


# ── Distributions without bounds ─────


def _mean_and_deviation(given: Given) -> tuple[Any, Any]:
    mean, deviation = given.number("mu", 0), given.number("sigma", 1)
    if deviation <= 0:
        raise given.error(f"expected a number above 0, got {deviation}", "sigma")
    return mean, deviation


def _normal(given: Given) -> Setting:
    return Setting({"normal": list(_mean_and_deviation(given))})


def _log_normal(given: Given) -> Setting:
    return Setting({"lognormal": list(_mean_and_deviation(given))})


def _rounded(function: str, domain: str) -> Callable[[Given], Setting]:
    """A distribution whose values are rounded to multiples of q."""

    def make(given: Given) -> Setting:
        mean, deviation = _mean_and_deviation(given)
        step = _step(given)
        searched = f"without the rounding it would be {{{domain}: {shown([mean, deviation])}}}"
        expression = f"round({function}({mean!r}, {deviation!r}) / {step!r}) * {step!r}"
        return Setting({_EVAL: expression}, (f"{_DRAWN}; {searched}",))

    return make


def _shape(given: Given) -> str:
    shape = [given.number(key, 1) for key in ("a", "b")]
    for key, number in zip("ab", shape, strict=True):
        if number <= 0:
            raise given.error(f"expected a number above 0, got {number}", key)
    return f"random.betavariate({', '.join(map(repr, shape))})"


def _beta(given: Given) -> Setting:
    return Setting({_EVAL: _shape(given)}, (_DRAWN,))


def _q_beta(given: Given) -> Setting:
    step = _step(given)
    return Setting({_EVAL: f"round({_shape(given)} / {step!r}) * {step!r}"}, (_DRAWN,))


_DISTRIBUTIONS: Mapping[str, Callable[[Given], Setting]] = {
    "constant": _constant,
    "categorical": _categorical,
    "categorical_w_probabilities": _categorical,
    "int_uniform": _whole_numbers,
    "uniform": _uniform,
    "q_uniform": _q_uniform,
    "log_uniform": _log_uniform,
    "log_uniform_values": _log_uniform_values,
    "q_log_uniform": _q_log_uniform,
    "q_log_uniform_values": _q_log_uniform_values,
    "inv_log_uniform": _inverse,
    "inv_log_uniform_values": _inverse_values,
    "normal": _normal,
    "q_normal": _rounded("random.gauss", "normal"),
    "log_normal": _log_normal,
    "q_log_normal": _rounded("random.lognormvariate", "lognormal"),
    "beta": _beta,
    "q_beta": _q_beta,
}
"""W&B's distributions."""
_OF_A_GRID: Mapping[str, Callable[[Given], Setting]] = {
    "categorical": _grid,
    "categorical_w_probabilities": _grid,
    "int_uniform": _grid_of_whole_numbers,
    "q_uniform": _grid_of_steps,
}
"""Those that W&B's grid takes."""
