"""Chooses the Prefect server: the configured one, one on the default address, or our own."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Callable, Iterator

from tune_tasks.errors import ServiceError, UsageError
from tune_tasks.model.patching import environment
from tune_tasks.servers.prefect_address import PrefectAddress, answers
from tune_tasks.servers.prefect_configured import configured_server, impatient, problem_of
from tune_tasks.servers.prefect_own import (
    ServerFiles,
    read_state,
    shared_server,
    wait_for_start,
)

DEFAULT_URL_VARIABLE = "TUNE_TASKS_PREFECT_DEFAULT_URL"
"""Environment variable: where to look for a server that was started and not configured.

If it is empty, nowhere.
"""
_DEFAULT_API_URL = "http://127.0.0.1:4200/api"  # where `prefect server start` listens


def _to_stderr(text: str) -> None:
    print(f"Warning: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def prefect_server(
    warn: Callable[[str], None] = _to_stderr,
) -> Iterator[Callable[[], PrefectAddress]]:
    """Have a Prefect server for the time of the context.

    The settings of this process point to the server, and so do those of its children.

    Args:
        warn: Told of a configured server that does not answer at once.

    Yields:
        A function that waits until the server answers, so that other things can start meanwhile. It
        raises ServiceError if the configured server does not answer, or ours does not start.
    """
    default = _default_api_url()
    if _is_configured():
        yield lambda: configured_server(warn)
    elif answers(default):
        with _pointing_to(default):
            yield PrefectAddress.of_settings
    else:
        files = own_server_files()
        with (
            shared_server(files, warn) as server,
            _pointing_to(server.address.api_url, server.auth_string),
        ):
            yield lambda: wait_for_start(files, server)


@contextlib.contextmanager
def standing_server() -> Iterator[PrefectAddress]:
    """Point to the Prefect server that is there also when no sweep runs, for the context.

    Raises:
        UsageError: If there is no such server.
        ServiceError: If the configured server does not answer.
    """
    default = _default_api_url()
    if _is_configured():
        yield configured_server(_to_stderr)
    elif answers(default):
        with _pointing_to(default):
            yield PrefectAddress.of_settings()
    else:
        raise UsageError(
            "a deployment needs a Prefect server that stays, and the one of a sweep ends with it:"
            " start one (prefect server start), or set PREFECT_API_URL to yours; `tune-tasks serve`"
            " needs none"
        )


def server_now() -> tuple[str, str]:
    """Say which Prefect server a sweep would use now; starts none.

    Returns:
        The address of its API, empty if there is no server yet, and a sentence about it.

    Raises:
        ServiceError: If the configured server does not answer.
    """
    if _is_configured():
        return _configured_now()
    default = _default_api_url()
    if answers(default):
        return default, f"a server answers at {default}"
    own = read_state(own_server_files())
    if own and own.is_answering():
        return own.address.api_url, f"our own server runs at {own.url}"
    return "", "no server is configured: a sweep starts our own"


def _configured_now() -> tuple[str, str]:
    api_url = PrefectAddress.of_settings().api_url
    with impatient():
        problem = problem_of(PrefectAddress.of_settings())
    if problem:
        raise ServiceError(f"the configured server {api_url} does not answer ({problem})")
    return api_url, f"the configured server {api_url} answers"


def own_server_files() -> ServerFiles:
    """Return the files of our own server.

    Machines that share a home have a folder each, because the server listens on loopback.
    """
    from prefect.settings import get_current_settings

    return ServerFiles(get_current_settings().home / "tune-tasks" / socket.gethostname())


def _is_configured() -> bool:
    from prefect.settings import get_current_settings

    return bool(get_current_settings().api.url)


def _default_api_url() -> str:
    return os.environ.get(DEFAULT_URL_VARIABLE, _DEFAULT_API_URL)


@contextlib.contextmanager
def _pointing_to(api_url: str, auth_string: str | None = None) -> Iterator[None]:
    """Have the environment, and so Prefect's settings, name a server for the context."""
    from prefect.context import refresh_global_settings_context

    variables = {"PREFECT_API_URL": api_url}
    if auth_string:
        variables["PREFECT_API_AUTH_STRING"] = auth_string
    try:
        with environment(variables, replace=True):
            refresh_global_settings_context()
            yield
    finally:
        refresh_global_settings_context()
