"""What a search needs, and what does not go together with it. Starts nothing."""

from __future__ import annotations

from collections.abc import Iterator

from tune_tasks.errors import SpecError, UsageError
from tune_tasks.model.paths import dotted
from tune_tasks.model.text import one_line
from tune_tasks.search.algorithms import has_torch, is_numeric
from tune_tasks.search.scheduler import Scheduler
from tune_tasks.spec.lookalikes import unsearched
from tune_tasks.spec.search_space import SearchSpace
from tune_tasks.sweep.part import Part
from tune_tasks.sweep.plan import Plan


def expect_searchable(part: Part, space: SearchSpace) -> None:
    """Check that an experiment has what its `search` needs.

    Raises:
        SpecError: If it has not, or if something does not go together.
    """
    problem = _problem(part, space)
    if problem:
        own = SpecError(f"search: {problem}", part.at(("search",), key=True))
        raise SpecError.of([own, *meant_domains(part, space)])


def meant_domains(part: Part, space: SearchSpace) -> Iterator[SpecError]:
    """Yield what looks like a domain in a config that has none, each with its place."""
    if not space.parameters:
        for path, reason in unsearched(part.experiment.config):
            yield SpecError(f"config.{dotted(path)}: {reason}", part.in_config(path))


def _problem(part: Part, space: SearchSpace) -> str:
    spec = part.experiment
    search = spec.searching()
    name = search.algorithm
    if not search.learns:
        return ""
    objectives = spec.compared_by()
    if not objectives.each:
        return f"{name} learns from the metric; name it: metric: mean_loss"
    if objectives.others and name == "cmaes":
        return "cmaes learns from one metric; of several objectives learn nsga2, tpe and gp"
    if spec.num_trials is None:
        return f"{name} goes on as long as it is asked; say how many trials: num_trials: 50"
    return _problem_of_space(name, space)


def _problem_of_space(name: str, space: SearchSpace) -> str:
    if not space.parameters:
        return f"{name} chooses the values of domains, such as {{uniform: [0, 1]}}; config has none"
    if name == "cmaes" and not is_numeric(space):
        return "cmaes sees numbers alone, no categories and nothing conditional; use tpe"
    if name == "nsga2" and any(parameter.is_conditional for parameter in space.parameters):
        return "nsga2 crosses configs that have the same settings, nothing conditional; use tpe"
    if name == "gp" and any(parameter.is_conditional for parameter in space.parameters):
        return "gp draws what is conditional at random; use tpe"
    if name == "gp" and not has_torch():
        return "gp needs torch: pip install torch"
    return ""


def expect_plain_choice(plan: Plan, scheduler: Scheduler) -> None:
    """Check that trials start in their order, if a model proposes them in that order.

    Raises:
        UsageError: If the scheduler chooses, and a model proposes.
    """
    chooses = type(scheduler).choose is not Scheduler.choose
    learning = next((e for e in plan.experiments if e.learns), None)
    if chooses and learning:
        raise UsageError(
            f"{one_line(learning.name)}: a Scheduler that chooses which trial starts does not go"
            f" together with search: {learning.spec.searching().algorithm}"
        )
