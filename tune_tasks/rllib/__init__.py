"""Training through RLlib: what its command line did, and the algorithms that it has dropped."""
