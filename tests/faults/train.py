"""A trial whose reports follow from its config alone, whatever is done to it meanwhile."""

import json
import time

from tune_tasks import TrainingResult

STEPS = 12


def train(config, status_reporter):
    value = start = 0
    folder = status_reporter.restore()
    if folder is not None:
        kept = json.loads((folder / "state.json").read_text())
        start = kept["step"]
        value = kept["value"]
    for step in range(start + 1, STEPS + 1):
        time.sleep(config["pause_s"])
        # Whole numbers: what a step makes depends on all steps before it, exactly.
        value = (value * 31 + config["x"] * step) % 10007
        if step == 6 and start == 0 and config["x"] == 5:
            raise RuntimeError(
                "the attempts that begin anew fail, so that one goes on from a checkpoint"
            )
        status_reporter.report(TrainingResult(timesteps_total=step, mean_loss=value / 10007))
        if step % 4 == 0:
            with status_reporter.checkpoint() as folder:
                (folder / "state.json").write_text(json.dumps({"step": step, "value": value}))
