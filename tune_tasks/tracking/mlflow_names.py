"""The names that experiments, metrics and params have in MLflow, which does not take every name."""

from __future__ import annotations

import hashlib
import posixpath
import re

from tune_tasks.model.objective import Objective
from tune_tasks.model.text import one_line
from tune_tasks.result import tracked_name

_EXPERIMENT_LENGTH = 500
_KEY_LENGTH = 250
_MARK_LENGTH = 6
_SAFE = re.compile(r"[\w\-. :/]+")
_UNSAFE = re.compile(r"[^\w\-. :/]")
_UNDERSCORES = re.compile("_+")
_SPELLED = {
    "@": "at",
    "<": "lt",
    ">": "gt",
    "=": "eq",
    "%": "percent",
    "+": "plus",
    "&": "and",
    "*": "star",
    "#": "number",
}


def experiment_name(experiment: str) -> str:
    """Return an experiment's name as MLflow takes it; a spec's experiments stay distinct."""
    return one_line(experiment, _EXPERIMENT_LENGTH)


def metric_key(objective: Objective) -> str:
    """Return the name that MLflow has for an objective's metric."""
    return safe_key(tracked_name(objective.metric))


def best_key(objective: Objective) -> str:
    """Return the name of the parent run's metric that follows the best value."""
    return safe_key(f"best/{metric_key(objective)}")


def setting_key(path: str) -> str:
    """Return the name of the metric that follows a setting, by its dotted path."""
    return safe_key(f"config/{path}")


def safe_key(name: str) -> str:
    """Return a metric's or param's name as MLflow takes it: the name itself if that is possible.

    Any other name gets a mark of its own, so that distinct names stay distinct: `recall@1` becomes
    `recall_at_1-e740af`. The result depends on nothing but the name, so that trials and sweeps can
    be compared.
    """
    if _SAFE.fullmatch(name) and _is_path(name) and len(name) <= _KEY_LENGTH:
        return name
    spelled = _UNDERSCORES.sub("_", _UNSAFE.sub(_spelled_out, name))
    parts = [part for part in spelled.split("/") if part.strip(". ")]
    return marked("/".join(parts), name)


def marked(readable: str, name: str) -> str:
    """Return a readable form of a name with a mark that is the name's own."""
    digest = hashlib.sha256(name.encode(errors="backslashreplace")).hexdigest()
    kept = readable[: _KEY_LENGTH - _MARK_LENGTH - 1].strip("/_. ")
    return f"{kept or '_'}-{digest[:_MARK_LENGTH]}"


def _is_path(name: str) -> bool:
    """Whether MLflow can keep the name as a file: a path in a folder, written the shortest way."""
    return posixpath.normpath(name) == name and name != "." and not name.startswith(("..", "/"))


def _spelled_out(match: re.Match[str]) -> str:
    return f"_{_SPELLED.get(match[0], '')}_"
