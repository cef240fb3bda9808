"""What a budget needs, and what of it can have no effect. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from tune_tasks.errors import SpecError
from tune_tasks.spec.budget import OF_THE_METRIC
from tune_tasks.spec.schema import ExperimentSpec
from tune_tasks.sweep.part import Part


def expect_metric_of_budget(part: Part) -> None:
    """Check that what goes by the metric has one, and only one.

    Raises:
        SpecError: If the experiment names none, or several.
    """
    objectives = part.experiment.compared_by().each
    if len(objectives) == 1:
        return
    problem = "it goes by the metric; name it: metric: mean_loss"
    if objectives:
        problem = "it goes by one metric, and `objectives` names several"
    for key in OF_THE_METRIC:
        if getattr(part.experiment.budget, key) is not None:
            raise SpecError(f"budget.{key}: {problem}", part.at(("budget", key), key=True))


def doubts_of_budget(experiment: ExperimentSpec) -> Iterator[tuple[str, str]]:
    """Yield a key of the budget, and what is doubtful about it."""
    budget = experiment.budget
    resources = experiment.resources
    if budget.cpu_hours and not resources.cpu:
        yield "cpu_hours", "never used up: a trial occupies no CPU"
    if budget.gpu_hours and not resources.gpu:
        yield "gpu_hours", "never used up: a trial occupies no GPU; see resources.gpu"
    trials = experiment.num_trials
    if budget.patience and trials and budget.patience >= trials:
        yield "patience", f"never used up: there are no more than {trials} trials"
