"""Ray's start and end in the driver: join a cluster, or start a local one."""

from __future__ import annotations

import contextlib
import functools
import logging
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import ray
from ray._private import services, utils
from ray.exceptions import AuthenticationError

from tune_tasks.cluster.local import forget, only_for_its_owner
from tune_tasks.cluster.nodes import Cluster, Node
from tune_tasks.errors import ServiceError, UsageError
from tune_tasks.model.patching import replaced
from tune_tasks.trial.task import imported

_ANSWER_S = 10.0
_WARM_WORKERS = 8
_HOW_TO_JOIN = "set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH, as on its machines"


@dataclass(frozen=True)
class RayOptions:
    """How to reach Ray.

    Attributes:
        address: Of a cluster to join; None starts a local one.
        num_cpus: Of a local cluster; None takes what Ray finds.
        num_gpus: The same for its GPUs.
        verbose: Whether to show Ray's own messages and what its workers print.
    """

    address: str | None = None
    num_cpus: int | None = None
    num_gpus: int | None = None
    verbose: bool = False


@contextlib.contextmanager
def connect(options: RayOptions) -> Iterator[Cluster]:
    """Join the cluster at the address, or start a local one, which ends with the context.

    A process that is connected already uses the connection it has, and keeps it.

    Raises:
        ServiceError: If no cluster answers at the address, or none can be started.
        UsageError: If the options contradict one another.
    """
    if ray.is_initialized():
        yield present_cluster()
        return
    _start(options)
    try:
        yield present_cluster()
    finally:
        with _signals_kept():
            ray.shutdown()
        forget()


def present_cluster() -> Cluster:
    """Return the cluster that this process is connected to."""
    here = ray.util.get_node_ip_address()
    alive = [node for node in ray.nodes() if node["Alive"]]
    is_remote = any(node["NodeManagerAddress"] != here for node in alive)
    return Cluster([_node(node) for node in alive], is_remote=is_remote)


def warm_up(cluster: Cluster) -> None:
    """Have the workers of a local cluster import what a trial needs, while other things start."""
    if cluster.is_remote:
        return
    for _ in range(min(int(cluster.cpu), _WARM_WORKERS)):
        ray.remote(imported).remote()


def _node(node: dict[str, Any]) -> Node:
    has = node["Resources"]
    return Node(node["NodeID"], has.get("CPU", 0), has.get("GPU", 0), has.get("memory", 0))


def _start(options: RayOptions) -> None:
    _expect_consistent(options)
    level = logging.INFO if options.verbose else logging.ERROR
    try:
        with _kept_apart(), _signals_kept(), _target(options) as target:
            ray.init(
                namespace="tune-tasks",
                logging_level=level,
                log_to_driver=options.verbose,
                **target,
            )
    except AuthenticationError as exc:
        raise _cannot_join(options, f"no token was found; {_HOW_TO_JOIN}") from exc
    # OSError: for example if the machine can start no more processes
    except (OSError, RuntimeError, ValueError) as exc:
        if not options.address:
            raise ServiceError(f"cannot start a local Ray cluster: {exc}") from exc
        hint = ""
        if isinstance(exc, ConnectionError):
            hint = f" (if it asks for a token: {_HOW_TO_JOIN})"
        raise _cannot_join(options, f"{exc}{hint}") from exc


def _expect_consistent(options: RayOptions) -> None:
    """Raise UsageError if the options contradict one another."""
    if not options.address:
        return
    if options.num_cpus is not None or options.num_gpus is not None:
        raise UsageError(
            "--num-cpus and --num-gpus size a local cluster; a joined one (--address) has its own"
        )
    if options.address.startswith("ray://"):
        raise UsageError(
            f"--address {options.address}: Ray's client protocol is not supported, for the"
            " recorder must run beside the driver; run the sweep on a machine of the cluster,"
            " with --address auto or HOST:6379"
        )


@contextlib.contextmanager
def _target(options: RayOptions) -> Iterator[dict[str, Any]]:
    """Yield the arguments of `ray.init` that say which cluster."""
    if options.address:
        _expect_answer(options.address)
        yield {"address": options.address}
        return
    with only_for_its_owner() as guarded:
        size = {"num_cpus": options.num_cpus, "num_gpus": options.num_gpus}
        yield {"address": "local", **size, **guarded}


def _expect_answer(address: str) -> None:
    """Raise ServiceError if nothing listens at `host:port`: Ray itself would try for minutes.

    Other forms of address ("auto", for example) are left to Ray.
    """
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not (host and port.isdecimal()):
        return
    try:
        socket.create_connection((host, int(port)), timeout=_ANSWER_S).close()
    except (OSError, OverflowError) as exc:
        raise ServiceError(f"cannot join the Ray cluster at {address!r}: {exc}") from exc


def _cannot_join(options: RayOptions, why: str) -> ServiceError:
    return ServiceError(f"cannot join the Ray cluster at {options.address!r}: {why}")


@contextlib.contextmanager
def _kept_apart() -> Iterator[None]:
    """Keep this process's signals from Ray's processes, and Ray from this process's handlers.

    A Prefect worker cancels a flow run by SIGTERM to its whole process group. Ray's processes must
    outlive that, because the trials still end on them. So each gets a session of its own; Ray has
    no option for it.

    `ray.init` installs SIGTERM handlers of its own before it starts anything. They exit at once,
    or end Ray's processes first. `_signals_kept` would put ours back only after Ray has started;
    a signal that comes before would end this process, with the flow run's state not set. So they
    are not installed at all.
    """
    popen = functools.partial(services.ConsolePopen, start_new_session=True)
    with (
        replaced(services, "ConsolePopen", popen),
        replaced(utils, "set_sigterm_handler", lambda _handler: None),
    ):
        yield


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Put back this process's signal handlers, Prefect's or ours, after Ray has replaced them.

    Ray's C++ part replaces the one of SIGTERM, too; its own aborts the process 3 s after a signal.
    Python lets only the main thread set a handler: in another thread they stay as they are.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            if handler is not None:  # None: not set by Python, which then cannot put it back
                signal.signal(number, handler)
