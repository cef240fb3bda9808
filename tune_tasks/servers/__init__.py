"""The Prefect server and the MLflow store that a sweep brings along, or finds."""
