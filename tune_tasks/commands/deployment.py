"""Drafts a deployment of the flow, and checks it before Prefect is told of it.

A draft has the spec's content, the other parameters of the flow, and a schedule.
"""

from __future__ import annotations

import copy
import json
import os
import zoneinfo
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from tune_tasks.errors import UsageError, did_you_mean
from tune_tasks.model.masking import secrets_of
from tune_tasks.model.paths import dotted, nodes
from tune_tasks.model.text import one_line
from tune_tasks.spec.schema import ExperimentSpec
from tune_tasks.spec.warm_start import FILES
from tune_tasks.sweep.own_searchers import own_searchers
from tune_tasks.sweep.plan import Plan
from tune_tasks.sweep.request import Request
from tune_tasks.sweep.warm_sources import places_of
from tune_tasks.trial.script import ScriptTrainable

_CRON_FIELDS = 5
_BANNED = "/%&<>"
_GIVEN_OTHERWISE = ("spec", "spec_file")
_PREFECTS_KEY = "__prefect_kind"


@dataclass(frozen=True)
class Timing:
    """When a deployment runs: by cron, interval or rrule; without one, only when asked to.

    Attributes:
        cron: Five fields, such as `0 2 * * *`.
        interval_s: Seconds from one start to the next.
        rrule: A recurrence rule of RFC 5545.
        timezone: The zone of cron and rrule; None: UTC.
    """

    cron: str | None = None
    interval_s: int | None = None
    rrule: str | None = None
    timezone: str | None = None

    def check(self) -> None:
        """Check everything but what a cron, interval or rrule says, which Prefect checks.

        Raises:
            UsageError: If there is more than one schedule, or the timezone does not exist.
        """
        if self.cron is not None:
            _check_cron(self.cron)
        schedules = {"--cron": self.cron, "--interval": self.interval_s, "--rrule": self.rrule}
        flags = [flag for flag, value in schedules.items() if value is not None]
        if len(flags) > 1:
            raise UsageError(
                f"{' and '.join(flags)}: a deployment has one schedule; give one of --cron,"
                " --interval, --rrule"
            )
        if self.timezone is not None:
            _check_timezone(self.timezone, has_schedule=bool(flags))


def _check_timezone(timezone: str, *, has_schedule: bool) -> None:
    if not has_schedule:
        raise UsageError(
            "--timezone without a schedule; give --cron, --interval or --rrule with it"
        )
    zones = zoneinfo.available_timezones()
    if timezone not in zones:
        hint = did_you_mean(timezone, zones)
        raise UsageError(
            f"--timezone: no time zone {timezone!r}{hint} (expected a name such as 'Europe/Berlin')"
        )


def _check_cron(cron: str) -> None:
    """Refuse a sixth field: Prefect takes it for seconds, and would start a sweep in each."""
    count = len(cron.split())
    if count != _CRON_FIELDS and not cron.startswith("@"):
        expected = "five fields (minute, hour, day, month and weekday), e.g. '0 2 * * *'"
        raise UsageError(f"--cron: expected {expected}, got {count}: {cron!r}")


@dataclass(frozen=True)
class Draft:
    """A deployment before Prefect knows of it.

    Attributes:
        parameters: The flow's, `spec` among them; the others as they were given.
        paused: Whether its schedule is off.
        warnings: What is allowed, but hardly meant.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    timing: Timing
    tags: Sequence[str] = ()
    paused: bool = False
    warnings: Sequence[str] = ()


def draft(
    request: Request, timing: Timing, *, name: str | None, tags: Sequence[str], paused: bool
) -> Draft:
    """Draft a deployment of a request.

    Args:
        request: With a spec file.
        timing: When it runs.
        name: The deployment's; None for the spec file's, without its suffix.
        tags: For the deployment and its runs.
        paused: Whether its schedule is off.

    Raises:
        BadInputError: If the spec, a parameter, the name or the schedule is wrong.
    """
    plan = request.plan({})
    own_searchers(plan, None)
    if name is None:
        name = Path(request.spec_file or "sweep").stem
    _check_name(name)
    timing.check()
    return Draft(
        name=name,
        description=_description(plan, request),
        parameters={"spec": spec_content(plan, _folder(request)), **_given(request)},
        timing=timing,
        tags=tuple(tags),
        paused=paused,
        warnings=tuple(_warnings(plan)),
    )


def _check_name(name: str) -> None:
    if not name.strip() or set(name) & set(_BANNED):
        raise UsageError(
            f"--name: expected a name without any of {' '.join(_BANNED)}, got {name!r}"
        )


def _warnings(plan: Plan) -> Iterator[str]:
    for experiment in plan.experiments:
        for path in secrets_of(dict(experiment.spec)):
            yield (
                f"{experiment.name}.{dotted(path)}: Prefect stores a deployment's spec with"
                " its secrets and shows them on its pages; let the script read them from the"
                " environment or from a file"
            )


def _folder(request: Request) -> Path | None:
    return Path(request.spec_file).parent.resolve() if request.spec_file else None


def spec_content(plan: Plan, folder: Path | None = None) -> dict[str, Any]:
    """Return the spec as it was given, but with absolute paths of its scripts and tables.

    A worker runs in another folder, and would not find them otherwise.

    Args:
        plan: Of the spec.
        folder: The spec's.

    Raises:
        UsageError: If the spec holds what JSON cannot, such as NaN, or what Prefect's server would
            replace.
    """
    content: dict[str, Any] = copy.deepcopy(dict(plan.given))
    for experiment in plan.experiments:
        if isinstance(experiment.trainable, ScriptTrainable):
            script = os.fspath(experiment.trainable.path)
            content[experiment.name]["config"]["script_file_path"] = script
        table = _table(experiment.spec, folder)
        if table:
            content[experiment.name]["warm_start"]["from"] = os.fspath(table)
    try:
        json.dumps(content, allow_nan=False)
    except ValueError as exc:
        raise UsageError(
            f"the spec cannot be a deployment's parameter, which is JSON: {exc}"
        ) from None
    _expect_nothing_of_prefects(content)
    return content


def _table(experiment: ExperimentSpec, folder: Path | None) -> Path | None:
    """Return the file that an experiment starts from, if it is one that this machine has."""
    wish = experiment.warm_start
    if wish is None or not wish.source.endswith(FILES):
        return None
    return next(filter(Path.is_file, places_of(wish.source, folder)), None)


def _expect_nothing_of_prefects(content: Mapping[str, Any]) -> None:
    """Refuse a mapping that Prefect's server would replace.

    It would put a template's text, a variable's value or parsed JSON in its place.
    """
    for path, node in nodes(content):
        if isinstance(node, Mapping) and _PREFECTS_KEY in node:
            raise UsageError(
                f"{dotted(path) or 'the spec'}: a deployment's spec cannot have the key"
                f" {_PREFECTS_KEY!r}, which Prefect takes for itself"
            )


def _given(request: Request) -> dict[str, Any]:
    """Return the request's parameters that are not the defaults, without the spec."""
    given = {}
    defaults = Request()
    for field in fields(request):
        value = getattr(request, field.name)
        if field.name not in _GIVEN_OTHERWISE and value != getattr(defaults, field.name):
            given[field.name] = value
    return given


def _description(plan: Plan, request: Request) -> str:
    counts = ", ".join(
        f"{one_line(experiment.name)}: {len(experiment.trials)} trials"
        for experiment in plan.experiments
    )
    return f"Sweep of {request.spec_file}. {counts}."


def parse_parameters(settings: Sequence[str]) -> dict[str, Any]:
    """Return the flow's parameters from `KEY=VALUE`; a value that is not JSON is text.

    Raises:
        UsageError: If there is no such parameter, or its value is wrong.
    """
    types = get_type_hints(Request, include_extras=True)
    known = [name for name in types if name not in _GIVEN_OTHERWISE]
    parsed = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise UsageError(f"--param {setting}: expected KEY=VALUE, e.g. num_trials=20")
        if name in _GIVEN_OTHERWISE:
            raise UsageError(f"--param {name}: the spec is given with -f")
        if name not in known:
            hint = did_you_mean(name, known)
            raise UsageError(
                f"--param: the flow has no parameter {name!r}{hint} (known: {', '.join(known)})"
            )
        parsed[name] = _value(name, text, types[name])
    return parsed


def _value(name: str, text: str, expected: Any) -> Any:
    try:
        value = json.loads(text)
    except ValueError:  # also a number of more digits than Python reads
        value = text
    try:
        return TypeAdapter(expected).validate_python(value, strict=True)
    except ValidationError as exc:
        problem = exc.errors()[0]["msg"]
        expected = problem.replace("Input should be", "expected")
        expected = expected.replace("dictionary", "JSON object")
        raise UsageError(f"--param {name}: {expected}, got {value!r}") from None
