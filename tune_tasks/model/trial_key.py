"""A trial's identity within its sweep, as text: `experiment/index`, such as `mnist/3`."""

from __future__ import annotations


def key_of(experiment: str, index: int) -> str:
    """The key of a trial of an experiment."""
    return f"{experiment}/{index}"


def experiment_of(key: str) -> str:
    """The experiment of the trial with a key. Its name may have slashes, too."""
    return key.rpartition("/")[0]


def index_of(key: str) -> int:
    """The index of the trial with a key."""
    return int(key.rpartition("/")[2])


def parts_of(key: str) -> tuple[str, int]:
    """The experiment and the index of the trial with a key."""
    experiment, _, index = key.rpartition("/")
    return experiment, int(index)
