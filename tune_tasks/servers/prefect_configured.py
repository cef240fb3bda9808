"""Waits for the Prefect server that the user has configured, and words what is wrong with it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING

from tune_tasks.errors import ServiceError
from tune_tasks.model.timeouts import CONFIGURED_SERVER_S, PREFECT_REQUEST_S
from tune_tasks.servers.prefect_address import PrefectAddress

if TYPE_CHECKING:
    import httpx

_PAUSE_S = 1.0
_PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)


def configured_server(warn: Callable[[str], None]) -> PrefectAddress:
    """Return the configured server's address once the server answers.

    A server that is just being restarted, or a proxy's bad moment, must not fail a sweep.

    Args:
        warn: Told if the server does not answer at once.

    Raises:
        ServiceError: If it does not answer in time, or refuses.
    """
    with impatient():
        return _wait(PrefectAddress.of_settings(), warn)


@contextlib.contextmanager
def impatient() -> Iterator[None]:
    """Have Prefect's client ask once, and not wait long for the answer, for the context."""
    from prefect.settings import (
        PREFECT_API_REQUEST_TIMEOUT,
        PREFECT_CLIENT_MAX_RETRIES,
        temporary_settings,
    )

    settings = {PREFECT_API_REQUEST_TIMEOUT: PREFECT_REQUEST_S, PREFECT_CLIENT_MAX_RETRIES: 0}
    with temporary_settings(settings):
        yield


def _wait(address: PrefectAddress, warn: Callable[[str], None]) -> PrefectAddress:
    deadline = time.monotonic() + CONFIGURED_SERVER_S
    problem = problem_of(address)
    if problem:
        warn(
            f"the Prefect server {address.api_url} does not answer ({problem}); trying for"
            f" {CONFIGURED_SERVER_S:g} s"
        )
    while problem and time.monotonic() < deadline:
        time.sleep(_PAUSE_S)
        problem = problem_of(address)
    if problem:
        raise ServiceError(
            f"the configured Prefect server {address.api_url} did not answer within"
            f" {CONFIGURED_SERVER_S:g} s ({problem}); start it, or unset PREFECT_API_URL to have"
            " one started for the sweep"
        )
    return address


def problem_of(address: PrefectAddress) -> str | None:
    """Return why the configured server cannot be used now, or None if it can.

    Raises:
        ServiceError: If it never will be usable.
    """
    error = _health_error()
    if error is None:
        return None
    answered = http_error(error)
    if answered is None:
        cause = error.__cause__ or error
        return f"{type(cause).__name__}: {cause}"
    status = answered.response.status_code
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _PASSING:
        return f"it answered {status}"
    reason = refusal(status) or f"answered {status}"
    raise ServiceError(f"the configured Prefect server {address.api_url} {reason}")


def _health_error() -> Exception | None:
    from prefect.client.orchestration import get_client

    try:
        with get_client(sync_client=True) as client:
            return client.api_healthcheck()
    except Exception as exc:  # noqa: BLE001 - the client asks for the version first, and wraps errors
        return exc


def http_error(error: BaseException | None) -> httpx.HTTPStatusError | None:
    """Return the server's answer behind an error of Prefect's, which often wraps it."""
    import httpx

    while error is not None and not isinstance(error, httpx.HTTPStatusError):
        error = error.__cause__ or error.__context__
    return error


def refusal(status: int) -> str | None:
    """Return what to check if a server refuses; None if the status says something else."""
    if status not in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return None
    return f"refused: check PREFECT_API_AUTH_STRING or PREFECT_API_KEY (it answered {status})"
