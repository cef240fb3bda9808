"""A local Ray cluster that only its owner can use.

Ray executes whatever it is sent. Left to itself it listens on all interfaces, keeps its token in a
file that the umask may show to others, and has its sockets and the code of trials in folders below
`/tmp/ray`, in which everybody may write. Our local cluster

- listens on loopback: Ray does so if it knows of no other machines, which is its default on macOS;
- asks everybody for a token. The token is drawn for this one cluster and ends with it. It is in no
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
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ray._common import utils
from ray._private import parameter, ray_constants
from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]

from tune_tasks.model.driver_mark import VARIABLE, own_mark
from tune_tasks.model.patching import environment, replaced

_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # If the driver is killed, Ray's agents look this long for a server to report to before they
    # end themselves.
    "RAY_gcs_rpc_server_reconnect_timeout_s": "5",
    "RAY_enable_metrics_collection": "0",
    # No such port exists, so the dashboard serves no metrics: it logs that, and goes on
    "DASHBOARD_METRIC_PORT": "65536",
    "RAY_AUTH_MODE": "token",
}
_TOKENS = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")

# The address of a Unix socket has a maximal length: `sun_path`, less its final zero
_ADDRESS_BYTES = 103 if sys.platform == "darwin" else 107
_SOCKET_BYTES = len("/r/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store")


@contextlib.contextmanager
def only_for_its_owner() -> Iterator[dict[str, Any]]:
    """Surround `ray.init` of a local cluster; yields arguments for it."""
    arguments = {
        "include_dashboard": False,
        "_temp_dir": str(_private_folder(_temporary_folder()) / "r"),
    }
    # By default the agent's port is the same for all clusters of a machine, and the second cluster
    # waits seconds for it. The monitor is there to start and end machines, and serves metrics.
    parameters = functools.partial(
        parameter.RayParams, dashboard_agent_listen_port=0, no_monitor=True
    )
    try:
        # A Ray that knows of no other machines listens on 127.0.0.1 alone
        with environment(_settings()), replaced(ray_constants, "ENABLE_RAY_CLUSTER", False):
            _read_environment_again()
            with replaced(parameter, "RayParams", parameters):
                yield arguments
    except BaseException:
        forget()
        raise


def forget() -> None:
    """Drop the token of a cluster that has ended: the next cluster must not be sent it."""
    _read_environment_again()


def _settings() -> dict[str, str]:
    settings = _SETTINGS | {VARIABLE: own_mark()}
    if any(name in os.environ for name in _TOKENS):
        return settings  # with the user's own token
    return settings | {"RAY_AUTH_TOKEN": secrets.token_urlsafe(32)}


def _read_environment_again() -> None:
    """Have Ray's C++ part read the environment.

    It read its settings when it was imported, which may be long ago, and it keeps the first token
    that it used.
    """
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


def _temporary_folder() -> Path:
    """Return the folder that Ray would take, or `/tmp` if sockets' addresses would be too long."""
    parent = Path(utils.get_default_system_temp_dir())
    length = len(os.fsencode(_own_folder(parent))) + _SOCKET_BYTES
    if length <= _ADDRESS_BYTES:
        return parent
    return Path("/tmp")  # noqa: S108 - Ray's own default


def _own_folder(parent: Path) -> Path:
    return parent / f"ray-{os.getuid()}"


def _private_folder(parent: Path) -> Path:
    """Return a folder of the user's that nobody else can enter.

    It is the same one for all clusters, as `/tmp/ray` would be. Ray's own folder goes into it,
    because Ray lets everybody enter its own. If somebody else has taken our name in the folder of
    temporary files, we make a folder with another name.
    """
    folder = _own_folder(parent)
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        if not _is_private(folder.lstat()):
            return Path(tempfile.mkdtemp(prefix="ray-", dir=parent))
    return folder


def _is_private(found: os.stat_result) -> bool:
    others_may = found.st_mode & 0o077
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not others_may
