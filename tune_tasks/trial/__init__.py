"""The world of one trial's process: it runs `train()`, watches it and reports.

It imports nothing of the driver.
"""
