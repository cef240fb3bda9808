"""The part of the report that shows an experiment's search, in Markdown. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tune_tasks.model.objective import Objective
from tune_tasks.model.text import one_line
from tune_tasks.model.trial import START_UP, TRY_FIRST, WARM_START, count
from tune_tasks.results.best_so_far import BestSoFar, since_text
from tune_tasks.results.markdown import table
from tune_tasks.results.search_view import SearchView

_IMPROVEMENTS = 10
_PARAMETERS = 20
_SURE = 32
"""Shares from fewer trials are rough."""


def search_lines(view: SearchView, objective: Objective | None) -> Iterator[str]:
    """Yield the lines on a search.

    Args:
        view: What is to be shown.
        objective: What 'best' goes by.
    """
    yield "## The search"
    yield ""
    yield f"{_who(view)}."
    yield ""
    if view.best and objective:
        yield from _best_lines(view.best, objective)
        yield from _importance_lines(view)
    if view.stops:
        yield from _stop_lines(view)
    if view.next:
        yield "## What to try next"
        yield ""
        yield from (f"- {step}" for step in view.next)
        yield ""


def _who(view: SearchView) -> str:
    """Return a text such as `40 trials: 1 of try_first, 16 of the start-up, 23 by tpe`."""
    total = count(sum(view.proposed_by.values()), "trial")
    parts = [_proposed(name, count) for name, count in _in_order(view.proposed_by)]
    return f"{total}: {', '.join(parts)}" if parts else f"No trial has begun; `{view.algorithm}`"


def _in_order(proposed_by: Mapping[str, int]) -> Iterable[tuple[str, int]]:
    order = {TRY_FIRST: 0, WARM_START: 1, START_UP: 2}
    return sorted(proposed_by.items(), key=lambda item: order.get(item[0], len(order)))


def _proposed(name: str, count: int) -> str:
    if name == TRY_FIRST:
        return f"{count} that the spec names (`{TRY_FIRST}`)"
    if name == WARM_START:
        return f"{count} of earlier sweeps (`{WARM_START}`)"
    if name == START_UP:
        return f"{count} spread over the space to begin with"
    return f"{count} by `{name}`"


def _best_lines(best: BestSoFar, objective: Objective) -> Iterator[str]:
    if not best.improvements:
        return
    rows = best.improvements[-_IMPROVEMENTS:]
    left = len(best.improvements) - len(rows)
    earlier = f" (the last {_IMPROVEMENTS}; {left} more before)" if left else ""
    since = f"; {since_text(best.since)}" if best.since else ""
    yield f"How the best became better{earlier}{since}:"
    yield ""
    yield from table(
        ("trials ended", "trial", one_line(objective.metric)),
        ((row.ended, row.index, f"{row.value:.6g}") for row in rows),
    )


def _importance_lines(view: SearchView) -> Iterator[str]:
    if view.why_no_importance:
        yield f"Importance of the parameters: {view.why_no_importance}."
        yield ""
        return
    roughly = " roughly:" if view.covering < _SURE else ""
    yield (
        "How much each parameter matters for being among the best (PED-ANOVA,"
        f"{roughly} from {view.covering} trials that cover the space):"
    )
    yield ""
    shares = list(view.importance.items())[:_PARAMETERS]
    rows = ((one_line(view.label(path)), f"{100 * share:.0f} %") for path, share in shares)
    yield from table(("parameter", "importance"), rows)


def _stop_lines(view: SearchView) -> Iterator[str]:
    yield "Stopped early:"
    yield ""
    yield from table(
        ("at iteration", "trials that reached it", "stopped there"),
        ((row.where, row.reached, row.stopped) for row in view.stops),
    )
