"""The algorithms that RLlib has dropped."""
