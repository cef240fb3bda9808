"""The Atari ids of 2017, which ale-py has no more, with their meaning."""

from __future__ import annotations

import functools
import importlib
import re

import gymnasium
from gymnasium.envs.registration import EnvSpec

_NO_FRAMESKIP = re.compile(r"(?P<name>\w+)NoFrameskip-(?P<version>v[04])")
_ENTRY_POINT = "ale_py.env:AtariEnv"
# As in Gym of 2017 and in Mnih et al. 2013: with 4, the lasers are never seen
_FRAMESKIPS = {"space_invaders": 3}


def has_screen(env: str) -> bool:
    """Whether a registered id names an Atari game whose observations are images."""
    spec = gymnasium.registry.get(env)
    return (
        spec is not None
        and spec.entry_point == _ENTRY_POINT
        and spec.kwargs.get("obs_type") != "ram"
    )


@functools.cache
def register_atari() -> None:
    """Make ale-py's ids known to Gymnasium, and 2017's; in this process, once.

    Without ale-py, nothing.

    `…Deterministic-v4` acts on every fourth frame and never repeats an action by chance; `-v0`
    repeats the last action with probability 0.25. `…-ram…` observes the console's 128 bytes of
    memory. All have the game's minimal set of actions.
    """
    try:
        ale_py = importlib.import_module("ale_py")  # registers its ids
    except ImportError:
        return
    # Else each process begins with its version
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    for env, spec in list(gymnasium.registry.items()):
        match = _NO_FRAMESKIP.fullmatch(env)
        if match and spec.entry_point == _ENTRY_POINT and "obs_type" not in spec.kwargs:
            _register_variants(match["name"], match["version"], spec)


def _register_variants(name: str, version: str, spec: EnvSpec) -> None:
    variants = {
        "Deterministic": _FRAMESKIPS.get(spec.kwargs["game"], 4),
        "NoFrameskip": 1,
        "": (2, 5),
    }
    for variant, frameskip in variants.items():
        for suffix, obs_type in ({"": {}, "-ram": {"obs_type": "ram"}}).items():
            env = f"{name}{suffix}{variant}-{version}"
            if env not in gymnasium.registry:
                kwargs = {**spec.kwargs, **obs_type, "frameskip": frameskip}
                gymnasium.register(env, entry_point=_ENTRY_POINT, kwargs=kwargs)
