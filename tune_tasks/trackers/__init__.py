"""Where results go besides the trial's own files: one small module each, one interface, one caller (the recorder)."""

from tune_tasks.trackers.base import Tracker
from tune_tasks.trackers.mlflow import MlflowTracker
from tune_tasks.trackers.tensorboard import TensorBoardTracker

__all__ = ["MlflowTracker", "TensorBoardTracker", "Tracker"]
