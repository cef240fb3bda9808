"""Tune any Python script from one YAML file: swept by a Prefect flow on Ray, compared in MLflow."""

from tune_tasks.result import TrainingResult

__all__ = ["TrainingResult"]
