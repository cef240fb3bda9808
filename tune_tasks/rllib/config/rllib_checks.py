"""RLlib's own checks of a config: what they say, at the key that they are about."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from tune_tasks.errors import ConfigError
from tune_tasks.rllib.config.sorted_keys import Entry, Key

if TYPE_CHECKING:
    from ray.rllib.algorithms.algorithm_config import AlgorithmConfig


@contextlib.contextmanager
def as_config_errors(names: Iterable[str], entries: Mapping[str, Entry]) -> Iterator[None]:
    """Raise what RLlib's code raises as a ConfigError, at the first key that its message names.

    Args:
        names: The settings that the message may be about.
        entries: The entries of all settings.
    """
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:  # RLlib's checks raise errors of any type
        text = " ".join(str(error).partition("\nTo suppress")[0].split())
        message = f"RLlib cannot take it ({type(error).__name__}: {text})"
        if isinstance(error, ValueError) and text:
            message = text
        named = [name for name in names if re.search(rf"\b{re.escape(name)}\b", text)]
        key = entries[named[0]].key if named else ()
        raise ConfigError(message, key) from error


def validate(built: AlgorithmConfig, entries: Mapping[str, Entry]) -> None:
    """Have RLlib check the whole config.

    Raises:
        ConfigError: If RLlib refuses it; at the key that it is about, if one can be found.
    """
    try:
        with as_config_errors(entries, entries):
            built.validate()
    except ConfigError as error:
        raise ConfigError(error.message, error.key or _culprit(built, entries)) from error


def _culprit(built: AlgorithmConfig, entries: Mapping[str, Entry]) -> Key:
    """The first key whose default RLlib accepts in the place of what was given."""
    for name, entry in entries.items():
        if name in vars(built) and _is_valid_without(built, name):
            return entry.key
    return ()


def _is_valid_without(built: AlgorithmConfig, name: str) -> bool:
    without = built.copy(copy_frozen=False)
    setattr(without, name, vars(type(built)())[name])
    with contextlib.suppress(Exception):
        without.validate()
        return True
    return False
