"""Makes `learning_curves.npz`: how 576 small networks learn, epoch by epoch, on three data sets.

`python benchmarks/learning_curves.py` (about 20 minutes on one core; what is done is kept).

The data are those that scikit-learn brings along: digits, breast_cancer, wine. The network is a
multilayer perceptron in NumPy, trained by stochastic gradient descent: scikit-learn's own raises an
error when it diverges, and here it is to go on with NaN, as most people's training does.

The file has for each data set

- `NAME_error`: the share of the validation set that is told wrongly, `[config, seed, epoch]`;
- `NAME_loss`: the cross-entropy on it, in nats, at most 60,000, the same shape;
- `NAME_seconds`: CPU seconds of one epoch, the mean over all, `[config, seed]`.

Both metrics are NaN once the network's output is not finite any more. The configs are the product
of `AXES`, the last one fastest.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

AXES: Mapping[str, tuple[Any, ...]] = {
    "lr": tuple(float(f"{10**exponent:.3g}") for exponent in np.arange(-3, 1.01, 0.5)),
    "momentum": (0.0, 0.9),
    "batch_size": (16, 128),
    "width": (16, 128),
    "depth": (1, 3),
    "alpha": (1e-4, 0.1),
    "activation": ("relu", "tanh"),
}
DATA_SETS = ("digits", "breast_cancer", "wine")
EPOCHS = 81
SEEDS = 3
FILE = Path(__file__).with_name("learning_curves.npz")
_PARTS = Path(tempfile.gettempdir()) / "learning_curves"
_VALIDATION = 0.4
_WORST_LOSS = 60_000
"""What is left of a float16 beyond it is infinity."""


@dataclass(frozen=True)
class Data:
    """A data set in two parts; inputs have mean 0 and variance 1."""

    inputs: Array
    labels: Array
    validation_inputs: Array
    validation_labels: Array


def main() -> None:
    """Train all networks that have not been trained yet, and write the file."""
    from threadpoolctl import threadpool_limits

    _PARTS.mkdir(exist_ok=True)
    arrays: dict[str, Array] = {}
    for name in DATA_SETS:
        data = _load(name)
        with threadpool_limits(1):  # so that seconds are comparable
            curves = [_kept(name, number, config, data) for number, config in enumerate(configs())]
        errors, losses, seconds = (np.array(each) for each in zip(*curves, strict=True))
        arrays[f"{name}_error"] = errors.astype(np.float16)
        arrays[f"{name}_loss"] = losses.astype(np.float16)
        arrays[f"{name}_seconds"] = seconds.astype(np.float32)
    np.savez_compressed(FILE, **arrays)
    print(f"{FILE.name}: {FILE.stat().st_size / 1e6:.2f} MB")


def configs() -> Iterator[dict[str, Any]]:
    """All of them, in the order of the file."""
    for values in itertools.product(*AXES.values()):
        yield dict(zip(AXES, values, strict=True))


def _kept(
    name: str, number: int, config: Mapping[str, Any], data: Data
) -> tuple[Array, Array, Array]:
    """The curves of a config with every seed; read if an earlier run has left them."""
    path = _PARTS / f"{name}_{number}.npz"
    if not path.exists():
        trained = [train(config, data, seed) for seed in range(SEEDS)]
        errors, losses, seconds = zip(*trained, strict=True)
        begun = path.with_suffix(".part.npz")
        np.savez(begun, errors=errors, losses=losses, seconds=seconds)
        begun.rename(path)
    with np.load(path) as part:
        return part["errors"], part["losses"], part["seconds"]


def _load(name: str) -> Data:
    from sklearn import datasets
    from sklearn.model_selection import train_test_split

    inputs, labels = getattr(datasets, f"load_{name}")(return_X_y=True)
    split = train_test_split(inputs, labels, test_size=_VALIDATION, random_state=0, stratify=labels)
    inputs, validation_inputs, labels, validation_labels = split
    mean, deviation = inputs.mean(axis=0), inputs.std(axis=0) + 1e-9
    return Data(
        ((inputs - mean) / deviation).astype(np.float32),
        labels,
        ((validation_inputs - mean) / deviation).astype(np.float32),
        validation_labels,
    )


def train(config: Mapping[str, Any], data: Data, seed: int) -> tuple[Array, Array, float]:
    """The validation error and loss after each epoch, and the CPU seconds of one epoch.

    What has diverged stays so, and is not trained any further.
    """
    rng = np.random.default_rng(seed)
    sizes = (
        data.inputs.shape[1],
        *[config["width"]] * config["depth"],
        int(data.labels.max()) + 1,
    )
    network = _Network(sizes, config["activation"], rng)
    errors, losses = np.full(EPOCHS, np.nan), np.full(EPOCHS, np.nan)
    epoch = 0
    started = time.process_time()
    with np.errstate(all="ignore"):
        while epoch < EPOCHS and (epoch == 0 or np.isfinite(losses[epoch - 1])):
            network.train_epoch(data, config, rng)
            errors[epoch], losses[epoch] = network.judge(data)
            epoch += 1
    return errors, losses, (time.process_time() - started) / epoch


class _Network:
    """A multilayer perceptron with softmax; weights drawn as by Glorot and Bengio 2010."""

    def __init__(self, sizes: tuple[int, ...], activation: str, rng: np.random.Generator) -> None:
        self._is_relu = activation == "relu"
        self._parameters: list[Array] = []
        for fan_in, fan_out in itertools.pairwise(sizes):
            bound = np.sqrt(6 / (fan_in + fan_out))
            weights = rng.uniform(-bound, bound, (fan_in, fan_out))
            self._parameters += [weights.astype(np.float32), np.zeros(fan_out, np.float32)]
        self._velocities = [np.zeros_like(each) for each in self._parameters]

    def train_epoch(self, data: Data, config: Mapping[str, Any], rng: np.random.Generator) -> None:
        """Once through the training set, in a new order."""
        order = rng.permutation(len(data.inputs))
        for start in range(0, len(order), config["batch_size"]):
            batch = order[start : start + config["batch_size"]]
            self._step(data.inputs[batch], data.labels[batch], config)

    def judge(self, data: Data) -> tuple[float, float]:
        """Error and loss on the validation set; NaN both if an output is not finite."""
        outputs = self._forward(data.validation_inputs)[-1]
        if not np.isfinite(outputs).all():
            return float("nan"), float("nan")
        wrong = (outputs.argmax(axis=1) != data.validation_labels).mean()
        shifted = outputs - outputs.max(axis=1, keepdims=True)
        chosen = shifted[np.arange(len(shifted)), data.validation_labels]
        loss = (np.log(np.exp(shifted).sum(axis=1)) - chosen).mean()
        return float(wrong), min(float(loss), _WORST_LOSS)

    def _step(self, inputs: Array, labels: Array, config: Mapping[str, Any]) -> None:
        layers = self._forward(inputs)
        exponents = np.exp(layers[-1] - layers[-1].max(axis=1, keepdims=True))
        delta = exponents / exponents.sum(axis=1, keepdims=True)
        delta[np.arange(len(labels)), labels] -= 1
        delta /= len(labels)
        for layer in reversed(range(len(layers) - 1)):
            weights = self._parameters[2 * layer]
            gradient = layers[layer].T @ delta + config["alpha"] * weights
            bias_gradient = delta.sum(axis=0)
            if layer:
                delta = (delta @ weights.T) * self._slope(layers[layer])
            self._move(2 * layer, gradient, config)
            self._move(2 * layer + 1, bias_gradient, config)

    def _move(self, which: int, gradient: Array, config: Mapping[str, Any]) -> None:
        velocity = self._velocities[which]
        velocity *= config["momentum"]
        velocity -= config["lr"] * gradient
        self._parameters[which] += velocity

    def _forward(self, inputs: Array) -> list[Array]:
        layers = [inputs]
        last = len(self._parameters) // 2 - 1
        for layer in range(last + 1):
            outputs = layers[-1] @ self._parameters[2 * layer] + self._parameters[2 * layer + 1]
            layers.append(outputs if layer == last else self._activated(outputs))
        return layers

    def _activated(self, outputs: Array) -> Array:
        return np.maximum(outputs, 0) if self._is_relu else np.tanh(outputs)

    def _slope(self, activated: Array) -> Array:
        return (activated > 0) if self._is_relu else 1 - activated**2


if __name__ == "__main__":
    main()
