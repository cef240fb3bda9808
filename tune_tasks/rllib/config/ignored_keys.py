"""The keys of a `config` that are accepted without effect, for the warnings of a plan. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tune_tasks.rllib.config.catalog import algorithm_named
from tune_tasks.rllib.config.keys_gone import IGNORED, MODEL_IGNORED, OLD_VALUES, REPLAY_IGNORED

_INSIDE = {"model": MODEL_IGNORED, "replay_buffer_config": REPLAY_IGNORED}


def ignored_keys(alg: str, config: Mapping[str, Any]) -> dict[str, str]:
    """The keys that `algorithm_config` accepts without effect -> why.

    A key inside `model` is written `model.key`. Imports nothing.

    Raises:
        UsageError: If there is no such algorithm.
    """
    algorithm_named(alg)
    found: dict[str, str] = {}
    for key, value in config.items():
        if key in IGNORED:
            found[key] = IGNORED[key]
        elif key in OLD_VALUES and any(tried in OLD_VALUES[key].values for tried in _tried(value)):
            found[key] = OLD_VALUES[key].reason
        elif key in _INSIDE and isinstance(value, Mapping):
            reasons = _INSIDE[key]
            found |= {f"{key}.{name}": reasons[name] for name in value if name in reasons}
    return found


def _tried(value: Any) -> Sequence[Any]:
    """The values that a grid tries; for any other value, the value itself."""
    options = value.get("grid_search") if isinstance(value, Mapping) else None
    return options if isinstance(options, list) else [value]
