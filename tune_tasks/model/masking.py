"""Secrets in a config.

Known by their usual names, and masked wherever a config is shown, stored or sent. Pure.

`train()` gets the values; nothing else of ours does. A secret is a text that has a name such as
`api_key`, `hf_token`, `clientSecret` or `DB_PASSWORD`, every text below such a name (`credentials:
{user: …, key: …}`), and the password of an address (`postgresql://me:…@host`). A number is one only
if it is called a password: `max_tokens` and `token_dim` are settings.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

MASK = "***"

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_PASSWORDS = ("password", "passwd", "passphrase", "pwd")
_SECRETS = ("password", "passwd", "passphrase", "secret", "credential", "authorization")
_KEYS = re.compile(
    "(access|account|api|auth|encryption|license|private|service|signing|ssh|storage|subscription)keys?$"
)
# A name that ends so says where the secret is, or what it has to be like.
_ABOUT = {
    *("dir", "endpoint", "env", "file", "folder", "path", "uri", "url", "var", "variable"),
    *("length", "name", "policy", "type"),
}
# A token is a piece of text, too. Such are named by what they stand for; in the plural they usually
# are counted or listed.
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
_GRANTS = {"access", "api", "auth", "bearer", "hf", "id", "refresh", "session"}
_ITSELF = {"id", "key", "string", "value"}
_IN_ADDRESS = re.compile(r"(://[^/\s:@]*:)[^/\s@]+@")

_Types = tuple[type, ...]
_TEXT: _Types = (str, bytes)
_NUMBER: _Types = (int, float)


def masked(config: Any) -> Any:
    """A copy of a config, or of a value in one, with its secrets replaced by `***`."""
    return _masked(config, ())


def masked_by_path(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same of values by their dotted paths in a config."""
    return {path: _masked(value, _hidden(path.split("."))) for path, value in values.items()}


def masked_spec(experiments: Mapping[str, Any]) -> dict[str, Any]:
    """A spec, experiments by name, with the secrets of their configs replaced."""
    return {name: _masked_experiment(experiment) for name, experiment in experiments.items()}


def secrets_in(config: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The paths of a config's secrets, and of what stands for them."""
    if isinstance(config, Mapping):
        for key, value in config.items():
            yield from secrets_in(value, (*path, key))
    elif isinstance(config, (list, tuple)):
        for index, value in enumerate(config):
            yield from secrets_in(value, (*path, index))
    elif _is_secret(config, _hidden(path)) or (
        isinstance(config, str) and _IN_ADDRESS.search(config)
    ):
        yield path


def is_mask(value: object) -> bool:
    """Whether a secret's value only stands for it."""
    return isinstance(value, str) and (value == MASK or f":{MASK}@" in value)


def _masked_experiment(experiment: Any) -> Any:
    if not isinstance(experiment, Mapping) or "config" not in experiment:
        return experiment
    return {**experiment, "config": masked(experiment["config"])}


def _masked(value: Any, hidden: _Types) -> Any:
    if isinstance(value, Mapping):
        return {key: _masked(below, hidden + _hidden([key])) for key, below in value.items()}
    if isinstance(value, (list, tuple)):
        return [_masked(item, hidden) for item in value]
    if _is_secret(value, hidden):
        return MASK
    return _IN_ADDRESS.sub(rf"\1{MASK}@", value) if isinstance(value, str) else value


def _is_secret(value: Any, hidden: _Types) -> bool:
    return isinstance(value, hidden) and not isinstance(value, bool) and value not in ("", b"")


def _hidden(path: Iterable[str | int]) -> _Types:
    """The types of what is a secret under these names."""
    hidden: _Types = ()
    for name in path:
        hidden += _hidden_by(str(name))
    return hidden


@functools.lru_cache(maxsize=1_000)
def _hidden_by(name: str) -> _Types:
    """The same under one name; a plan asks for the same few names in every trial."""
    words = [word.lower() for word in _WORD.findall(name)]
    if not _names_secret(words):
        return ()
    return _TEXT + (_NUMBER if "".join(words).endswith(_PASSWORDS) else ())


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
    return (last.endswith("token") and before not in _PIECES) or (
        last == "tokens" and before in _GRANTS
    )
