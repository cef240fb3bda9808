"""The searcher of a Determined experiment in our words. Pure.

Source: docs.determined.ai, and master/pkg/searcher of github.com/determined-ai/determined for the
rungs and brackets of `adaptive_asha`.
"""

from __future__ import annotations

import math
from typing import Any

from tune_tasks.convert.draft import Draft
from tune_tasks.convert.exact import MOST_RUNGS, about_rungs, divided
from tune_tasks.convert.given import Given
from tune_tasks.spec.schema import MAX_TRIALS

_UNITS = ("batches", "records", "epochs")
_REPORTS = "training_iteration"
_CONCURRENT = 16
_DIVISOR = 4
_RUNGS = 5
_MODES = ("aggressive", "standard", "conservative")
_ADAPTIVE = ("adaptive_asha", "adaptive", "adaptive_simple")
_HALVING = ("async_halving", "sync_halving")
_NAMES = ("single", "random", "grid", *_ADAPTIVE, *_HALVING, "custom")
_BY_BUDGET = ("adaptive", "sync_halving")
_WITHOUT_A_NUMBER = 100
"""Trials, if the file does not say how many."""
_CUSTOM = "searcher custom: what its Python chose has no counterpart"
_SOURCE = "trials do not begin from another one's checkpoint; config.script_file_path may load it"
_WITHOUT_COUNTERPART = {
    "source_trial_id": _SOURCE,
    "source_checkpoint_uuid": _SOURCE,
    "stop_once": "asha stops trials in any case, and continues none",
    "train_stragglers": "asha stops trials in any case, and waits for none",
    "budget": "num_trials says how many trials there are",
}


def put_searcher(given: Given, draft: Draft, *, slots: int, most_slots: int | None) -> None:
    """Write what a searcher says.

    Args:
        given: The searcher.
        draft: Where to.
        slots: Of a trial.
        most_slots: Of all trials; None for no limit.

    Raises:
        SpecError: If it is not a searcher.
    """
    name = given.needed_text("name", _NAMES)
    draft.put("metric", given.needed_text("metric"))
    draft.put("mode", "min" if given.flag("smaller_is_better", default=True) else "max")
    trials = given.whole("max_trials", least=1, most=MAX_TRIALS)
    if trials is not None:
        draft.put("num_trials", trials)
    elif name in ("custom", *_BY_BUDGET):
        draft.put("num_trials", _WITHOUT_A_NUMBER, f"{name} did not say how many")
    elif name not in ("single", "grid"):
        given.expect("max_trials")
    if name not in ("grid", "single"):
        draft.put("search", "random", *([_CUSTOM] if name == "custom" else []))
    _put_concurrency(given, draft, name, slots, most_slots)
    unit, length = _length(given)
    if length is not None:
        _put_length(draft, unit, length)
    if name in (*_ADAPTIVE, *_HALVING):
        _put_rungs(given, draft, name, unit, length)
    for key in given.rest():
        draft.left_out(given, key, _WITHOUT_COUNTERPART.get(key, f"it says nothing about {name}"))


def _put_concurrency(
    given: Given, draft: Draft, name: str, slots: int, most_slots: int | None
) -> None:
    given_most = given.whole("max_concurrent_trials")
    most = _CONCURRENT if given_most is None else given_most
    by_slots = max(1, most_slots // slots) if most_slots and slots else None
    if name == "single" or (most == 0 and by_slots is None):
        return
    if by_slots is not None and (most == 0 or by_slots < most):
        note = f"max_slots {most_slots}, of which a trial has {slots}"
        draft.put("max_concurrent_trials", by_slots, note)
        return
    default = [] if given_most is not None else ["it is Determined's default"]
    draft.put("max_concurrent_trials", most, *default)


# ── How long a trial is ─────


def _length(given: Given) -> tuple[str, int | None]:
    """The unit of a trial's length, and the length; None if it is not said."""
    unit = given.text("time_metric")
    length = given.whole("max_time", least=1)
    old = given.take("max_length")
    if isinstance(old, dict):
        inner = given.below("max_length")
        units = [key for key in inner or () if key in _UNITS]
        if inner is None or len(units) != 1 or len(list(inner)) != 1:
            raise given.error(f"expected one of {', '.join(_UNITS)}, and a number", "max_length")
        return unit or units[0], inner.whole(units[0], least=1) if length is None else length
    if old is not None and length is None:
        length = given.whole("max_length", least=1)
    return unit or given.text("unit", _UNITS) or _REPORTS, length


def _put_length(draft: Draft, unit: str, length: int) -> None:
    notes = []
    if unit != _REPORTS:
        notes = [f"the script has to report {unit!r} in info; {_REPORTS} counts its reports"]
    draft.put("stop", {unit: length}, *notes)


# ── Early stopping ─────


def _put_rungs(given: Given, draft: Draft, name: str, unit: str, length: int | None) -> None:
    if length is None:
        raise given.error("lacks max_time with time_metric, or max_length")
    divisor = given.number("divisor", _DIVISOR)
    if divisor <= 1:
        raise given.error(f"expected a number above 1, got {divisor}", "divisor")
    brackets = _brackets(given, name, draft.keys["num_trials"], length, divisor)
    most = max(brackets)
    if most == 1:
        draft.note(("num_trials",), "with a single rung no trial was stopped early")
        return
    lengths = [int(rung) for rung in reversed(divided(length, divisor, most - 1))] or [1]
    rungs: dict[str, Any] = {
        "time_attr": unit,
        "grace_period": lengths[0],
        "reduction_factor": divisor,
        "max_t": length,
    }
    kind, notes = _scheduler(brackets)
    draft.put("scheduler", {kind: rungs}, *notes, *about_rungs(lengths, divisor, length))


def _scheduler(brackets: list[int]) -> tuple[str, list[str]]:
    """The scheduler of ours that has these brackets, and in what it differs."""
    most = max(brackets)
    if len(brackets) == 1:
        return "asha", []
    if sorted(brackets) == list(range(1, most + 1)):
        return "hyperband", ["there was a bracket with each number of rungs, which is hyperband"]
    note = (
        f"there were brackets with {', '.join(map(str, sorted(brackets)))} rungs; asha is the one"
        f" with {most}, and hyperband would be all with 1 to {most}"
    )
    return "asha", [note]


def _brackets(given: Given, name: str, trials: int, length: int, divisor: float) -> list[int]:
    """The number of rungs of each bracket, as Determined counts them."""
    if name in _HALVING:
        given.expect("num_rungs")
        return [given.whole("num_rungs", least=1) or 1]
    mode = given.text("mode", _MODES) or "standard"
    most = given.whole("max_rungs", least=1) or _RUNGS
    counts = given.take("bracket_rungs")
    if counts:
        return _whole_rungs(given, counts)
    for count in (length, trials):
        most = min(most, MOST_RUNGS, int(math.log(count) / math.log(divisor)) + 1)
    fewest = {"aggressive": most, "standard": (most - 1) // 2 + 1, "conservative": 1}[mode]
    return list(range(fewest, most + 1))


def _whole_rungs(given: Given, counts: Any) -> list[int]:
    if not isinstance(counts, list) or not all(type(each) is int and each > 0 for each in counts):
        raise given.error("expected a list of whole numbers from 1 on", "bracket_rungs")
    return counts
