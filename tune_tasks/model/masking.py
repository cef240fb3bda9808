"""Masks the secrets of a config, wherever a config is shown, stored or sent. Pure.

`train()` gets the values; nothing else of ours does. These are secrets:

- a text that has a name such as `api_key`, `hf_token`, `clientSecret` or `DB_PASSWORD`;
- every text below such a name (`credentials: {user: …, key: …}`);
- the password of an address (`postgresql://me:…@host`);
- a number that is called a password. Other numbers are not: `max_tokens` and `token_dim` are
  settings.
"""

from __future__ import annotations

import functools
import re
import reprlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tune_tasks.model.paths import NodePath, dotted, leaves

MASK = "***"

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_PASSWORDS = ("password", "passwd", "passphrase", "pwd")
_SECRETS = ("password", "passwd", "passphrase", "secret", "credential", "authorization")
_KEYS = re.compile(
    "(access|account|api|auth|encryption|license|private|service|signing|ssh|storage|subscription)keys?$"
)
# A name that ends with one of these says where the secret is, or what it must be like.
_ABOUT = {
    *("dir", "endpoint", "env", "file", "folder", "path", "uri", "url", "var", "variable"),
    *("length", "name", "policy", "type"),
}
# A token may also be a piece of text. That one is named by what it stands for.
_PIECES = {
    *("begin", "bos", "end", "eod", "eos", "eot", "first", "last", "next", "sos", "start", "stop"),
    *(
        "blank",
        "class",
        "cls",
        "delimiter",
        "mask",
        "oov",
        "pad",
        "per",
        "sep",
        "separator",
        "special",
        "think",
        "unk",
    ),
    *(
        "audio",
        "image",
        "input",
        "output",
        "placeholder",
        "prompt",
        "query",
        "sentinel",
        "target",
        "text",
        "video",
    ),
}
# Tokens in the plural are usually counted or listed; these are secrets all the same.
_GRANTS = {"access", "api", "auth", "bearer", "hf", "id", "refresh", "session"}
_ITSELF = {"id", "key", "string", "value"}
_IN_ADDRESS = re.compile(r"(://[^/\s:@]*:)[^/\s@]+@")

_WITH_SECRETS = ("config", "storage", "scheduler", "try_first")
"""The keys of an experiment that may hold secrets."""

_Types = tuple[type, ...]
_TEXT: _Types = (str, bytes)
_NUMBER: _Types = (int, float)


def masked(config: Any) -> Any:
    """Return a copy of a config, or of a value in one, with `***` in place of its secrets."""
    return _masked(config, ())


def masked_by_path(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of values by their dotted paths in a config, their secrets replaced."""
    return {path: _masked(value, _hidden([path])) for path, value in values.items()}


def is_secret(name: str, value: object = "?") -> bool:
    """Whether a value is masked, by its dotted path or because a password is in it."""
    return bool(masked_by_path({name: value})[name] != value)


def short(value: object, path: NodePath = ()) -> str:
    """A value, and where it stands, as messages show it: in few words, and without its secrets."""
    (shown,) = masked_by_path({dotted(path): value}).values()
    return reprlib.repr(shown)


def without_secrets(problem: str, paths: Iterable[NodePath]) -> str:
    """A message without the values that it shows, if one of these settings is a secret."""
    is_any_secret = any(is_secret(dotted(path)) for path in paths)
    return problem.partition(", got ")[0] if is_any_secret else problem


def masked_spec(experiments: Mapping[str, Any]) -> dict[str, Any]:
    """Return a spec, experiments by name, with its secrets replaced."""
    return {name: _masked_experiment(experiment) for name, experiment in experiments.items()}


def secrets_in(config: Any) -> Iterator[NodePath]:
    """Yield the paths of a config's secrets, masked ones included."""
    for path, value in leaves(config):
        if _is_secret(value, _hidden(path)) or _has_password(value):
            yield path


def secrets_of(experiment: Mapping[str, Any]) -> Iterator[NodePath]:
    """Yield the paths of an experiment's secrets, masked ones included."""
    for key in _WITH_SECRETS:
        yield from ((key, *path) for path in secrets_in(experiment.get(key)))


def is_mask(value: object) -> bool:
    """Return whether a secret's value only stands for it."""
    return isinstance(value, str) and (value == MASK or f":{MASK}@" in value)


def _masked_experiment(experiment: Any) -> Any:
    if not isinstance(experiment, Mapping):
        return experiment
    given = [key for key in _WITH_SECRETS if key in experiment]
    return {**experiment, **{key: masked(experiment[key]) for key in given}}


def _masked(value: Any, hidden: _Types) -> Any:
    if isinstance(value, Mapping):
        return {key: _masked(below, hidden + _hidden([key])) for key, below in value.items()}
    if isinstance(value, (list, tuple)):
        return [_masked(item, hidden) for item in value]
    if _is_secret(value, hidden):
        return MASK
    if isinstance(value, str):
        return _IN_ADDRESS.sub(rf"\1{MASK}@", value)
    return value


def _is_secret(value: Any, hidden: _Types) -> bool:
    return isinstance(value, hidden) and not isinstance(value, bool) and value not in ("", b"")


def _has_password(value: Any) -> bool:
    return isinstance(value, str) and _IN_ADDRESS.search(value) is not None


def _hidden(path: Iterable[str | int]) -> _Types:
    """Return the types of values that are secrets under these names, which may be dotted."""
    hidden: _Types = ()
    for name in ".".join(map(str, path)).split("."):
        hidden += _hidden_by(name)
    return hidden


# Cached, because a plan asks for the same few names in every trial
@functools.lru_cache(maxsize=1_000)
def _hidden_by(name: str) -> _Types:
    words = [word.lower() for word in _WORD.findall(name)]
    if not _names_secret(words):
        return ()
    if "".join(words).endswith(_PASSWORDS):
        return _TEXT + _NUMBER
    return _TEXT


def _names_secret(words: list[str]) -> bool:
    if not words or words[-1] in _ABOUT:
        return False
    joined = "".join(words)
    return (
        any(part in joined for part in _SECRETS)
        or "pwd" in words
        or bool(_KEYS.search(joined))
        or _names_token(words)
    )


def _names_token(words: list[str]) -> bool:
    while words and (words[-1] in _ITSELF or words[-1].isdigit()):
        words = words[:-1]
    *_, before, last = ["", "", *words]
    if last == "tokens":
        return before in _GRANTS
    return last.endswith("token") and before not in _PIECES
