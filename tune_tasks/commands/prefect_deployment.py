"""`tune-tasks deploy` and `serve`.

The flow as a deployment of a Prefect server, run by a worker, or by this process.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
import signal
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
from prefect.types.entrypoint import EntrypointType
from pydantic import ValidationError

from tune_tasks import __version__
from tune_tasks.commands.deployment import Draft, Timing
from tune_tasks.errors import ServiceError, UsageError, did_you_mean
from tune_tasks.flows.tune import tune
from tune_tasks.servers.prefect import (
    PrefectAddress,
    http_error,
    prefect_server,
    refusal,
    standing_server,
)

_POOL_TYPE = "process"
_MOST_POOLS = 200  # of one answer of the server
_MOST_DETAIL = 300  # characters of an answer
# The last is what an answer that is no JSON, such as a proxy's page, comes to.
_PREFECTS_ERRORS = (PrefectException, DeploymentApplyError, httpx.HTTPError, json.JSONDecodeError)
# A sweep that is due while the last one runs is left out: waiting ones would pile up, and start at
# odd times.
_ONE_AT_A_TIME = ConcurrencyLimitConfig(
    limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW
)


def deploy(draft: Draft, *, pool: str | None, working_dir: Path) -> str:
    """Create the deployment, or bring the one of that name up to date.

    Returns the address of its page.

    Args:
        draft: What it holds.
        pool: The process work pool whose workers run it; None: the only one there is.
        working_dir: Where they run it: an absolute path of the worker's machine, so that nothing
            looks for it here.

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
        job = {"working_dir": str(working_dir)}
        deployment = _deployment(
            draft, schedule, work_pool_name=_process_pool(pool), job_variables=job
        )
        return _page(address, cast("UUID", deployment.apply()))


def serve(draft: Draft) -> None:
    """Run the deployment's runs in child processes, until Ctrl-C or SIGTERM ends them.

    Raises:
        UsageError: If the schedule is wrong.
        ServiceError: If the Prefect server cannot be started or reached, or refuses.
    """
    schedule = _schedule(draft.timing)
    with prefect_server() as wait_for_prefect:
        asyncio.run(_serve(_deployment(draft, schedule), wait_for_prefect()))


async def _serve(deployment: RunnerDeployment, address: PrefectAddress) -> None:
    asked_to_end = asyncio.Event()
    runner = Runner(name=deployment.name)
    with _readable_errors():
        deployment_id = await runner.aadd_deployment(deployment)
    running = asyncio.create_task(runner.start())
    while not (runner.started or running.done()):
        await asyncio.sleep(0.05)
    for number in (signal.SIGINT, signal.SIGTERM):  # after the runner has set its own
        asyncio.get_running_loop().add_signal_handler(number, asked_to_end.set)
    print(f"Deployment: {deployment.full_name}\nIts page:   {_page(address, deployment_id)}")
    print(
        f"Start a run there, or by: prefect deployment run {deployment.full_name!r}\nCtrl-C"
        " ends it.",
        flush=True,
    )
    await asyncio.wait(
        [running, asyncio.create_task(asked_to_end.wait())], return_when=asyncio.FIRST_COMPLETED
    )
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
    status = answered.response.status_code
    if refused := refusal(status):
        return refused
    detail = (
        str(error)
        if isinstance(error, DeploymentApplyError)
        else answered.response.text[:_MOST_DETAIL]
    )
    return f"answered {status}: {' '.join(detail.split()) or answered.response.reason_phrase}"


def _schedule(timing: Timing) -> SCHEDULE_TYPES | None:
    try:
        if timing.cron is not None:
            return CronSchedule(cron=timing.cron, timezone=timing.timezone)
        if timing.rrule is not None:
            return RRuleSchedule(rrule=timing.rrule, timezone=timing.timezone)
        if timing.interval_s is not None:
            return IntervalSchedule(
                interval=datetime.timedelta(seconds=timing.interval_s), timezone=timing.timezone
            )
    except (ValidationError, OverflowError) as exc:
        flag, value, example = _written(timing)
        raise UsageError(f"{flag}: expected {example}, got {value!r}") from exc
    return None


def _written(timing: Timing) -> tuple[str, object, str]:
    if timing.cron is not None:
        return "--cron", timing.cron, "minute, hour, day, month and weekday, e.g. '0 2 * * *'"
    if timing.rrule is not None:
        return (
            "--rrule",
            timing.rrule,
            "a recurrence rule, e.g. 'FREQ=WEEKLY;BYDAY=MO;BYHOUR=2;BYMINUTE=0'",
        )
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
    return (
        f"(its pools: {', '.join(f'{pool.name} of type {pool.type}' for pool in pools) or 'none'})"
    )


def _how_to_make(name: str) -> str:
    return f"make one: prefect work-pool create {name} --type {_POOL_TYPE}"


def _page(address: PrefectAddress, deployment_id: UUID) -> str:
    return f"{address.ui_url}/deployments/deployment/{deployment_id}"
