"""From a spec's `env` to a Gymnasium environment."""
