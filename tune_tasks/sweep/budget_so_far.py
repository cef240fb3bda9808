"""How far the budgets of a sweep are used that is to go on. Pure."""

from __future__ import annotations

from tune_tasks.results.budget_use import BudgetUse
from tune_tasks.sweep.core import Core
from tune_tasks.sweep.core_experiments import core_experiments
from tune_tasks.sweep.events import TakenOver
from tune_tasks.sweep.history import History
from tune_tasks.sweep.plan import Plan


def budgets_so_far(plan: Plan, earlier: History) -> dict[str, BudgetUse]:
    """How far they are used, as the next driver finds it; by experiment, of those that have one.

    Args:
        plan: What goes on.
        earlier: What the sweep's drivers have written.
    """
    core = Core(core_experiments(plan))
    for entry in earlier.handled():
        core.replay(entry.event, entry.then)
    at = earlier.last_at()
    core.handle(TakenOver(at))
    return core.budgets(at)
