"""What runs in a trial's process: `train()`, its monitor and its reports.

Nothing here imports what belongs to the driver.
"""
