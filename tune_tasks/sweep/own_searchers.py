"""Which experiments are searched by a searcher that the library's caller has brought along."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tune_tasks.errors import UsageError
from tune_tasks.model.text import one_line
from tune_tasks.search.searcher import Searcher
from tune_tasks.spec.named_options import hint
from tune_tasks.spec.search import OWN
from tune_tasks.sweep.plan import Plan, PlannedExperiment

Given = Searcher | Mapping[str, Searcher] | None
"""One for all experiments with `search: own`, or one for each by its name."""


def own_searchers(plan: Plan, given: Given) -> dict[str, Searcher]:
    """The searchers of the experiments with `search: own`, by name.

    Raises:
        UsageError: If one is missing, or if nobody would ask one.
    """
    wanted = {each.name: each for each in plan.experiments if _is_own(each)}
    found = dict(_by_name(plan, wanted, given))
    for name, experiment in wanted.items():
        if name not in found and _is_asked(experiment):
            raise UsageError(
                f"{one_line(name)}: search: own is a searcher of your own, and"
                f" {_what_lacks(name, given)}"
            )
    return found


def not_from_a_file(plan: Plan) -> Iterator[str]:
    """Yield a warning for each experiment that the command line cannot run."""
    for experiment in plan.experiments:
        if _is_own(experiment) and _is_asked(experiment):
            yield (
                f"{one_line(experiment.name)}: search: own: the command line cannot run it; only"
                " Python can give a searcher: run_experiments(..., searcher=...)"
            )


def _is_asked(experiment: PlannedExperiment) -> bool:
    return not all(map(experiment.expansion.is_known, experiment.indices))


def _what_lacks(name: str, given: Given) -> str:
    if given:
        return f"{one_line(name)!r} is not in searcher"
    return "there is none; only Python can give one: run_experiments(..., searcher=...)"


def _is_own(experiment: PlannedExperiment) -> bool:
    return experiment.spec.searching().algorithm == OWN


def _by_name(
    plan: Plan, wanted: Mapping[str, PlannedExperiment], given: Given
) -> Iterator[tuple[str, Searcher]]:
    if given is None:
        return
    if not isinstance(given, Mapping):
        _expect_searcher("searcher", given)
        if not wanted:
            raise UsageError(f"searcher: nobody asks it; {_how_to_have_it_asked(plan)}")
        yield from dict.fromkeys(wanted, given).items()
        return
    for name, searcher in given.items():
        _expect_searcher(f"searcher: {one_line(str(name))}", searcher)
        _expect_own(plan, wanted, name)
        yield name, searcher


def _how_to_have_it_asked(plan: Plan) -> str:
    searches = (f"{one_line(e.name)} has {_search(e)}" for e in plan.experiments)
    return f"write search: own in an experiment ({', '.join(searches)})"


def _search(experiment: PlannedExperiment) -> str:
    return f"search: {experiment.spec.searching().algorithm}"


def _expect_own(plan: Plan, wanted: Mapping[str, PlannedExperiment], name: str) -> None:
    if name in wanted:
        return
    names = [each.name for each in plan.experiments]
    if name not in names:
        meant = hint(one_line(str(name)), map(one_line, names))
        raise UsageError(f"searcher: there is no experiment {one_line(str(name))!r}{meant}")
    other = plan.experiments[names.index(name)]
    raise UsageError(
        f"searcher: {one_line(name)} has {_search(other)}; to have yours asked write search: own"
    )


def _expect_searcher(what: str, given: object) -> None:
    if isinstance(given, Searcher):
        return
    if isinstance(given, type) and issubclass(given, Searcher):
        got = f"the class; write {given.__name__}(...)"
    else:
        got = type(given).__name__
    raise UsageError(
        f"{what}: expected a tune_tasks.Searcher, or one for each experiment by its name, got {got}"
    )
