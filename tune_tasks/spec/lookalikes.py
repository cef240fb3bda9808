"""What a spec holds that another program would replace, and we do not.

Other tools' words for a search, variables. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tune_tasks.errors import nearest
from tune_tasks.model.text import VARIABLE

Path = tuple[str | int, ...]

_WANDB = {"values", "value", "min", "max", "distribution", "mu", "sigma", "q", "probabilities"}
_WANDBS = "Weights & Biases'"
_DETERMINED = {"type", "val", "vals", "minval", "maxval", "base", "count", "log"}
_LOW_HIGH = {"type", "low", "high", "step", "log"}
_RAY_YAML = {
    "choice",
    "choices",
    "uniform",
    "quniform",
    "loguniform",
    "qloguniform",
    "randint",
    "lograndint",
    "randn",
    "sample_from",
}
_MARKERS = {"grid_search": list, "eval": str}
_CALL = re.compile(
    r"\s*(?P<tool>(?:ray\.)?tune|hp|trial|(?:np|numpy)\.random|random)\.(?P<function>[A-Za-z_]\w*)\((?P<arguments>.*)\)\s*",
    re.DOTALL,
)
_GRID_CALL = re.compile(r"\s*grid_search\((?P<arguments>.*)\)\s*", re.DOTALL)
_SEVERAL = re.compile(r"[,(\[]|\blambda\b")
_TOOLS = {"tune": "Ray Tune's", "ray.tune": "Ray Tune's", "hp": "Hyperopt's", "trial": "Optuna's"}
_GENERAL = "write {grid_search: [...]} or {eval: 'random.uniform(a, b)'}"
_LOG = "{{eval: 'math.exp(random.uniform(math.log({}), math.log({})))'}}"
_UNIFORM = "{{eval: 'random.uniform({}, {})'}}"
_WHOLE = "{{eval: 'random.randint({}, {})'}}"
_LONGEST = 60  # characters of a value that a message repeats


def unsearched(config: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """The values that look like a search and are none.

    The path within `config`, and what to write.
    """
    for path, value in _walk(config, ()):
        if path and (message := _mapping(value) if isinstance(value, Mapping) else _text(value)):
            yield path, message


def variables(experiment: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """The texts of an experiment that hold `$NAME` or `${NAME}`: the path, and what that means."""
    for path, value in _walk(experiment, ()):
        if isinstance(value, str) and (found := VARIABLE.search(value)):
            yield path, f"{found[0]!r} stays as it is: variables are not replaced"


def _walk(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Every value, but nothing of an `eval`, and of a `grid_search` what is in its list."""
    if path and path[-1] == "eval":
        return
    yield path, value
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _walk(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _walk(item, (*path, index))


def _mapping(value: Mapping[str, Any]) -> str | None:
    keys = set(value)
    if keys & set(_MARKERS) or not keys:
        return None
    if whose := _owner(keys, value):
        return _nothing(
            ", ".join(map(repr, value)), whose, _of_wandb(value) if whose is _WANDBS else None
        )
    if len(keys) > 1:
        return None
    ((key, item),) = value.items()
    if key in _RAY_YAML and (
        isinstance(item, list) or (isinstance(item, str) and _SEVERAL.search(item))
    ):
        return _nothing(
            repr(key),
            "another tool's",
            _written(key, list(map(repr, item))) if isinstance(item, list) else None,
        )
    plain = re.sub(r"[^a-z]", "", key.lower())
    marker = (
        "eval"
        if plain == "eval"
        else "grid_search"
        if plain == "grid" or nearest(plain, ["gridsearch"])
        else None
    )
    if marker and isinstance(item, _MARKERS[marker]):
        return f"nothing is searched here: did you mean {marker!r} in place of {key!r}?"
    return None


def _owner(keys: set[str], value: Mapping[str, Any]) -> str | None:
    """Whose form of a domain a mapping has; None if it is nobody's."""
    is_range = {"min", "max"} <= keys and "value" not in keys
    if keys <= _WANDB and (
        "distribution" in keys or is_range or isinstance(value.get("values"), list)
    ):
        return _WANDBS
    if (
        keys <= _DETERMINED
        and "type" in keys
        and ({"minval", "maxval"} <= keys or isinstance(value.get("vals"), list))
    ):
        return "Determined's"
    return "another tool's" if keys <= _LOW_HIGH and {"type", "low", "high"} <= keys else None


def _of_wandb(value: Mapping[str, Any]) -> str | None:
    if isinstance(value.get("values"), list):
        return _written("choice", list(map(repr, value["values"])))
    ends = [value.get("min"), value.get("max")]
    if any(isinstance(end, bool) or not isinstance(end, (int, float)) for end in ends):
        return None
    distribution = value.get(
        "distribution", "int_uniform" if all(isinstance(end, int) for end in ends) else "uniform"
    )
    forms = {"uniform": _UNIFORM, "int_uniform": _WHOLE, "log_uniform_values": _LOG}
    return (
        forms[distribution].format(*ends)
        if isinstance(distribution, str) and distribution in forms
        else None
    )


def _text(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    if found := _GRID_CALL.fullmatch(value):
        return _nothing(_short(value), "Ray Tune's", _written("grid_search", [found["arguments"]]))
    if not (found := _CALL.fullmatch(value)):
        return None
    tool = _TOOLS.get(found["tool"])
    if tool is None:  # our own functions, of which only the `eval` is missing
        return (
            f"nothing is drawn here: {_short(value)} is a text; write {{eval:"
            f" '{_short(value.strip(), quoted=False)}'}}"
        )
    arguments = [part.strip() for part in found["arguments"].split(",")]
    whole = (
        [found["arguments"].strip()] if found["arguments"].strip().startswith("[") else arguments
    )
    return _nothing(
        _short(value),
        tool,
        None if found["tool"] in ("hp", "trial") else _written(found["function"], whole),
    )


def _written(function: str, arguments: list[str]) -> str | None:
    """The same in our words; None if there are none as short."""
    if any("'" in part for part in arguments):
        arguments = [part.replace("'", '"') for part in arguments]
    forms: dict[str, Callable[[], str]] = {
        "uniform": lambda: _UNIFORM.format(*arguments),
        "loguniform": lambda: _LOG.format(*arguments),
        "randint": lambda: f"{{eval: 'random.randrange({', '.join(arguments)})'}}",
        "choice": lambda: f"{{grid_search: {_list(arguments)}}}",
        "grid_search": lambda: f"{{grid_search: {_list(arguments)}}}",
    }
    if function in ("uniform", "loguniform", "randint") and len(arguments) != 2:
        return None
    return forms[function]() if function in forms else None


def _list(arguments: list[str]) -> str:
    whole = len(arguments) == 1 and arguments[0].startswith("[")
    return arguments[0] if whole else f"[{', '.join(arguments)}]"


def _nothing(what: str, whose: str, written: str | None) -> str:
    hint = f"write {written}" if written and len(written) <= 2 * _LONGEST else _GENERAL
    return f"nothing is searched here: {what}, {whose} way to say it, is taken as it is; {hint}"


def _short(text: str, *, quoted: bool = True) -> str:
    short = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    return repr(short) if quoted else short
