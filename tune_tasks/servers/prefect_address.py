"""The address of a Prefect server, and what answers at an address."""

from __future__ import annotations

import http.client
import json
import urllib.request
from dataclasses import dataclass, field
from urllib.parse import urlparse

_ANSWER_S = 2.0
_MOST_BYTES = 10_000


@dataclass(frozen=True)
class PrefectAddress:
    """The addresses of a Prefect server.

    Attributes:
        api_url: The address of its API.
        ui_url: The address of its pages.
        sign_in_url: The address of the page that signs a browser in, with the auth string in it;
            None if the server is not our own.
    """

    api_url: str
    ui_url: str
    sign_in_url: str | None = field(default=None, repr=False)

    @classmethod
    def of_settings(cls) -> PrefectAddress:
        """Return the address of the server that this process's settings point to."""
        from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL

        return cls(PREFECT_API_URL.value() or "", PREFECT_UI_URL.value() or "")


def is_loopback(url: str) -> bool:
    """Whether only this machine reaches the address."""
    host = urlparse(url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def answers(api_url: str) -> bool:
    """Whether a Prefect 3 server answers at the address; nothing answers at an empty one."""
    if not api_url:
        return False
    return str(answer_at(f"{api_url}/admin/version")).startswith("3.")


def answer_at(url: str) -> object:
    """Return the JSON that is answered at an address; None if there is no answer, or another."""
    try:
        with urllib.request.urlopen(url, timeout=_ANSWER_S) as answer:  # noqa: S310 - http only
            return json.loads(answer.read(_MOST_BYTES))
    except (OSError, ValueError, http.client.HTTPException):
        return None
