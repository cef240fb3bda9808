"""The Atari ids of 2017, which ale-py no longer has, with their meaning."""

from __future__ import annotations

import functools
import importlib
import re

import gymnasium
from gymnasium.envs.registration import EnvSpec

_NO_FRAMESKIP = re.compile(r"(?P<name>\w+)NoFrameskip-(?P<version>v[04])")
_ENTRY_POINT = "ale_py.env:AtariEnv"
_FRAMESKIP = 4
# As in Gym of 2017 and in Mnih et al. 2013: on every fourth frame the lasers are never visible.
_FRAMESKIPS = {"space_invaders": 3}


def has_screen(env: str) -> bool:
    """Return whether a registered id names an Atari game whose observations are images."""
    spec = gymnasium.registry.get(env)
    if spec is None or spec.entry_point != _ENTRY_POINT:
        return False
    return spec.kwargs.get("obs_type") != "ram"


@functools.cache
def register_atari() -> None:
    """Make ale-py's ids and those of 2017 known to Gymnasium; in this process, once.

    Does nothing without ale-py.

    `…Deterministic-v4` acts on every fourth frame and never repeats an action by chance; `-v0`
    repeats the last action with probability 0.25. `…-ram…` observes the console's 128 bytes of
    memory. All have the game's minimal set of actions.
    """
    try:
        ale_py = importlib.import_module("ale_py")  # registers its own ids
    except ImportError:
        return
    # Else ale-py prints its version in each process.
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    for env, spec in list(gymnasium.registry.items()):
        match = _NO_FRAMESKIP.fullmatch(env)
        if match and spec.entry_point == _ENTRY_POINT and "obs_type" not in spec.kwargs:
            _register_variants(match["name"], match["version"], spec)


def _register_variants(name: str, version: str, spec: EnvSpec) -> None:
    frameskips = {
        "Deterministic": _FRAMESKIPS.get(spec.kwargs["game"], _FRAMESKIP),
        "NoFrameskip": 1,
        "": (2, 5),
    }
    for variant, frameskip in frameskips.items():
        kwargs = {**spec.kwargs, "frameskip": frameskip}
        _register(f"{name}{variant}-{version}", kwargs)
        _register(f"{name}-ram{variant}-{version}", {**kwargs, "obs_type": "ram"})


def _register(env: str, kwargs: dict[str, object]) -> None:
    if env not in gymnasium.registry:
        gymnasium.register(env, entry_point=_ENTRY_POINT, kwargs=kwargs)
