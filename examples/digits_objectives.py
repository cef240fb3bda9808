"""A network on handwritten digits: how well it knows them, and how large it is.

`digits_objectives.yaml` names both as objectives, and how large it may be at most.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from tune_tasks import StatusReporter, TrainingResult


def train(config: dict[str, Any], status_reporter: StatusReporter) -> None:
    """Train for some epochs; report the accuracy on held-out images, and the number of weights."""
    images, labels = load_digits(return_X_y=True)
    fitted, held_out, known, hidden = train_test_split(
        images / 16, labels, test_size=0.25, random_state=0, stratify=labels
    )
    model = MLPClassifier(
        [config["width"]] * config["layers"],
        learning_rate_init=config["learning_rate"],
        random_state=status_reporter.seed,
    )
    for epoch in range(1, config["epochs"] + 1):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.partial_fit(fitted, known, classes=np.arange(10))
        weights = sum(layer.size for layer in [*model.coefs_, *model.intercepts_])
        info = {"val_accuracy": model.score(held_out, hidden), "weights": weights}
        status_reporter.report(TrainingResult(timesteps_total=epoch, info=info))
