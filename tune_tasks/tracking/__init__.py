"""Writing to MLflow and TensorBoard. Lives in the recorder."""
