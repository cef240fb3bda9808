"""A trial whose reports follow from its config alone, whatever is done to it meanwhile."""

import json
import time

from tune_tasks import TrainingResult

STEPS = 12
EVERY = 4
MODULUS = 10007


def after(value, step, config):
    """What a step makes of the value before it."""
    # Whole numbers: what a step makes depends on all steps before it, exactly.
    return (value * 31 + config["x"] * step + config.get("plus", 0)) % MODULUS


def train(config, status_reporter):
    value = start = 0
    folder = status_reporter.restore()
    if folder is not None:
        kept = json.loads((folder / "state.json").read_text())
        start = kept["step"]
        value = kept["value"]
    for step in range(start + 1, config.get("steps", STEPS) + 1):
        time.sleep(config["pause_s"])
        value = after(value, step, config)
        if step == 6 and start == 0 and config["x"] == 5:
            raise RuntimeError(
                "the attempts that begin anew fail, so that one goes on from a checkpoint"
            )
        status_reporter.report(TrainingResult(timesteps_total=step, mean_loss=value / MODULUS))
        if step % EVERY == 0:
            with status_reporter.checkpoint() as folder:
                (folder / "state.json").write_text(json.dumps({"step": step, "value": value}))
