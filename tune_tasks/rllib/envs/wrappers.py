"""Wrappers that let RLlib's networks read an environment, as the preprocessors of 2017 did.

They need no OpenCV.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import (
    FlattenObservation,
    FrameStackObservation,
    MaxAndSkipObservation,
    TransformObservation,
)
from numpy.typing import NDArray
from PIL import Image

from tune_tasks.rllib.config.options import EnvironmentOptions

Env = gymnasium.Env[Any, Any]


class ResizedImages(gymnasium.ObservationWrapper[NDArray[np.uint8], Any, NDArray[np.uint8]]):
    """Images of `dim` × `dim` pixels with a last axis of channels."""

    def __init__(self, env: Env, dim: int) -> None:
        super().__init__(env)
        self._size = (dim, dim)
        shape = env.observation_space.shape or ()
        channels = shape[2] if len(shape) == 3 else 1
        self.observation_space = spaces.Box(0, 255, (*self._size, channels), np.uint8)

    def observation(self, observation: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The image, each pixel the mean of the area that it stands for.

        A mean keeps a ball of two pixels visible; the nearest pixel would drop it.
        """
        image = Image.fromarray(observation).resize(self._size, Image.Resampling.BOX)
        return np.asarray(image).reshape(self.observation_space.shape or ())


class RepeatedActions(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Holds each action for some steps; gives the last observation and the sum of the rewards."""

    def __init__(self, env: Env, times: int) -> None:
        super().__init__(env)
        self._times = times

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Up to `times` steps; fewer if the episode ends before."""
        total = 0.0
        for _ in range(self._times):
            observation, reward, terminated, truncated, info = self.env.step(action)
            total += float(reward)
            if terminated or truncated:
                break
        return observation, total, terminated, truncated, info


def atari_images(env: Env, options: EnvironmentOptions) -> Env:
    """An Atari game's images as RLlib's convolutional networks take them.

    They are small floats of the shape (dim, dim, channels × framestack).
    """
    if options.frame_repeat > 1:
        # The brighter of the last two frames, because a sprite may be drawn on every second frame
        # only (Mnih et al. 2015).
        env = MaxAndSkipObservation(env, options.frame_repeat)
    env = ResizedImages(env, options.dim)
    if options.framestack > 1:
        env = _stacked(env, options.framestack)
    return scaled(env, zero_mean=options.zero_mean)


def _stacked(env: Env, count: int) -> Env:
    stacked: Env = FrameStackObservation(env, count, padding_type="reset")
    height, width, channels = env.observation_space.shape or ()
    space = spaces.Box(0, 255, (height, width, channels * count), np.uint8)
    return TransformObservation(stacked, lambda images: np.concatenate(images, axis=-1), space)


def scaled(env: Env, *, zero_mean: bool) -> Env:
    """Bytes as floats in [-1, 1], or in [0, 1]."""
    low = -1.0 if zero_mean else 0.0
    bytes_to_one = 255.0 / (1.0 - low)

    def floats(image: Any) -> NDArray[np.float32]:
        scaled_image = np.asarray(image, np.float32) / np.float32(bytes_to_one)
        return scaled_image + np.float32(low)

    space = spaces.Box(low, 1.0, env.observation_space.shape, np.float32)
    return TransformObservation(env, floats, space)


def vectors(env: Env) -> Env:
    """Observations that are not arrays of numbers, as one vector.

    A discrete one is one-hot, as in 2017.
    """
    flat: Env = FlattenObservation(env)
    bounds = flat.observation_space
    assert isinstance(bounds, spaces.Box)
    low = bounds.low.astype(np.float32)
    high = bounds.high.astype(np.float32)
    space = spaces.Box(low, high, bounds.shape, np.float32)
    return TransformObservation(flat, lambda vector: np.asarray(vector, np.float32), space)
