"""What the core has to know of a plan. Pure."""

from __future__ import annotations

from tune_tasks.search.judges import judges_of
from tune_tasks.sweep.core_state import CoreExperiment
from tune_tasks.sweep.learning import Learning
from tune_tasks.sweep.plan import Plan, PlannedExperiment


def core_experiments(plan: Plan) -> dict[str, CoreExperiment]:
    """The experiments of a plan, by name."""
    return {experiment.name: _of(experiment) for experiment in plan.experiments}


def _of(planned: PlannedExperiment) -> CoreExperiment:
    spec = planned.spec
    return CoreExperiment(
        planned.trials,
        spec.max_concurrent_trials,
        spec.rules(),
        planned.indices,
        _learning(planned),
        judges_of(spec, planned.expansion),
        spec.budgeted(),
        planned.expansion,  # also if an edit has made an end of the population: its configs stay
    )


def _learning(planned: PlannedExperiment) -> Learning | None:
    spec = planned.spec
    if not planned.learns:
        return None
    told = planned.warm.told if planned.warm else {}
    return Learning(spec.compared_by(), planned.expansion, spec.searching().lag, told)
