"""What a spec may say, but probably does not mean: the warnings of a plan."""

from __future__ import annotations

from collections.abc import Iterator

from tune_tasks.errors import nearest
from tune_tasks.model.paths import dotted
from tune_tasks.model.stopping import parse_criterion, sounds_like_a_loss
from tune_tasks.result import STOP_METRICS
from tune_tasks.rllib.planning import ignored
from tune_tasks.spec.expansion import num_trials
from tune_tasks.spec.lookalikes import unsearched, variables
from tune_tasks.spec.scheduling import Timed
from tune_tasks.spec.search_space import SearchSpace
from tune_tasks.sweep.budget_checks import doubts_of_budget
from tune_tasks.sweep.drawn_values import drawn_values
from tune_tasks.sweep.part import Doubt, Part
from tune_tasks.sweep.replay_checks import doubts_of_schedule
from tune_tasks.sweep.rule_doubts import doubts_of_rules
from tune_tasks.sweep.scheduler_doubts import doubts_of_schedulers

_COUNTABLE = 10**30


def warnings_of(part: Part, space: SearchSpace) -> Iterator[str]:
    """The warnings about an experiment, each with its place.

    Args:
        part: The experiment.
        space: The search space of its config.
    """
    return map(part.worded, _all_doubts(part, space))


def _all_doubts(part: Part, space: SearchSpace) -> Iterator[Doubt]:
    yield from _about_size(part, space)
    yield from _about_an_end(part)
    yield from drawn_values(part, space)
    for parameter, reason in space.unmet():
        yield parameter.place, f".config.{parameter.name}.when", reason
    yield from doubts_of_schedulers(part, space)
    yield from doubts_of_schedule(part)
    for path, reason in unsearched(part.experiment.config):
        yield part.in_config(path), f".config.{dotted(path)}", reason
    for path, reason in variables(part.given):
        yield part.at(path), f".{dotted(path)}", reason
    for key, reason in ignored(part.experiment):
        yield part.at(("config", key), key=True), f".config.{key}", reason
    yield from _about_mode(part)
    yield from _about_criteria(part)
    yield from _about_time_attr(part)
    for key, reason in doubts_of_budget(part.experiment):
        yield part.at(("budget", key), key=True), f".budget.{key}", reason
    yield from _about_constraints(part)
    for number, reason in doubts_of_rules(part.experiment):
        yield part.at(("retry", number)), f".retry.{number}", reason


def _about_size(part: Part, space: SearchSpace) -> Iterator[Doubt]:
    if num_trials(part.experiment, space) < space.grid_size:
        tried = part.experiment.num_trials
        size = shown_count(space.grid_size)
        text = f"{tried} of the grid's {size} combinations are tried"
        yield part.at(("num_trials",)), ".num_trials", text
    if space.parameters and part.experiment.num_trials is None and space.grid_size == 1:
        text = "it has domains, and no num_trials: a single trial draws from them"
        yield part.at((), key=True), "", text
    search = part.experiment.searching()
    first = search.startup_trials * space.grid_size
    count = part.experiment.num_trials
    if search.learns and not part.experiment.warm_start and count is not None and count <= first:
        text = (
            f"{search.algorithm} proposes none of them: the first {first} are spread over the"
            f" space; more trials, or search: {{{search.algorithm}: {{startup_trials: 8}}}}"
        )
        yield part.at(("num_trials",)), ".num_trials", text


def _about_an_end(part: Part) -> Iterator[Doubt]:
    if not part.is_script and not part.experiment.stop:
        alg = part.experiment.alg
        text = (
            f"no `stop`: a trial of {alg} never ends by itself; e.g. stop: {{time_total_s: 3600}}"
        )
        yield part.at((), key=True), "", text


def _about_criteria(part: Part) -> Iterator[Doubt]:
    for key, metric in [*_named(part, "stop"), *_named(part, "constraints")]:
        for text in _doubt_of_metric(metric):
            yield part.at((key, metric), key=True), f".{key}.{metric}", text


def _about_mode(part: Part) -> Iterator[Doubt]:
    metric = part.experiment.metric
    if metric and part.experiment.mode is None and sounds_like_a_loss(metric):
        text = "the greatest value is the best; write mode: min, or mode: max, to say so"
        yield part.at(("metric",)), ".metric", f"of {metric!r} {text}"
    for name, bound in part.experiment.stop.items():
        if not isinstance(bound, str) and sounds_like_a_loss(name):
            yield part.at(("stop", name)), f".stop.{name}", _plain_number(name, bound)


def _plain_number(metric: str, bound: float) -> str:
    criterion = parse_criterion(metric, bound)
    return f"it means {criterion}; write '<= {bound:g}' or '>= {bound:g}' to say so"


def _about_time_attr(part: Part) -> Iterator[Doubt]:
    for number, (name, options) in enumerate(part.experiment.schedulers()):
        if not isinstance(options, Timed):
            continue
        path = (*part.in_scheduler(number, name), "time_attr")
        for text in _doubt_of_metric(options.time_attr):
            yield part.at(path), f".{dotted(path)}", f"{options.time_attr!r} is {text}"


def _doubt_of_metric(metric: str) -> Iterator[str]:
    meant = nearest(metric, STOP_METRICS)
    if metric not in STOP_METRICS and meant and _is_misspelt(metric, meant):
        yield f"no metric of TrainingResult; did you mean {meant!r}?"


def _named(part: Part, key: str) -> Iterator[tuple[str, str]]:
    return ((key, metric) for metric in getattr(part.experiment, key))


def _about_constraints(part: Part) -> Iterator[Doubt]:
    for metric, bound in part.experiment.constraints.items():
        if isinstance(bound, str):
            continue
        text = _plain_number(metric, bound)
        yield part.at(("constraints", metric)), f".constraints.{metric}", text


def _is_misspelt(name: str, meant: str) -> bool:
    """Return whether a name is so near to a metric's that it can hardly be a script's own."""
    is_as_long = abs(len(name) - len(meant)) <= 2
    return is_as_long and name[0] == meant[0] and nearest(name, [meant]) == meant


def shown_count(count: int) -> str:
    """Return a number of combinations as a text."""
    # Python refuses to write more than 4,300 digits.
    if count >= _COUNTABLE:
        return f"more than {_COUNTABLE:.0e}"
    return f"{count:,}"
