"""A local Ray cluster that only its owner can use.

Ray executes whatever it is sent. By itself it listens on all interfaces, keeps its token in a file
that the umask may show to others, and has its sockets and the code of trials in folders below
`/tmp/ray` in which everybody may write. Ours

- listens on loopback: Ray does that if it knows of no other machines, as on macOS;
- asks everybody for a token. It is drawn for this one cluster and ends with it. It stands in no
  file and in no command line, but in the environment of the cluster's processes, which only their
  owner and root can read;
- has its files in a folder that only the owner can enter;
- serves no metrics, which Ray would give to everybody without asking for the token.
"""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from ray._common import utils
from ray._private import parameter, ray_constants
from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]

_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # If the driver was killed, Ray's agents look so long for a server to tell it to, before they
    # end themselves.
    "RAY_gcs_rpc_server_reconnect_timeout_s": "5",
    "RAY_enable_metrics_collection": "0",
    # There is none: the dashboard notes that in its log, and goes on
    "DASHBOARD_METRIC_PORT": "65536",
    "RAY_AUTH_MODE": "token",
}
_TOKENS = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
_ADDRESS_BYTES = 103 if sys.platform == "darwin" else 107
_SOCKET_BYTES = len("/r/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store")


@contextlib.contextmanager
def only_for_its_owner() -> Iterator[dict[str, Any]]:
    """Surround `ray.init` of a local cluster with this; yields arguments for it."""
    arguments = {
        "include_dashboard": False,
        "_temp_dir": str(_private_folder(_temporary_folder()) / "r"),
    }
    # By default the agent's port is the same for all clusters of a machine: the second one waits
    # seconds for it. The monitor serves metrics; it is there to start and end machines.
    parameters = functools.partial(
        parameter.RayParams, dashboard_agent_listen_port=0, no_monitor=True
    )
    try:
        with environment(_settings()), replaced(ray_constants, "ENABLE_RAY_CLUSTER", False):
            _read_environment_again()
            with replaced(parameter, "RayParams", parameters):
                yield arguments
    except BaseException:
        forget()
        raise


def forget() -> None:
    """After the cluster's end: its token is not sent to the next one that this process uses."""
    _read_environment_again()


def _settings() -> dict[str, str]:
    users_own = any(name in os.environ for name in _TOKENS)
    return _SETTINGS if users_own else _SETTINGS | {"RAY_AUTH_TOKEN": secrets.token_urlsafe(32)}


def _read_environment_again() -> None:
    """Ray's C++ part has read the settings when it was imported.

    And keeps the token that it used first.
    """
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


def _temporary_folder() -> Path:
    """The one that Ray would take.

    `/tmp` if the addresses of Ray's sockets would become too long in it.
    """
    parent = Path(utils.get_default_system_temp_dir())
    fits = len(os.fsencode(_own_folder(parent))) + _SOCKET_BYTES <= _ADDRESS_BYTES
    return parent if fits else Path("/tmp")  # noqa: S108 - Ray's own default


def _own_folder(parent: Path) -> Path:
    return parent / f"ray-{os.getuid()}"


def _private_folder(parent: Path) -> Path:
    """A folder of the user's that nobody else can enter.

    The same for all clusters, as `/tmp/ray` would be.

    Ray opens its own folder to everybody: ours is the one above. The folder of temporary files is
    everybody's, so that somebody else may have taken our name in it.
    """
    folder = _own_folder(parent)
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        if not _is_private(folder.lstat()):
            return Path(tempfile.mkdtemp(prefix="ray-", dir=parent))
    return folder


def _is_private(found: os.stat_result) -> bool:
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077


@contextlib.contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Environment variables that Ray's processes inherit; what the user has set stays."""
    added = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextlib.contextmanager
def replaced(module: ModuleType, name: str, value: object) -> Iterator[None]:
    """The module has the value under the name in the meantime."""
    kept = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, kept)
