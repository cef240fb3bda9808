"""Values of a spec that look like a search but are not one, and texts that hold variables. Pure.

Another program would replace them. We take them as they are, and say so.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Set
from typing import Any

from tune_tasks.errors import nearest
from tune_tasks.model.paths import NodePath
from tune_tasks.model.text import VARIABLE
from tune_tasks.spec.domains import DOMAINS
from tune_tasks.spec.rewording import Example, in_our_words
from tune_tasks.spec.search_parsing import BESIDE_A_DOMAIN, is_domain

_WANDB = {"values", "value", "min", "max", "distribution", "mu", "sigma", "q", "probabilities"}
_WANDB_RANGES = ["uniform", "int_uniform", "log_uniform_values"]
_DETERMINED = {"type", "val", "vals", "minval", "maxval", "base", "count", "log"}
_LOW_HIGH = {"type", "low", "high", "step", "log"}
_RAY_YAML = {
    *(*DOMAINS, "choices", "sample_from"),
    *("randint", "qrandint", "lograndint", "qlograndint", "randn", "qrandn"),
}
_MARKERS = {"grid_search": list, "eval": str}
_CALL = re.compile(
    r"\s*(?P<tool>(?:ray\.)?tune|hp|trial|(?:np|numpy)\.random|random)"
    r"\.(?P<function>[A-Za-z_]\w*)\((?P<arguments>.*)\)\s*",
    re.DOTALL,
)
_GRID_CALL = re.compile(r"\s*grid_search\((?P<arguments>.*)\)\s*", re.DOTALL)
_SEVERAL = re.compile(r"[,(\[]|\blambda\b")
_TOOLS = {"tune": "Ray Tune's", "ray.tune": "Ray Tune's", "hp": "Hyperopt's", "trial": "Optuna's"}
_WITH_A_LABEL = ("hp", "trial")
"""The tools whose first argument is a label."""
_GENERAL = "write {choice: [...]}, {uniform: [a, b]} or {loguniform: [a, b]}"
_LONGEST = 60
"""Characters of a value that a message repeats."""


def unsearched(config: Mapping[str, Any]) -> Iterator[tuple[NodePath, str]]:
    """The values that only look like a search: the path in `config`, and what to write."""
    for path, value in _values(config, ()):
        message = _about(value) if path else None
        if message:
            yield path, message


def variables(experiment: Mapping[str, Any]) -> Iterator[tuple[NodePath, str]]:
    """The texts of an experiment that hold `$NAME` or `${NAME}`: the path, and what that means."""
    for path, value in _values(experiment, ()):
        found = VARIABLE.search(value) if isinstance(value, str) else None
        if found:
            yield path, f"{found[0]!r} stays as it is: variables are not replaced"


def _values(value: Any, path: NodePath) -> Iterator[tuple[NodePath, Any]]:
    """Every value but the expressions of `eval`, each before what is inside it."""
    if path and path[-1] == "eval":
        return
    yield path, value
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _values(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _values(item, (*path, index))


def _about(value: Any) -> str | None:
    if isinstance(value, Mapping):
        return _about_mapping(value)
    if isinstance(value, str):
        return _about_text(value)
    return None


def _about_mapping(value: Mapping[str, Any]) -> str | None:
    keys = set(value)
    if not keys or keys & _MARKERS.keys() or is_domain(value):
        return None
    shown = ", ".join(map(repr, value))
    if _is_wandbs(keys, value):
        return _not_searched(shown, "Weights & Biases'", _example_of_wandb(value))
    if _is_determineds(keys, value):
        return _not_searched(shown, "Determined's")
    if keys <= _LOW_HIGH and {"type", "low", "high"} <= keys:
        return _not_searched(shown, "another tool's")
    names = keys - {"when"}
    if len(names) == 1:
        (name,) = names
        return _about_pair(name, value[name])
    return _about_a_domain_with_more(value)


def _about_a_domain_with_more(value: Mapping[str, Any]) -> str | None:
    domain = next((key for key, item in value.items() if is_domain({key: item})), None)
    others = value.keys() - {domain, "when"}
    if domain is None or not _is_beside_a_domain(others, value):
        return None
    beside = ", ".join(map(repr, sorted(others)))
    return f"nothing is searched here: {domain!r} stands alone, or beside 'when'; not with {beside}"


def _is_beside_a_domain(others: Set[str], value: Mapping[str, Any]) -> bool:
    """Whether all other keys of a mapping are a search's, too."""
    are_domains = all(is_domain({other: value[other]}) for other in others)
    are_misspelt = all(nearest(other, ["when"]) for other in others)
    return others <= BESIDE_A_DOMAIN or are_domains or are_misspelt


def _is_wandbs(keys: set[str], value: Mapping[str, Any]) -> bool:
    if not keys <= _WANDB:
        return False
    is_range = {"min", "max"} <= keys and "value" not in keys
    return "distribution" in keys or is_range or isinstance(value.get("values"), list)


def _is_determineds(keys: set[str], value: Mapping[str, Any]) -> bool:
    if not keys <= _DETERMINED or "type" not in keys:
        return False
    return {"minval", "maxval"} <= keys or isinstance(value.get("vals"), list)


def _example_of_wandb(value: Mapping[str, Any]) -> Example | None:
    if isinstance(value.get("values"), list):
        return Example.of_values("choice", value["values"])
    ends = [value.get("min"), value.get("max")]
    if any(isinstance(end, bool) or not isinstance(end, (int, float)) for end in ends):
        return None
    are_whole = all(isinstance(end, int) for end in ends)
    usual = "int_uniform" if are_whole else "uniform"
    distribution = value.get("distribution", usual)
    if distribution not in _WANDB_RANGES:
        return None
    return Example.of_values(distribution, ends)


def _about_pair(key: str, item: Any) -> str | None:
    """Return what to say of a mapping with one key."""
    if key in DOMAINS:
        is_list_meant = isinstance(item, Mapping) or (
            isinstance(item, str) and _SEVERAL.search(item)
        )
        form = ", ".join(DOMAINS[key].arguments)
        return f"nothing is searched here: write {{{key}: [{form}]}}" if is_list_meant else None
    meant = _meant_domain(key)
    if meant and isinstance(item, list):
        return f"nothing is searched here: did you mean {meant!r} in place of {key!r}?"
    if key in _RAY_YAML:
        if isinstance(item, list):
            return _not_searched(repr(key), "another tool's", Example.of_values(key, item))
        if isinstance(item, str) and _SEVERAL.search(item):
            return _not_searched(repr(key), "another tool's")
    marker = _misspelt(key)
    if marker and isinstance(item, _MARKERS[marker]):
        return f"nothing is searched here: did you mean {marker!r} in place of {key!r}?"
    return None


def _meant_domain(key: str) -> str | None:
    """The domain that a misspelt name stands for; None for other tools' domains."""
    letters = re.sub(r"[^a-z]", "", key.lower())
    if key in _RAY_YAML:
        return None
    long = {"integer": "int", "loginteger": "logint", "categorical": "choice"}
    if letters in DOMAINS or letters in long:
        return long.get(letters, letters)
    # Of short names too many words are near.
    near = difflib.get_close_matches(letters, [n for n in DOMAINS if len(n) > len("int")], 1, 0.8)
    return near[0] if near else None


def _misspelt(key: str) -> str | None:
    letters = re.sub(r"[^a-z]", "", key.lower())
    if letters == "eval":
        return "eval"
    if letters == "grid" or nearest(letters, ["gridsearch"]):
        return "grid_search"
    return None


def _about_text(text: str) -> str | None:
    grid = _GRID_CALL.fullmatch(text)
    if grid:
        example = Example("grid_search", [grid["arguments"]])
        return _not_searched(repr(_cut(text)), "Ray Tune's", example)
    call = _CALL.fullmatch(text)
    if call is None:
        return None
    tool = call["tool"]
    if tool not in _TOOLS:  # a function of ours, which lacks the `eval` alone
        expression = _cut(text.strip())
        return f"nothing is drawn here: {_cut(text)!r} is a text; write {{eval: '{expression}'}}"
    example = Example.of_call(call["function"], call["arguments"])
    return _not_searched(repr(_cut(text)), _TOOLS[tool], None if tool in _WITH_A_LABEL else example)


def _not_searched(what: str, whose: str, example: Example | None = None) -> str:
    written = in_our_words(example) if example else None
    hint = _GENERAL
    if written and len(written) <= 2 * _LONGEST:
        hint = f"write {written}"
    return f"nothing is searched here: {what}, {whose} way to say it, is taken as it is; {hint}"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
