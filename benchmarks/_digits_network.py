"""A network that learns handwritten digits from few of them, with much to be tuned.

A multilayer perceptron in NumPy. It has 359 of scikit-learn's 1,797 images to learn from, so that
what keeps it from learning them by heart matters, and is judged by the other 1,438: one of them
more or less is an error of 0.0007. `end_to_end.py` tunes it.
"""

from __future__ import annotations

import itertools
import json
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

EPOCHS = 27
PASSES = 80
"""How often an epoch goes through the training set, each time with other noise and shifts."""
WORST = 0.9
"""The error of one that guesses; what diverges has it."""
_VALIDATION = 0.8


@dataclass(frozen=True)
class Data:
    """The digits in two parts.

    Attributes:
        images: `[shift, image, pixel]`: as they are, then moved by one pixel to the eight sides.
    """

    images: Array
    labels: Array
    validation_images: Array
    validation_labels: Array


def load() -> Data:
    """The same split at every call."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype(np.float32)
    parts = train_test_split(images, labels, test_size=_VALIDATION, random_state=0, stratify=labels)
    return Data(_shifted(parts[0]), parts[2], parts[1], parts[3])


def _shifted(images: Array) -> Array:
    padded = np.pad(images.reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1)))
    sides = sorted(itertools.product((0, 1, 2), repeat=2), key=lambda side: side != (1, 1))
    moved = [padded[:, down : down + 8, right : right + 8] for down, right in sides]
    return np.stack(moved).reshape(len(sides), len(images), -1)


def errors(config: Mapping[str, Any]) -> Iterator[float]:
    """Train; yields the validation error after each epoch. Equal configs yield the same."""
    data = load()
    rng = np.random.default_rng(zlib.crc32(json.dumps(config, sort_keys=True).encode()))
    network = _Network(config, rng)
    for _ in range(EPOCHS):
        with np.errstate(all="ignore"):
            for _ in range(PASSES):
                network.run_pass(data)
            yield network.error(data)


class _Network:
    """ReLU layers with dropout, and a softmax; weights drawn as by He et al. 2015."""

    def __init__(self, config: Mapping[str, Any], rng: np.random.Generator) -> None:
        self._config = config
        self._rng = rng
        sizes = [64, *[config["width"]] * config["layers"], 10]
        self._all, self._weights = _drawn(sizes, rng)
        make = _Sgd if config["optimizer"]["name"] == "sgd" else _Adam
        self._optimizer = make(config["optimizer"], len(self._all))

    def run_pass(self, data: Data) -> None:
        """Once through the training set, in a new order."""
        images, labels = self._varied(data), data.labels
        order = self._rng.permutation(len(labels))
        size = self._config["batch_size"]
        for start in range(0, len(order), size):
            batch = order[start : start + size]
            gradients = self._gradients(images[batch], labels[batch])
            gradient = np.concatenate([each.ravel() for each in gradients])
            self._all += self._optimizer.step(gradient)

    def error(self, data: Data) -> float:
        """The share of the validation set that is told wrongly."""
        scores = data.validation_images
        for layer in range(0, len(self._weights), 2):
            hidden = np.maximum(scores, 0) if layer else scores
            scores = hidden @ self._weights[layer] + self._weights[layer + 1]
        if not np.isfinite(scores).all():
            return WORST
        return float((scores.argmax(axis=1) != data.validation_labels).mean())

    def _varied(self, data: Data) -> Array:
        """The training images with some of them shifted, and with noise."""
        count = len(data.labels)
        sides = self._rng.integers(1, len(data.images), count)
        sides[self._rng.random(count) >= self._config["shift"]] = 0
        images: Array = data.images[sides, np.arange(count)]
        noise = self._rng.standard_normal(images.shape, dtype=np.float32)
        noise *= np.float32(self._config["noise"])
        images += noise
        return images

    def _gradients(self, images: Array, labels: Array) -> list[Array]:
        layers, keep = self._forward(images)
        scores = layers.pop()
        delta = np.exp(scores - scores.max(axis=1, keepdims=True))
        delta /= delta.sum(axis=1, keepdims=True)
        delta[np.arange(len(labels)), labels] -= 1
        delta /= len(labels)
        gradients: list[Array] = []
        for number in reversed(range(len(layers))):
            weights = self._weights[2 * number]
            decay = np.float32(self._config["l2"]) * weights
            gradients[:0] = [layers[number].T @ delta + decay, delta.sum(axis=0)]
            if number:
                delta = (delta @ weights.T) * (layers[number] > 0) / np.float32(keep)
        return gradients

    def _forward(self, images: Array) -> tuple[list[Array], float]:
        """The layers' inputs and the scores; what dropout keeps is divided by its share."""
        keep = 1 - self._config["dropout"]
        layers = [images]
        for number in range(0, len(self._weights), 2):
            scores = layers[-1] @ self._weights[number] + self._weights[number + 1]
            if number + 2 < len(self._weights):
                kept = self._rng.random(scores.shape, dtype=np.float32) < keep
                scores = np.maximum(scores, 0) * kept / np.float32(keep)
            layers.append(scores)
        return layers, keep


def _drawn(sizes: Sequence[int], rng: np.random.Generator) -> tuple[Array, list[Array]]:
    """Weights and biases as one vector, and as views of it by layer."""
    shapes = [shape for fan in itertools.pairwise(sizes) for shape in (fan, fan[1:])]
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    whole = np.zeros(ends[-1], np.float32)
    parts = np.split(whole, ends[:-1])
    views = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
    for weights in views[::2]:
        weights[:] = rng.normal(0, np.sqrt(2 / len(weights)), weights.shape)
    return whole, views


class _Sgd:
    """Stochastic gradient descent with momentum."""

    def __init__(self, settings: Mapping[str, Any], count: int) -> None:
        self._rate = np.float32(settings["lr"])
        self._momentum = np.float32(settings["momentum"])
        self._velocity = np.zeros(count, np.float32)

    def step(self, gradient: Array) -> Array:
        """What is added to the weights."""
        self._velocity *= self._momentum
        self._velocity -= self._rate * gradient
        return self._velocity


class _Adam:
    """Kingma and Ba 2015, with their decay rates."""

    def __init__(self, settings: Mapping[str, Any], count: int) -> None:
        self._rate = settings["lr"]
        self._mean = np.zeros(count, np.float32)
        self._square = np.zeros(count, np.float32)
        self._steps = 0

    def step(self, gradient: Array) -> Array:
        """What is added to the weights."""
        self._steps += 1
        self._mean += np.float32(0.1) * (gradient - self._mean)
        self._square += np.float32(0.001) * (gradient * gradient - self._square)
        corrected = np.sqrt(1 - 0.999**self._steps) / (1 - 0.9**self._steps)
        rate = np.float32(-self._rate * corrected)
        moved: Array = rate * self._mean / (np.sqrt(self._square) + np.float32(1e-8))
        return moved
