"""Softmax regression on handwritten digits in NumPy; needs no torch, a trial takes about a second.

The digits are scikit-learn's, which MLflow brings in.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from tune_tasks import StatusReporter, TrainingResult

Array = NDArray[Any]


def train(config: dict[str, Any], status_reporter: StatusReporter) -> None:
    """Fit by gradient descent with momentum; report after every pass over the data."""
    images, labels = load_digits(return_X_y=True)
    parts = train_test_split(images / 16, labels, test_size=0.25, random_state=0)
    train_images, val_images, train_labels, val_labels = parts
    optimizer = config["optimizer"]
    # The global generator has the trial's seed when train() starts.
    weights = np.random.normal(0, 0.01, (images.shape[1], 10))
    velocity = np.zeros_like(weights)

    for epoch in range(1, config["epochs"] + 1):
        order = np.random.permutation(len(train_images))
        for start in range(0, len(order), config["batch_size"]):
            batch = order[start : start + config["batch_size"]]
            error = probabilities(train_images[batch], weights) - np.eye(10)[train_labels[batch]]
            gradient = train_images[batch].T @ error / len(batch) + config["l2"] * weights
            velocity = optimizer["momentum"] * velocity - optimizer["learning_rate"] * gradient
            weights += velocity

        predicted = probabilities(train_images, weights)
        status_reporter.report(
            TrainingResult(
                timesteps_total=epoch * len(train_images),
                mean_loss=-np.log(predicted[np.arange(len(predicted)), train_labels]).mean(),
                mean_accuracy=accuracy(predicted, train_labels),
                mean_validation_accuracy=accuracy(probabilities(val_images, weights), val_labels),
                info={"weight_norm": np.linalg.norm(weights)},
            )
        )


def probabilities(images: Array, weights: Array) -> Array:
    """The probability of each digit for each image."""
    scores = images @ weights
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    predicted: Array = exponentials / exponentials.sum(axis=1, keepdims=True)
    return predicted


def accuracy(predicted: Array, labels: Array) -> float:
    """The fraction of images whose most probable digit is their label."""
    return float(np.mean(predicted.argmax(axis=1) == labels))
