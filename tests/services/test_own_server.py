"""Our own Prefect server.

Whom it answers, and that the auth string goes where it is needed and nowhere else.
"""

import asyncio
import base64
import http.client
import os
from urllib.parse import urlparse

import pytest

FILTER = ("POST", "/api/flow_runs/filter")


@pytest.fixture
def answer(prefect):
    """The server's answer to a request: its status and headers."""

    def ask(method, path, auth_string=None, **headers):
        connection = http.client.HTTPConnection(urlparse(prefect.api_url).netloc, timeout=10)
        if auth_string:
            headers["Authorization"] = f"Basic {base64.b64encode(auth_string.encode()).decode()}"
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body="{}" if method == "POST" else None, headers=headers)
        got = connection.getresponse()
        connection.close()
        return got.status, {name.lower(): value for name, value in got.getheaders()}

    return ask


def test_only_who_has_the_auth_string_is_answered(prefect, answer):
    auth_string = os.environ["PREFECT_API_AUTH_STRING"]
    assert answer(*FILTER)[0] == 401
    assert answer(*FILTER, "tune-tasks:guessed")[0] == 401
    assert answer(*FILTER, auth_string)[0] == 200
    assert answer("GET", "/api/health")[0] == 200
    assert auth_string in prefect.sign_in_url
    assert auth_string not in repr(prefect)


def test_other_names_and_other_pages_are_turned_away(answer):
    """As a page of the web would ask.

    Under a name of its own that points to this machine, or from its own origin.
    """
    auth_string = os.environ["PREFECT_API_AUTH_STRING"]
    assert answer(*FILTER, auth_string, Host="evil.example:80")[0] == 400
    asks = {
        "Access_Control_Request_Method": "POST",
        "Access_Control_Request_Headers": "authorization",
    }
    refused, headers = answer("OPTIONS", FILTER[1], Origin="http://evil.example", **asks)
    assert refused == 400
    assert "access-control-allow-origin" not in headers
    assert (
        "access-control-allow-origin"
        not in answer("GET", "/api/health", Origin="http://evil.example")[1]
    )


def test_events_need_the_auth_string(prefect):
    from prefect.events.clients import PrefectEventsClient
    from prefect.settings import PREFECT_API_AUTH_STRING, temporary_settings

    async def connect():
        async with PrefectEventsClient(reconnection_attempts=0):
            return True

    assert asyncio.run(connect())
    # Which of the two depends on whether this process has asked for the server's version before.
    refused = r"authenticate|401 Unauthorized"
    with (
        temporary_settings({PREFECT_API_AUTH_STRING: "tune-tasks:guessed"}),
        pytest.raises(Exception, match=refused),
    ):
        asyncio.run(connect())


def test_what_a_browser_needs_to_sign_in_is_served(answer):
    status, headers = answer("GET", "/tune-tasks/sign-in")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")


def test_a_trial_and_its_files_do_not_hold_the_auth_string(sweep, folder):
    """The trial's process has it, for Prefect's sake; nothing that is written of the trial does."""
    secret = os.environ["PREFECT_API_AUTH_STRING"].partition(":")[2].encode()
    (trial,) = sweep(
        """
        from prefect import get_client
        def train(config, reporter):
            with get_client(sync_client=True) as client:
                reporter(timesteps_total=1, runs=len(client.read_flow_runs(limit=1)))
        """
    ).trials
    assert trial.last_result["info"]["runs"] == 1, trial.error
    assert [
        str(path) for path in folder.rglob("*") if path.is_file() and secret in path.read_bytes()
    ] == []
