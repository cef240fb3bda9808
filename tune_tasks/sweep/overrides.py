"""What is given beside a spec, and takes the place of what the spec says. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tune_tasks.errors import UsageError
from tune_tasks.model.stopping import parse_criterion
from tune_tasks.spec.schema import MAX_TRIALS, ExperimentSpec
from tune_tasks.spec.storage import problem_of_storage


@dataclass(frozen=True)
class Overrides:
    """What takes the place of the same keys of every experiment; None if nothing does."""

    num_trials: int | None
    seed: int | None
    stop: Mapping[str, float | str]
    storage: str | None = None

    def check(self) -> None:
        """Expect values that a spec could have.

        Raises:
            UsageError: If one is out of its range, no criterion, or no address.
        """
        seed = self.seed
        if seed is not None and not 0 <= seed < 2**63:
            raise UsageError(f"seed: expected a whole number from 0 to 2**63 - 1, got {seed}")
        count = self.num_trials
        if count is not None and not 1 <= count <= MAX_TRIALS:
            raise UsageError(
                f"num_trials: expected a whole number from 1 to {MAX_TRIALS:,}, got {count}"
            )
        for metric, bound in self.stop.items():
            try:
                parse_criterion(metric, bound)
            except ValueError as exc:
                raise UsageError(f"stop.{metric}: {exc}") from None
        problem = problem_of_storage(self.storage) if self.storage else None
        if problem:
            raise UsageError(f"storage: {problem}")

    def of(self, experiment: ExperimentSpec) -> dict[str, object]:
        """Return what takes the place of an experiment's own keys."""
        overrides: dict[str, object] = {}
        if self.num_trials is not None:
            overrides["num_trials"] = self.num_trials
        if self.seed is not None:
            overrides["seed"] = self.seed
        if self.stop:
            overrides["stop"] = {**experiment.stop, **self.stop}
        if self.storage:
            overrides["storage"] = self.storage
        return overrides
