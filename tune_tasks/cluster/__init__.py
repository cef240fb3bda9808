"""Ray: connecting to a cluster, what it has, and running tasks on it."""
