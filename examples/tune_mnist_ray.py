"""A small convolutional network on handwritten digits; the script that tune_mnist_ray.yaml tunes.

Keys of `config`, beside those of the script itself:

- `activation`: `relu`, `elu` or `tanh`.
- `dataset`: `digits` (default; 1,797 images of 8 x 8, bundled with scikit-learn) or `mnist_784`
  (70,000 images of 28 x 28, downloaded from OpenML at the first use).
- `learning_rate` (default 0.1), `batch_size` (64), `epochs` (60).

Run by itself (`python examples/tune_mnist_ray.py`) it starts the same sweep from Python.
"""

from __future__ import annotations

from typing import Any

import torch
from sklearn.datasets import fetch_openml, load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

from tune_tasks import StatusReporter, TrainingResult

ACTIVATIONS = {"relu": nn.ReLU, "elu": nn.ELU, "tanh": nn.Tanh}


def train(config: dict[str, Any], status_reporter: StatusReporter) -> None:
    """Train one network; report once an epoch."""
    # As many trials run side by side as there are CPUs.
    torch.set_num_threads(1)
    train_images, train_labels, val_images, val_labels = load_data(config.get("dataset", "digits"))
    net = build_network(config["activation"], train_images.shape[-1])
    optimizer = torch.optim.SGD(net.parameters(), lr=config.get("learning_rate", 0.1))

    steps = 0
    for _ in range(config.get("epochs", 60)):
        loss_sum, correct = 0.0, 0
        for batch in torch.randperm(len(train_images)).split(config.get("batch_size", 64)):
            scores = net(train_images[batch])
            loss = nn.functional.cross_entropy(scores, train_labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps += 1
            loss_sum += loss.item() * len(batch)
            correct += count_correct(scores, train_labels[batch])

        status_reporter.report(
            TrainingResult(
                timesteps_total=steps,
                mean_loss=loss_sum / len(train_images),
                mean_accuracy=correct / len(train_images),
                mean_validation_accuracy=evaluate(net, val_images, val_labels),
            )
        )


def load_data(name: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images and labels to train with, then those held out; the same split for every trial."""
    if name == "digits":
        images, labels = load_digits(return_X_y=True)
        side, brightest, held_out = 8, 16, 360
    elif name == "mnist_784":
        images, labels = fetch_openml(
            name, version=1, return_X_y=True, as_frame=False, parser="liac-arff"
        )
        side, brightest, held_out = 28, 255, 10_000
    else:
        raise ValueError(f"dataset: expected 'digits' or 'mnist_784', got {name!r}")
    parts = train_test_split(
        images / brightest, labels.astype(int), test_size=held_out, random_state=0
    )
    train_images, val_images, train_labels, val_labels = map(torch.from_numpy, parts)
    return as_images(train_images, side), train_labels, as_images(val_images, side), val_labels


def as_images(pixels: Tensor, side: int) -> Tensor:
    """Rows of pixels as images of one channel."""
    return pixels.float().reshape(-1, 1, side, side)


def build_network(activation: str, side: int) -> nn.Module:
    """Two convolutions, each halving the image, and two dense layers."""
    act = ACTIVATIONS[activation]
    return nn.Sequential(
        *(nn.Conv2d(1, 16, kernel_size=3, padding=1), act(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, kernel_size=3, padding=1), act(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(32 * (side // 4) ** 2, 64), act(), nn.Linear(64, 10)),
    )


def evaluate(net: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The accuracy on held-out images."""
    with torch.no_grad():
        parts = zip(images.split(1000), labels.split(1000), strict=True)
        return sum(count_correct(net(part), truth) for part, truth in parts) / len(images)


def count_correct(scores: Tensor, labels: Tensor) -> int:
    """How many images have their highest score at their label."""
    return int((scores.argmax(dim=1) == labels).sum())


if __name__ == "__main__":
    import tune_tasks

    summary = tune_tasks.run_experiments(
        {
            "tune_mnist": {
                "env": "mnist",
                "num_trials": 10,
                "resources": {"cpu": 1},
                "stop": {"mean_accuracy": 0.99, "time_total_s": 600},
                "config": {
                    "script_file_path": __file__,
                    "activation": {"grid_search": ["relu", "elu", "tanh"]},
                },
            }
        }
    )
    best = summary.best()
    if best:
        print(f"{best.config['activation']}: training accuracy {best.metric('mean_accuracy'):.4f}")
