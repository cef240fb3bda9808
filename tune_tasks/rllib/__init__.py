"""RLlib as 2017's Ray Tune knew it.

Algorithm names, config keys and environments, on RLlib's new API stack.
"""
