"""A Weights & Biases sweep file as a draft of ours. Pure.

Source: the schema of github.com/wandb/sweeps, its Hyperband, and the page "Sweep configuration
options" of its documentation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from tune_tasks.convert.draft import Draft, Setting, expect_free, expect_plain, experiment_name
from tune_tasks.convert.exact import about_rungs, divided
from tune_tasks.convert.given import Given
from tune_tasks.convert.wandb_parameters import setting_of
from tune_tasks.errors import did_you_mean
from tune_tasks.model.paths import NodePath
from tune_tasks.spec.schema import MAX_TRIALS

_METHODS = ("grid", "random", "bayes", "custom")
_GOALS = {"minimize": "min", "maximize": "max"}
_IMPUTES = ("latest", "best", "worst")
_WITHOUT_A_CAP = 100
"""Trials of a sweep that has no run_cap."""
_SCRIPT = "train.py"
_USUAL_COMMAND = ["${env}", "${interpreter}", "${program}", "${args}"]
_TRAIN = (
    "it has to have train(config, status_reporter): wandb.config and the command line are not"
    " filled, and what wandb.log() got is reported by status_reporter"
)
_BAYES = (
    "W&B's bayes is a Gaussian process over all settings; auto takes one where all settings are"
    " numbers and torch is there, else TPE; see docs/search.md"
)
_ENDLESS_RUNGS = 1_000
_LAST_RUNG = 2**53
_ETA = 3
_WITHOUT_COUNTERPART = {
    "apiVersion": "there are no versions of a spec",
    "kind": "a spec is always a sweep",
    "controller": "the search runs in the sweep itself",
    "job": "there are no launch jobs; script_file_path names a script",
    "image_uri": "there are no containers; script_file_path names a script",
    "entity": "results go to your MLflow",
    "project": "MLflow's experiment has the name of the experiment here",
    "scheduler": "what Python chooses cannot be read from the file; see `search`",
}


def draft_of_sweep(given: Given, file: str) -> Draft:
    """The draft of a sweep.

    Args:
        given: The whole file.
        file: Its name.

    Raises:
        SpecError: If it is not a W&B sweep.
    """
    method = given.needed_text("method", _METHODS)
    draft = Draft(experiment_name(given.text("name"), file))
    description = given.text("description")
    if description:
        draft.head.append(description)
    config = _config(given, draft, is_grid=method == "grid")
    _put_metric(given, draft)
    _put_number_of_trials(given, draft, method, config)
    _put_search(given, draft, method)
    _put_early_end(given, draft)
    draft.keys["config"] = config
    for key in given.rest():
        hint = did_you_mean(key, [*_WITHOUT_COUNTERPART, "parameters", "metric", "run_cap"])
        unknown = f"it is no key of a W&B sweep{hint}"
        draft.left_out(given, key, _WITHOUT_COUNTERPART.get(key, unknown))
    return draft


# ── config ─────


def _config(given: Given, draft: Draft, *, is_grid: bool) -> dict[str, Any]:
    config: dict[str, Any] = {"script_file_path": _script(given, draft)}
    parameters = given.below("parameters")
    if parameters is None:
        if "scheduler" not in given:
            given.expect("parameters")
        draft.note(("config",), "the search space is made by Python: write it here")
        return config
    expect_free(parameters, config)
    return config | _settings(parameters, draft, ("config",), is_grid=is_grid)


def _settings(given: Given, draft: Draft, path: NodePath, *, is_grid: bool) -> dict[str, Any]:
    """The settings of a mapping of parameters."""
    settings = {}
    for name in given:
        parameter = given.below(name)
        if parameter is None:
            raise given.error("expected a parameter such as {min: 0, max: 1}, got null", name)
        nested = parameter.below("parameters")
        if nested:
            settings[name] = _settings(nested, draft, (*path, name), is_grid=is_grid)
            notes = [f"{parameter.cited(key)} is left out" for key in parameter.rest()]
            draft.note((*path, name), *notes)
        else:
            setting = setting_of(parameter, is_grid=is_grid)
            settings[name] = setting.value
            draft.note((*path, name), *setting.notes)
    expect_plain(given, settings)
    return settings


def _script(given: Given, draft: Draft) -> str:
    command = given.take("command")
    if command is not None and not isinstance(command, list):
        raise given.error("expected a list, such as [${env}, python3, ${program}]", "command")
    words = [str(word) for word in command or _USUAL_COMMAND]
    scripts = [word for word in words if word.endswith(".py")]
    script = given.text("program") or next(iter(scripts), None)
    path = ("config", "script_file_path")
    draft.note(path, *_about_script(script), *_about_command(words, script))
    return script or _SCRIPT


def _about_script(script: str | None) -> Iterator[str]:
    if script is None:
        yield "the file names no program: write yours"
    yield _TRAIN


def _about_command(words: list[str], script: str | None) -> Iterator[str]:
    own = [word for word in words if not _is_usual(word) and word != script]
    if own:
        yield f"command: {' '.join(own)} is not given to it; what it needs of that goes into config"


def _is_usual(word: str) -> bool:
    return word.startswith(("${", "python")) or word == "/usr/bin/env"


# ── The keys beside it ─────


def _put_metric(given: Given, draft: Draft) -> None:
    metric = given.below("metric")
    if given.take("metrics") is not None:
        if metric is not None:
            raise given.error("metric and metrics: give one of them", "metrics", of_key=True)
        metric = _only_one(given.each_below("metrics"), draft)
    if metric is None:
        return
    draft.put("metric", metric.needed_text("name"))
    draft.put("mode", _mode(metric))
    if metric.take("target") is not None:
        draft.put("budget", {"goal": metric.number("target")})
    draft.note(("metric",), *_about_metric(metric))


def _only_one(metrics: list[Given], draft: Draft) -> Given | None:
    """The only metric of a list; several are objectives."""
    if len(metrics) == 1:
        return metrics[0]
    _put_metrics(metrics, draft)
    return None


def _put_metrics(several: list[Given], draft: Draft) -> None:
    objectives: dict[str, str] = {}
    draft.put("objectives", objectives)
    for metric in several:
        name = metric.needed_text("name")
        if name in objectives:
            raise metric.error(f"{name!r} is there twice", "name")
        objectives[name] = _mode(metric)
        if metric.take("target") is not None:
            note = f"{metric.cited('target')}: budget.goal is of one metric, and here are several"
            draft.note(("objectives",), note)
        draft.note(("objectives",), *_about_metric(metric))


def _mode(metric: Given) -> str:
    return _GOALS[metric.text("goal", _GOALS) or "minimize"]


def _about_metric(metric: Given) -> Iterator[str]:
    imputed = metric.text("impute", _IMPUTES) or "worst"
    if imputed != "worst":
        yield f"{metric.cited('impute')}, {imputed}: a failed trial counts as the worst here"
    for key in metric.rest():
        yield f"{metric.cited(key)} has no counterpart"


def _put_number_of_trials(given: Given, draft: Draft, method: str, config: dict[str, Any]) -> None:
    cap = given.whole("run_cap", least=1, most=MAX_TRIALS)
    size = _grid_size(config)
    if method == "grid":
        if cap is not None and cap < size:
            draft.put("num_trials", cap)
        elif cap is not None:
            draft.left_out(given, "run_cap", f"the whole grid is {size} trials")
    elif cap is not None:
        draft.put("num_trials", cap)
    else:
        note = "there is no run_cap, so W&B goes on until somebody ends it: say how many you want"
        draft.put("num_trials", _WITHOUT_A_CAP, note)


def _grid_size(node: Any) -> int:
    if not isinstance(node, dict):
        return 1
    if "grid_search" in node:
        return len(node["grid_search"])
    return math.prod(map(_grid_size, node.values()))


def _put_search(given: Given, draft: Draft, method: str) -> None:
    if method == "bayes":
        if "metric" not in draft.keys and "objectives" not in draft.keys:
            raise given.error("bayes needs a metric: metric: {name: ..., goal: ...}", "method")
        draft.put("search", "auto", _BAYES)
    elif method == "random":
        draft.put("search", "random")
    elif method == "custom":
        draft.put("search", "random", "method custom: what Python chose has no counterpart")


def _put_early_end(given: Given, draft: Draft) -> None:
    rule = given.below("early_terminate")
    if rule is None:
        return
    kind = rule.needed_text("type")
    if kind != "hyperband":
        draft.left_out(given, "early_terminate", f"no rule of ours is {kind!r}; see `scheduler`")
        return
    if "objectives" in draft.keys:
        reason = "a scheduler goes by one metric, and here are several"
        draft.left_out(given, "early_terminate", reason)
        return
    if "metric" not in draft.keys:
        raise given.error(
            "hyperband needs a metric: metric: {name: ..., goal: ...}", "early_terminate"
        )
    asha = _asha(rule)
    draft.put("scheduler", {"asha": asha.value}, *asha.notes)


def _asha(rule: Given) -> Setting:
    """W&B's Hyperband: one bracket, whose trials are stopped, which is ASHA."""
    factor = rule.number("eta", _ETA)
    if factor <= 1:
        raise rule.error(f"expected a number above 1, got {factor}", "eta")
    first, last, notes = _rungs(rule, factor)
    is_strict = rule.flag("strict", default=False)
    if is_strict:
        notes.append(f"{rule.cited('strict')}: asha always goes by the value at the rung")
    else:
        notes.append("W&B goes by a run's best value so far, asha by its value at the rung")
    asha = {
        "time_attr": "training_iteration",
        "grace_period": first,
        "reduction_factor": factor,
        "max_t": last,
    }
    notes = ["W&B's hyperband is one bracket, as asha is", *notes]
    return Setting(asha, (*notes, *(f"{rule.cited(key)} is left out" for key in rule.rest())))


def _rungs(rule: Given, factor: float) -> tuple[int, int, list[str]]:
    """The first and the last rung, in reports of the metric."""
    last = rule.whole("max_iter", least=1)
    count = rule.whole("s", least=1)
    first = rule.whole("min_iter", least=1)
    if last is not None:
        if count is None:
            raise rule.error("max_iter needs s, the number of rungs", "max_iter", of_key=True)
        rungs = [int(rung) for rung in divided(last, factor, count)]
        if not rungs:
            raise rule.error(f"no rung: {last} / {factor} is below 1", "max_iter")
        extra = ["min_iter is left out, as W&B does beside max_iter"] if first is not None else []
        return rungs[-1], last, [*extra, *about_rungs(rungs[::-1], factor, last)]
    if first is None:
        raise rule.error("lacks min_iter, or max_iter with s")
    end = first
    while end < _ENDLESS_RUNGS:
        end = math.ceil(min(end * factor, _LAST_RUNG))
    notes = [
        "W&B's rungs have no end, so max_t is made up: from there on no trial is judged any more."
        " Write how often a run reports, or leave max_t out and give stop: {training_iteration: …};"
        " the totals of `plan` go by it"
    ]
    if count is not None:
        notes.append(f"{rule.cited('s')} is left out, as W&B does beside min_iter")
    return first, end, notes
