"""What the pictures of a report have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tune_tasks.model.objective import Objective

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import Locator

_MANY = 0.9
_SPREAD = 10
_MARGIN = 0.5


def new_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """Return a figure with one plot; sizes in inches."""
    # Not by pyplot, which belongs to one thread and keeps every figure until it is closed.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def whole_numbers() -> Locator:
    """Return where an axis of counts, or of numbers of trials, has its ticks."""
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(integer=True, min_n_ticks=1)


def limit_to_most(plot: Axes, values: Sequence[float], objective: Objective) -> None:
    """Leave out what is so much worse than the best nine tenths that they would be one line."""
    badness = sorted(objective.sort_key(value) for value in values)
    best = badness[0]
    most = badness[int(_MANY * (len(badness) - 1))]
    spread = most - best
    if spread <= 0 or badness[-1] - best <= _SPREAD * spread:
        return
    end = objective.sort_key(most + _MARGIN * spread)
    if objective.is_greater_better:
        plot.set_ylim(bottom=end)
    else:
        plot.set_ylim(top=end)
