"""Two classifiers of handwritten digits, one entry point each.

`digits_classifiers.json` tunes both side by side.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.neighbors import KNeighborsClassifier

from tune_tasks import StatusReporter, TrainingResult


def train_forest(config: dict[str, Any], status_reporter: StatusReporter) -> None:
    """Grow a random forest; report with every ten trees."""
    images, labels = load_digits(return_X_y=True)
    train_images, val_images, train_labels, val_labels = train_test_split(
        images, labels, test_size=0.25, random_state=0
    )
    forest = RandomForestClassifier(
        n_estimators=0,
        warm_start=True,
        max_depth=config["max_depth"],
        max_features=config["max_features"],
        random_state=status_reporter.seed,
    )
    for trees in range(10, config["trees"] + 1, 10):
        forest.n_estimators = trees
        forest.fit(train_images, train_labels)
        status_reporter.report(
            TrainingResult(
                timesteps_total=trees,
                mean_accuracy=forest.score(train_images, train_labels),
                mean_validation_accuracy=forest.score(val_images, val_labels),
            )
        )


def train_neighbours(config: dict[str, Any], status_reporter: StatusReporter) -> None:
    """Cross-validate nearest neighbours; report the mean accuracy so far after each fold."""
    images, labels = load_digits(return_X_y=True)
    folds = StratifiedKFold(n_splits=5, shuffle=True, random_state=0)
    accuracies: list[float] = []
    for fold, (fitted, held_out) in enumerate(folds.split(images, labels), start=1):
        model = KNeighborsClassifier(n_neighbors=config["k"], weights=config["weights"])
        model.fit(images[fitted], labels[fitted])
        accuracies.append(model.score(images[held_out], labels[held_out]))
        status_reporter(
            timesteps_total=fold,
            mean_validation_accuracy=np.mean(accuracies),
            worst_fold_accuracy=np.min(accuracies),
        )
