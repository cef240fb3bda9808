"""What a spec file may say, and the trials that it stands for. Pure.

Nothing of a spec is executed here.
"""
