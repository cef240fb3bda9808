"""What a trial is: its config, states, stop criteria, reports and files. Pure.

Every other room stands on it.
"""
