"""RLlib with the names of the Ray Tune of 2017: algorithms, config keys and environments.

It runs on RLlib's new API stack.
"""
