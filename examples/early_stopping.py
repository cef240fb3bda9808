"""A scheduler of your own: it chooses which trial starts next and ends hopeless ones early.

`python examples/early_stopping.py` takes about 40 seconds on two CPUs; it needs torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import tune_tasks

MNIST_SCRIPT = Path(__file__).with_name("tune_mnist_ray.py")


class MedianStopping(tune_tasks.Scheduler):
    """Ends a trial whose accuracy is below the others' median at the same number of steps.

    Args:
        after_steps: No trial is ended before this number of steps.
        min_peers: No trial is ended before this number of others has come as far.
    """

    def __init__(self, after_steps: int = 100, min_peers: int = 3) -> None:
        self.after_steps = after_steps
        self.min_peers = min_peers
        self.curves: dict[str, list[tuple[int, float]]] = {}

    def choose(self, pending: Sequence[tune_tasks.Trial]) -> tune_tasks.Trial | None:
        """Start large learning rates first: they show soonest what can be reached."""
        return max(pending, key=lambda trial: trial.config["learning_rate"])

    def on_result(self, trial: tune_tasks.Trial, result: Mapping[str, Any]) -> str | None:
        """End the trial if the others were better at the same number of steps."""
        steps = result["timesteps_total"]
        accuracy = result.get("mean_accuracy")
        if accuracy is None:
            return None
        self.curves.setdefault(trial.key, []).append((steps, accuracy))
        peers = self.accuracies_of_others(trial, steps)
        if steps < self.after_steps or len(peers) < self.min_peers:
            return None
        middle = median(peers)
        if accuracy >= middle:
            return None
        return (
            f"mean_accuracy {accuracy:.3g} below the others' median {middle:.3g} at {steps}"
            " timesteps"
        )

    def accuracies_of_others(self, trial: tune_tasks.Trial, steps: int) -> list[float]:
        """The latest accuracy of each other trial that has reported up to `steps`."""
        latest = []
        for key, curve in self.curves.items():
            before = [accuracy for at, accuracy in curve if at <= steps]
            if key != trial.key and before:
                latest.append(before[-1])
        return latest


if __name__ == "__main__":
    summary = tune_tasks.run_experiments(
        {
            "early_stopping": {
                "env": "mnist",
                "num_trials": 10,
                "seed": 1,
                "stop": {"mean_accuracy": 0.99},
                "config": {
                    "script_file_path": str(MNIST_SCRIPT),
                    "activation": {"grid_search": ["relu", "tanh"]},
                    "learning_rate": {"eval": "10 ** random.uniform(-3, -0.5)"},
                    "epochs": 150,
                },
            }
        },
        scheduler=MedianStopping(),
    )
    for trial in summary.trials:
        print(f"learning rate {trial.config['learning_rate']:.4f}: {trial.stop_reason}")
