"""The options of an environment that a spec can set. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

IMAGE_OPTIONS = frozenset({"dim", "grayscale", "zero_mean", "framestack"})
"""The options that are about Atari's images."""


@dataclass(frozen=True)
class EnvironmentOptions:
    """The making and the wrapping of an environment, for every algorithm alike.

    Attributes:
        arguments: Keyword arguments of the environment: a spec's `env_config`.
        horizon: Steps after which an episode is truncated, if the environment does not end it
            before; None for the environment's own limit alone.
        frame_repeat: Steps of the environment that each action is held for, whose rewards are
            summed; 1 for no repeat.
        dim: Width and height of an Atari image, in pixels.
        grayscale: Whether an Atari image has one channel instead of three.
        zero_mean: Whether its pixels lie in [-1, 1] instead of [0, 1].
        framestack: The number of the last images in an observation, in its channels. An LSTM needs
            only one.
    """

    arguments: Mapping[str, Any] = field(default_factory=dict)
    horizon: int | None = None
    frame_repeat: int = 1
    dim: int = 42
    grayscale: bool = True
    zero_mean: bool = False
    framestack: int = 4
