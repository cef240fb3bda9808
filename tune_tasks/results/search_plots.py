"""Pictures of an experiment's search: how the best became better, and what matters."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tune_tasks.model.objective import Objective
from tune_tasks.results.axis import short_label
from tune_tasks.results.best_so_far import BestSoFar
from tune_tasks.results.figure import limit_to_most, new_figure, whole_numbers
from tune_tasks.results.search_view import SearchView

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NAME_LENGTH = 40
_PARAMETERS = 20


def search_pictures(view: SearchView, objective: Objective) -> dict[str, Callable[[], Figure]]:
    """The pictures that a search gives, by title, each drawn when it is called."""
    best = view.best
    pictures: dict[str, Callable[[], Figure]] = {}
    if best and best.improvements:
        pictures["How the best became better"] = lambda: best_so_far_figure(best, objective)
    if view.importance:
        pictures["What matters"] = lambda: importance_figure(view)
    return pictures


def best_so_far_figure(best: BestSoFar, objective: Objective) -> Figure:
    """Draw the value of each trial in the order of their ends, and the best so far.

    At least one trial has to have a value.
    """
    figure, plot = new_figure(9, 3.5)
    numbers = range(1, len(best.ended) + 1)
    known = [(n, t.value) for n, t in zip(numbers, best.ended, strict=True) if t.value is not None]
    x, y = zip(*known, strict=True)
    plot.scatter(x, y, s=14, color="tab:grey", alpha=0.6, label="a trial")
    steps = [(each.ended, each.value) for each in best.improvements]
    steps.append((len(best.ended), steps[-1][1]))
    x, y = zip(*steps, strict=True)
    plot.step(x, y, where="post", color="tab:blue", linewidth=1.6, label="the best so far")
    limit_to_most(plot, [value for _, value in known], objective)
    plot.set(xlabel="trials that have ended", ylabel=short_label(objective.metric, _NAME_LENGTH))
    plot.xaxis.set_major_locator(whole_numbers())
    plot.legend(fontsize=8, loc="best")
    return figure


def importance_figure(view: SearchView) -> Figure:
    """Draw how much each parameter matters, as bars, the greatest first."""
    shares = dict(list(view.importance.items())[:_PARAMETERS])
    figure, plot = new_figure(9, 1.1 + 0.32 * len(shares))
    labels = [short_label(view.label(path), _NAME_LENGTH) for path in shares]
    places = range(len(shares))
    bars = plot.barh(places, list(shares.values()), color="tab:blue")
    plot.bar_label(bars, [f" {100 * share:.0f} %" for share in shares.values()], fontsize=8)
    plot.set_yticks(places, labels)
    plot.invert_yaxis()
    plot.margins(x=0.1)
    plot.set_xlabel("importance")
    plot.xaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
    plot.spines[["top", "right"]].set_visible(False)
    return figure
