"""What a trial is: its config, states, stop criteria, reports and files. Pure; every other room stands on it."""
