"""A deployment that cannot be made: a folder that is wrong, a Prefect that refuses. No server."""

import contextlib
import json
from pathlib import Path

import httpx
import pytest
from prefect.deployments.runner import DeploymentApplyError
from prefect.exceptions import ObjectAlreadyExists, PrefectHTTPStatusError

from tune_tasks.commands import prefect_deployment as module
from tune_tasks.commands.deployment import Draft, Timing
from tune_tasks.errors import ServiceError, UsageError
from tune_tasks.servers.prefect_address import PrefectAddress

pytestmark = pytest.mark.processes

DRAFT = Draft("nightly", "", {"spec": {}}, Timing())


def answer(status, text=""):
    """Prefect's error of a server's answer."""
    request = httpx.Request("POST", "http://prefect/api/work_pools/filter")
    error = httpx.HTTPStatusError(
        "", request=request, response=httpx.Response(status, text=text, request=request)
    )
    return PrefectHTTPStatusError.from_httpx_error(error)


def wrapping(error, cause):
    error.__cause__ = cause
    return error


@pytest.fixture
def deploy(monkeypatch):
    """Deploys to a server that answers with an error."""

    def call(error, working_dir="/srv/sweeps"):
        def fail(**_):
            raise error

        monkeypatch.setattr(
            module, "standing_server", lambda: contextlib.nullcontext(PrefectAddress("", ""))
        )
        monkeypatch.setattr(module, "get_client", fail)
        return module.deploy(DRAFT, pool=None, working_dir=Path(working_dir))

    return call


CHECK = "the Prefect server refused: check PREFECT_API_AUTH_STRING or PREFECT_API_KEY (it answered"
ERRORS = {
    "401": (answer(401), f"{CHECK} 401)"),
    "403 wrapped": (wrapping(DeploymentApplyError("Forbidden"), answer(403)), f"{CHECK} 403)"),
    "500": (answer(500, "out\nof order"), "the Prefect server answered 500: out of order"),
    "a detail": (
        wrapping(DeploymentApplyError("no such queue"), answer(409)),
        "the Prefect server answered 409: no such queue",
    ),
    "no json": (
        wrapping(json.JSONDecodeError("no", "<html>", 0), answer(502, "<html>")),
        "the Prefect server answered 502: <html>",
    ),
    "not there": (
        httpx.ConnectError("no route"),
        "the Prefect server cannot be used (ConnectError: no route)",
    ),
    "its own": (
        ObjectAlreadyExists(ValueError("x")),
        "the Prefect server cannot be used (ObjectAlreadyExists: ",
    ),
}


@pytest.mark.parametrize(("error", "message"), ERRORS.values(), ids=ERRORS)
def test_an_error_of_prefects_is_one_sentence(deploy, error, message):
    with pytest.raises(ServiceError) as refused:
        deploy(error)
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)


def test_serve_says_it_the_same_way(monkeypatch):
    async def refuse(*_):
        raise answer(401)

    address = PrefectAddress("", "")
    monkeypatch.setattr(module, "prefect_server", lambda: contextlib.nullcontext(lambda: address))
    monkeypatch.setattr(module.Runner, "aadd_deployment", refuse)
    with pytest.raises(
        ServiceError, match="refused: check PREFECT_API_AUTH_STRING or PREFECT_API_KEY"
    ):
        module.serve(DRAFT)


def test_a_mistake_of_ours_is_not_prefects(deploy):
    with pytest.raises(RuntimeError, match="ours"):
        deploy(RuntimeError("ours"))


def test_the_folder_is_the_workers(deploy):
    with pytest.raises(
        UsageError,
        match="--working-dir: expected an absolute path of the worker's machine, got 'sweeps'",
    ):
        deploy(None, "sweeps")
    with pytest.raises(ServiceError):  # one that is not on this machine is not looked for
        deploy(answer(401), "/not/on/this/machine")
