"""Makes a deployment of a Prefect server from a draft, for workers or this process to run."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import functools
import json
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import (
    ConcurrencyLimitConfig,
    ConcurrencyLimitStrategy,
    WorkPool,
)
from prefect.client.schemas.schedules import (
    SCHEDULE_TYPES,
    CronSchedule,
    IntervalSchedule,
    RRuleSchedule,
)
from prefect.deployments.runner import DeploymentApplyError, RunnerDeployment
from prefect.exceptions import PrefectException
from prefect.runner import Runner
from prefect.runner import runner as runner_module
from prefect.runner._starter_engine import EngineCommandStarter
from prefect.types.entrypoint import EntrypointType
from pydantic import ValidationError

from tune_tasks import __version__
from tune_tasks.commands.deployed_engine import command_of_runner, command_of_worker
from tune_tasks.commands.deployment import Draft, Timing
from tune_tasks.errors import ServiceError, UsageError, did_you_mean
from tune_tasks.flows.tune import tune
from tune_tasks.model.patching import replaced
from tune_tasks.servers.prefect import prefect_server, standing_server
from tune_tasks.servers.prefect_address import PrefectAddress
from tune_tasks.servers.prefect_configured import http_error, refusal

_POOL_TYPE = "process"
_MOST_POOLS = 200
"""The server gives no more pools in one answer."""
_MOST_DETAIL = 300
"""The most characters of an answer that a message repeats."""
# JSONDecodeError: the server answered with something else than JSON, such as a proxy's page
_PREFECTS_ERRORS = (PrefectException, DeploymentApplyError, httpx.HTTPError, json.JSONDecodeError)
# A sweep that is due while the last one runs is left out, because waiting sweeps would pile up, and
# start at odd times.
_ONE_AT_A_TIME = ConcurrencyLimitConfig(
    limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW
)


def deploy(draft: Draft, *, pool: str | None, working_dir: Path) -> str:
    """Create the deployment, or bring the one of that name up to date.

    Args:
        draft: What it holds.
        pool: The process work pool whose workers run it; None: the only one there is.
        working_dir: The folder that they run it in. An absolute path of the worker's machine, so it
            is not looked for here.

    Returns:
        The address of its page.

    Raises:
        UsageError: If the schedule, the pool or the folder is wrong, or no server stays.
        ServiceError: If the configured server does not answer, or refuses.
    """
    schedule = _schedule(draft.timing)
    if not working_dir.is_absolute():
        raise UsageError(
            "--working-dir: expected an absolute path of the worker's machine, got"
            f" {str(working_dir)!r}"
        )
    with standing_server() as address, _readable_errors():
        deployment = _deployment(
            draft,
            schedule,
            work_pool_name=_process_pool(pool),
            job_variables={
                "working_dir": str(working_dir),
                "command": command_of_worker(sys.executable),
            },
        )
        deployment_id = cast("UUID", deployment.apply())
    return _page(address, deployment_id)


def serve(draft: Draft) -> None:
    """Run the deployment's runs in child processes, until Ctrl-C or SIGTERM ends them.

    Raises:
        UsageError: If the schedule is wrong.
        ServiceError: If the Prefect server cannot be started or reached, or refuses.
    """
    schedule = _schedule(draft.timing)
    supervised = functools.partial(EngineCommandStarter, command=command_of_runner())
    with (
        prefect_server() as wait_for_prefect,
        replaced(runner_module, "EngineCommandStarter", supervised),
    ):
        asyncio.run(_serve(_deployment(draft, schedule), wait_for_prefect()))


async def _serve(deployment: RunnerDeployment, address: PrefectAddress) -> None:
    asked_to_end = asyncio.Event()
    runner = Runner(name=deployment.name)
    with _readable_errors():
        deployment_id = await runner.aadd_deployment(deployment)
    running = asyncio.create_task(runner.start())
    while not (runner.started or running.done()):
        await asyncio.sleep(0.05)
    # Only once the runner has started, because it sets handlers of its own
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, asked_to_end.set)
    lines = [
        f"Deployment: {deployment.full_name}",
        f"Its page:   {_page(address, deployment_id)}",
        f"Start a run there, or by: prefect deployment run {deployment.full_name!r}",
        "Ctrl-C ends it.",
    ]
    print(*lines, sep="\n", flush=True)
    waiting = asyncio.create_task(asked_to_end.wait())
    await asyncio.wait([running, waiting], return_when=asyncio.FIRST_COMPLETED)
    if not running.done():
        await runner.astop()
    await running


@contextlib.contextmanager
def _readable_errors() -> Iterator[None]:
    try:
        yield
    except _PREFECTS_ERRORS as exc:
        raise ServiceError(f"the Prefect server {_what_went_wrong(exc)}") from exc


def _what_went_wrong(error: Exception) -> str:
    answered = http_error(error)
    if answered is None:
        return f"cannot be used ({type(error).__name__}: {error})"
    response = answered.response
    refused = refusal(response.status_code)
    if refused:
        return refused
    detail = response.text[:_MOST_DETAIL]
    if isinstance(error, DeploymentApplyError):
        detail = str(error)
    in_one_line = " ".join(detail.split()) or response.reason_phrase
    return f"answered {response.status_code}: {in_one_line}"


def _schedule(timing: Timing) -> SCHEDULE_TYPES | None:
    try:
        if timing.cron is not None:
            return CronSchedule(cron=timing.cron, timezone=timing.timezone)
        if timing.rrule is not None:
            return RRuleSchedule(rrule=timing.rrule, timezone=timing.timezone)
        if timing.interval_s is not None:
            interval = datetime.timedelta(seconds=timing.interval_s)
            return IntervalSchedule(interval=interval, timezone=timing.timezone)
    except (ValidationError, OverflowError) as exc:
        flag, value, expected = _written(timing)
        raise UsageError(f"{flag}: expected {expected}, got {value!r}") from exc
    return None


def _written(timing: Timing) -> tuple[str, object, str]:
    """Return the schedule's flag, its value, and what the flag expects."""
    if timing.cron is not None:
        return "--cron", timing.cron, "minute, hour, day, month and weekday, e.g. '0 2 * * *'"
    if timing.rrule is not None:
        example = "a recurrence rule, e.g. 'FREQ=WEEKLY;BYDAY=MO;BYHOUR=2;BYMINUTE=0'"
        return "--rrule", timing.rrule, example
    return "--interval", timing.interval_s, "a number of seconds"


def _deployment(draft: Draft, schedule: SCHEDULE_TYPES | None, **where: Any) -> RunnerDeployment:
    return RunnerDeployment.from_flow(
        tune,
        name=draft.name,
        schedules=[schedule] if schedule else [],
        paused=draft.paused,
        concurrency_limit=_ONE_AT_A_TIME,
        parameters=dict(draft.parameters),
        description=draft.description,
        tags=list(draft.tags),
        version=__version__,
        entrypoint_type=EntrypointType.MODULE_PATH,
        **where,
    )


def _process_pool(name: str | None) -> str:
    with get_client(sync_client=True) as client:
        pools = client.read_work_pools(limit=_MOST_POOLS)
    if name is None:
        return _only([pool.name for pool in pools if pool.type == _POOL_TYPE], pools)
    chosen = next((pool for pool in pools if pool.name == name), None)
    if chosen is None:
        hint = did_you_mean(name, (pool.name for pool in pools))
        raise UsageError(
            f"--pool: no work pool {name!r}{hint} {_there_are(pools)}; {_how_to_make(name)}"
        )
    if chosen.type != _POOL_TYPE:
        raise UsageError(
            f"--pool: expected a pool of type {_POOL_TYPE!r}, but {name!r} is of type"
            f" {chosen.type!r} {_there_are(pools)}; {_how_to_make('NAME')}"
        )
    return name


def _only(names: Sequence[str], pools: Sequence[WorkPool]) -> str:
    if len(names) == 1:
        return names[0]
    if names:
        raise UsageError(f"--pool: there are several process pools; name one of {', '.join(names)}")
    raise UsageError(f"the server has no process pool {_there_are(pools)}; {_how_to_make('NAME')}")


def _there_are(pools: Sequence[WorkPool]) -> str:
    names = ", ".join(f"{pool.name} of type {pool.type}" for pool in pools)
    return f"(its pools: {names or 'none'})"


def _how_to_make(name: str) -> str:
    return f"make one: prefect work-pool create {name} --type {_POOL_TYPE}"


def _page(address: PrefectAddress, deployment_id: UUID) -> str:
    return f"{address.ui_url}/deployments/deployment/{deployment_id}"
