"""A training that goes on where it was, whatever has ended it: Ctrl-C, kill -9, a lost machine.

A small neural network in NumPy learns scikit-learn's handwritten digits. Its checkpoint is all that
the rest of the training depends on: weights, velocities, the number of epochs, and the state of the
random generator. So a trial that was ended and resumed reports the same as one that was not.

Run it, stop it with Ctrl-C after some seconds, and resume it:

    tune-tasks -f examples/resumable.yaml
    tune-tasks -f examples/resumable.yaml --resume
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from tune_tasks import StatusReporter, TrainingResult

Array = NDArray[Any]


def train(config: dict[str, Any], status_reporter: StatusReporter) -> None:
    """Train for some epochs; report after each of them, and write a checkpoint if one is due."""
    images, labels = load_digits(return_X_y=True)
    parts = train_test_split(images / 16, labels, test_size=0.25, random_state=0)
    train_images, val_images, train_labels, val_labels = parts
    training = Training(config, status_reporter.seed)
    folder = status_reporter.restore()
    if folder is not None:
        training.load(folder)
        print(f"going on after epoch {training.epoch}, from {folder}")

    while training.epoch < config["epochs"]:
        training.run_epoch(train_images, train_labels)
        time.sleep(config.get("slow_down_s", 0))
        status_reporter.report(
            TrainingResult(
                timesteps_total=training.epoch * len(train_images),
                mean_loss=training.loss(train_images, train_labels),
                mean_validation_accuracy=training.accuracy(val_images, val_labels),
            )
        )
        if status_reporter.wants_checkpoint:
            with status_reporter.checkpoint() as folder:
                training.save(folder)


class Training:
    """A network with one hidden layer, and everything that its training depends on.

    Args:
        config: With `hidden`, `learning_rate`, `momentum` and `batch_size`.
        seed: Of all randomness.
    """

    def __init__(self, config: dict[str, Any], seed: int) -> None:
        self.config = config
        self.random = np.random.default_rng(seed)
        self.epoch = 0
        self.weights = {
            "into": self.random.normal(0, 0.1, (64, config["hidden"])),
            "out": self.random.normal(0, 0.1, (config["hidden"], 10)),
        }
        self.velocities = {name: np.zeros_like(w) for name, w in self.weights.items()}

    def save(self, folder: Path) -> None:
        """Write the state of the training into a checkpoint's folder."""
        np.savez(folder / "weights.npz", **self.weights)
        np.savez(folder / "velocities.npz", **self.velocities)
        state = {"epoch": self.epoch, "random": self.random.bit_generator.state}
        (folder / "state.json").write_text(json.dumps(state))

    def load(self, folder: Path) -> None:
        """Go on from the state that `save` has written."""
        self.weights = dict(np.load(folder / "weights.npz"))
        self.velocities = dict(np.load(folder / "velocities.npz"))
        state = json.loads((folder / "state.json").read_text())
        self.epoch = state["epoch"]
        self.random.bit_generator.state = state["random"]

    def run_epoch(self, images: Array, labels: Array) -> None:
        """Go once through the data, in batches drawn at random."""
        size = self.config["batch_size"]
        order = self.random.permutation(len(images))
        for start in range(0, len(order), size):
            batch = order[start : start + size]
            self._step(images[batch], labels[batch])
        self.epoch += 1

    def loss(self, images: Array, labels: Array) -> float:
        """The mean cross-entropy."""
        _, predicted = self._forward(images)
        return float(-np.log(predicted[np.arange(len(labels)), labels]).mean())

    def accuracy(self, images: Array, labels: Array) -> float:
        """The fraction of images whose most probable digit is their label."""
        _, predicted = self._forward(images)
        return float(np.mean(predicted.argmax(axis=1) == labels))

    def _forward(self, images: Array) -> tuple[Array, Array]:
        """The hidden layer, and the probability of each digit."""
        hidden = np.tanh(images @ self.weights["into"])
        scores = hidden @ self.weights["out"]
        exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
        return hidden, exponentials / exponentials.sum(axis=1, keepdims=True)

    def _step(self, images: Array, labels: Array) -> None:
        """Follow the gradient of the cross-entropy, with momentum."""
        hidden, predicted = self._forward(images)
        error = (predicted - np.eye(10)[labels]) / len(images)
        behind = error @ self.weights["out"].T * (1 - hidden**2)
        gradients = {"into": images.T @ behind, "out": hidden.T @ error}
        for name, gradient in gradients.items():
            velocity = self.config["momentum"] * self.velocities[name]
            self.velocities[name] = velocity - self.config["learning_rate"] * gradient
            self.weights[name] = self.weights[name] + self.velocities[name]
