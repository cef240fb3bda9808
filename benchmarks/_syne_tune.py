"""Serves Syne Tune's schedulers over standard input and output, one JSON object a line.

Runs with the interpreter of an environment that has `syne-tune`; see `search.py`.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from syne_tune.backend.trial_status import Trial
from syne_tune.config_space import choice, randint
from syne_tune.optimizer import baselines


class Server:
    """Has one scheduler at a time."""

    def new(self, scheduler: str, seed: int, counts: Mapping[str, int], ordinal: list[str]) -> None:
        """Begin with a new scheduler."""
        space = {name: _domain(count, name in ordinal) for name, count in counts.items()}
        made = getattr(baselines, scheduler)
        self._scheduler = made(space, metric="loss", do_minimize=True, random_seed=seed)
        self._trials: dict[int, Trial] = {}

    def ask(self, trial: int) -> dict[str, int]:
        """What a trial tries."""
        config = self._scheduler.suggest().config
        self._trials[trial] = Trial(trial_id=trial, config=config, creation_time=datetime.now())
        self._scheduler.on_trial_add(self._trials[trial])
        return {name: int(value) for name, value in config.items()}

    def tell(self, trial: int, loss: float) -> None:
        """Say what came of a trial, as its tuner does: a result, and then the end."""
        result = {"loss": loss}
        self._scheduler.on_trial_result(self._trials[trial], result)
        self._scheduler.on_trial_complete(self._trials[trial], result)


def _domain(count: int, is_ordinal: bool) -> Any:
    return randint(0, count - 1) if is_ordinal else choice([str(i) for i in range(count)])


def main() -> None:
    """Serve until there is nothing more to read."""
    warnings.simplefilter("ignore")
    answers, sys.stdout = sys.stdout, sys.stderr
    server = Server()
    for line in sys.stdin:
        given: dict[str, Any] = json.loads(line)
        answer = getattr(server, given.pop("what"))(**given)
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
