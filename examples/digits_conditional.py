"""Two kinds of classifier in one search: which one, and the settings that only it has.

`digits_conditional.yaml` says what is searched.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import SVC

from tune_tasks import StatusReporter, TrainingResult

KINDS = {"svm": SVC, "trees": ExtraTreesClassifier}


def train(config: dict[str, Any], status_reporter: StatusReporter) -> None:
    """Cross-validate; report the mean error so far after each fold."""
    settings = dict(config["classifier"])
    make = KINDS[settings.pop("kind")]
    images, labels = load_digits(return_X_y=True)
    folds = StratifiedKFold(n_splits=5, shuffle=True, random_state=0)
    errors: list[float] = []
    for fold, (fitted, held_out) in enumerate(folds.split(images, labels), start=1):
        model = make(**settings, random_state=status_reporter.seed)
        model.fit(images[fitted], labels[fitted])
        errors.append(1 - model.score(images[held_out], labels[held_out]))
        status_reporter.report(
            TrainingResult(timesteps_total=fold, mean_loss=float(np.mean(errors)))
        )
