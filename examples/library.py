"""tune-tasks as a library: a Python function in place of a script, and the results as objects.

`python examples/library.py` takes about 20 seconds, most of them to start Prefect and Ray.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

import tune_tasks
from tune_tasks import StatusReporter, TrainingResult


def train(config: dict[str, Any], status_reporter: StatusReporter) -> None:
    """Logistic regression by gradient descent: is a tumour benign?"""
    features, labels = load_breast_cancer(return_X_y=True)
    parts = train_test_split(features, labels, test_size=0.25, random_state=0)
    train_features, val_features, train_labels, val_labels = parts
    mean = train_features.mean(axis=0)
    spread = train_features.std(axis=0)
    train_features = (train_features - mean) / spread
    val_features = (val_features - mean) / spread

    weights = np.zeros(features.shape[1])
    bias = 0.0
    for step in range(1, config["steps"] + 1):
        probability = 1 / (1 + np.exp(-(train_features @ weights + bias)))
        error = probability - train_labels
        gradient = train_features.T @ error / len(error) + config["l2"] * weights
        weights -= config["learning_rate"] * gradient
        bias -= config["learning_rate"] * error.mean()
        if step % 10 == 0:
            of_truth = np.where(train_labels == 1, probability, 1 - probability)
            val_scores = val_features @ weights + bias
            status_reporter.report(
                TrainingResult(
                    timesteps_total=step,
                    mean_loss=-np.log(of_truth).mean(),
                    mean_accuracy=np.mean((probability > 0.5) == train_labels),
                    mean_validation_accuracy=np.mean((val_scores > 0) == val_labels),
                )
            )


def main() -> None:
    """Sweep, then look at the results."""
    summary = tune_tasks.run_experiments(
        [
            tune_tasks.Experiment(
                "breast_cancer",
                train,
                num_trials=8,
                seed=3,
                metric="mean_validation_accuracy",
                mode="max",
                stop={"mean_loss": 0.06, "training_iteration": 50},
                config={
                    "steps": 1000,
                    "learning_rate": {"grid_search": [0.1, 1.0]},
                    "l2": {"eval": "10 ** random.uniform(-5, -1)"},
                },
            )
        ]
    )

    best = summary.best("breast_cancer")
    if best is None:
        raise SystemExit(summary.one_line())
    print(f"best: {best.name}, validation accuracy {best.metric('mean_validation_accuracy'):.4f}")

    table = summary.dataframe()
    columns = [
        "config/learning_rate",
        "config/l2",
        "mean_loss",
        "mean_validation_accuracy",
        "stop_reason",
    ]
    best_first = table.sort_values("mean_validation_accuracy", ascending=False)
    print(best_first[columns].to_string(index=False))


if __name__ == "__main__":
    main()
