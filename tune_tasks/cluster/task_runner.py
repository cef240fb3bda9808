"""Ray under Prefect.

Connecting, what the cluster holds, and the task runner, which closes what prefect-ray leaves open.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID, uuid4

import ray
from prefect import task_engine
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext, SyncClientContext, hydrated_context, serialize_context
from prefect.futures import PrefectFuture
from prefect.logging.handlers import PrefectConsoleHandler
from prefect.task_engine import run_task_sync
from prefect.tasks import Task
from prefect_ray.context import RemoteOptionsContext
from prefect_ray.task_runners import PrefectRayFuture, RayTaskRunner
from ray._private import services, utils
from ray.exceptions import AuthenticationError
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from tune_tasks.cluster import local as ray_local
from tune_tasks.cluster.local import replaced
from tune_tasks.cluster.nodes import Cluster, Node
from tune_tasks.errors import ServiceError, UsageError
from tune_tasks.model.snapshot import Snapshot
from tune_tasks.model.trial import Resources
from tune_tasks.trial.task import imported
from tune_tasks.trial.trainable import Trainable, TrainFunction, staying_imported

logger = logging.getLogger(__name__)

_UNITS = ("CPU", "GPU", "memory")
_ANSWER_S = 10.0
_TRANSFER_S = 300.0
_HOW_TO_JOIN = "set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH, as on its machines"


@dataclass(frozen=True)
class RayOptions:
    """How to reach Ray: an address to join a cluster, or the size of a local one (None.

    As Ray finds the machine).
    """

    address: str | None = None
    num_cpus: int | None = None
    num_gpus: int | None = None
    verbose: bool = False


_WARM_WORKERS = 8


@contextlib.contextmanager
def connect(options: RayOptions) -> Iterator[Cluster]:
    """Join the cluster at the address, or start a local one, which ends with the context.

    Raises:
        ServiceError: If no cluster answers at the address, or none can be started.
    """
    already = ray.is_initialized()
    if not already:
        _init(options)
    try:
        yield _cluster()
    finally:
        if not already:
            with _signals_kept():
                ray.shutdown()
            ray_local.forget()


def _expect_answer(address: str) -> None:
    """Raise ServiceError where nothing listens at `host:port`.

    Ray itself tries for minutes before it says so.
    """
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not (host and port.isdecimal()):
        return  # "auto", or a form that Ray knows better
    try:
        socket.create_connection((host, int(port)), timeout=_ANSWER_S).close()
    except (OSError, OverflowError) as exc:
        raise ServiceError(f"cannot join the Ray cluster at {address!r}: {exc}") from exc


def _init(options: RayOptions) -> None:
    level = logging.INFO if options.verbose else logging.ERROR
    kwargs: dict[str, Any] = {
        "logging_level": level,
        "log_to_driver": options.verbose,
        "namespace": "tune-tasks",
    }
    guard: AbstractContextManager[dict[str, Any]] = contextlib.nullcontext({})
    if options.address:
        if options.num_cpus is not None or options.num_gpus is not None:
            raise UsageError(
                "--num-cpus and --num-gpus size a local cluster; a joined one (--address) has"
                " its own"
            )
        if options.address.startswith("ray://"):
            raise UsageError(
                f"--address {options.address}: Ray's client protocol is not supported, for the"
                " recorder must run beside the driver; run the sweep on a machine of the cluster,"
                " with --address auto or HOST:6379"
            )
        _expect_answer(options.address)
        kwargs |= {"address": options.address}
    else:
        kwargs |= {"address": "local", "num_cpus": options.num_cpus, "num_gpus": options.num_gpus}
        guard = ray_local.only_for_its_owner()
    try:
        with _kept_apart(), _signals_kept(), guard as guarded:
            ray.init(**kwargs, **guarded)
    except AuthenticationError as exc:
        raise ServiceError(
            f"cannot join the Ray cluster at {options.address!r}: no token was found;"
            f" {_HOW_TO_JOIN}"
        ) from exc
    except (OSError, RuntimeError, ValueError) as exc:
        # A machine out of processes is an OSError, too
        if options.address:
            hint = (
                f" (if it asks for a token: {_HOW_TO_JOIN})"
                if isinstance(exc, ConnectionError)
                else ""
            )
            raise ServiceError(
                f"cannot join the Ray cluster at {options.address!r}: {exc}{hint}"
            ) from exc
        raise ServiceError(f"cannot start a local Ray cluster: {exc}") from exc


@contextlib.contextmanager
def _kept_apart() -> Iterator[None]:
    """Keep this process's signals from Ray, and Ray from this process's signal handlers.

    A Prefect worker cancels a flow run by SIGTERM to its whole process group: Ray has sessions of
    its own, so that it is there while the trials end. And Ray's own handler would end this process
    while Ray starts.
    """
    popen = functools.partial(services.ConsolePopen, start_new_session=True)
    with (
        replaced(services, "ConsolePopen", popen),
        replaced(utils, "set_sigterm_handler", lambda _handler: None),
    ):
        yield


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray replaces the process's SIGTERM handler, Prefect's or ours.

    Its own, in C, aborts the process 3 s after a signal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            if handler is not None:
                signal.signal(number, handler)


def _cluster() -> Cluster:
    here = ray.util.get_node_ip_address()
    alive = [node for node in ray.nodes() if node["Alive"]]
    nodes = [
        Node(node["NodeID"], *(node["Resources"].get(unit, 0) for unit in _UNITS)) for node in alive
    ]
    return Cluster(nodes, is_remote=any(node["NodeManagerAddress"] != here for node in alive))


def remote_options(resources: Resources, *, isolate: bool) -> dict[str, Any]:
    """Ray's options for an attempt; for `prefect_ray.context.remote_options`.

    A trial with a GPU ends its process, as with Ray's own default: a warm one would keep the GPU
    and its memory.
    """
    options: dict[str, Any] = {"num_cpus": resources.cpu, "num_gpus": resources.gpu}
    if resources.memory:
        options["memory"] = resources.memory
    if isolate or resources.gpu:
        options["max_calls"] = 1
    # An environment of its own keeps Ray from giving it a process that others have used
    if isolate:
        options["runtime_env"] = {"env_vars": {"TUNE_TASKS_ISOLATED": "1"}}
    return options


def reserve(bundles: Sequence[Resources]) -> Any:
    """Room for all processes of a trial at once.

    A placement group, which Ray fills as soon as it can.

    A task that waits for its own actors lends its CPUs to others, and actors outside a group may
    find none for ever.
    """
    return ray.util.placement_group([_ray_resources(bundle) for bundle in bundles], strategy="PACK")


def placed_options(placement: Any, own: Resources) -> dict[str, Any]:
    """Ray's options for an attempt in the group's first bundle; its actors go into the others."""
    strategy = PlacementGroupSchedulingStrategy(
        placement, 0, placement_group_capture_child_tasks=True
    )
    return {"num_cpus": own.cpu, "num_gpus": own.gpu, "scheduling_strategy": strategy}


def release(placement: Any) -> None:
    """Give the room back; whatever the trial has left running in it is ended by that."""
    ray.util.remove_placement_group(placement)


def _ray_resources(resources: Resources) -> dict[str, float]:
    amounts = {"CPU": resources.cpu, "GPU": resources.gpu, "memory": resources.memory}
    return {unit: amount for unit, amount in amounts.items() if amount}


@dataclass(frozen=True)
class StoredTrainable(Trainable):
    """A trainable in Ray's object store.

    A function that carries data travels once, not with every trial.

    Attributes:
        reference: Ray's.
        search_path: The driver's `sys.path`: what can be imported there can be imported in the
            trial.
        package: The trainable's `shown_package`, known before the trainable is fetched.
        code_reference: Ray's, of the code that must be importable before the trainable is
            unpickled; None if the trainable carries its code.
    """

    reference: Any
    search_path: tuple[str, ...]
    package: str
    code_reference: Any = None

    @classmethod
    def put(cls, trainable: Trainable, code: Snapshot | None = None) -> StoredTrainable:
        """Store a trainable of this process."""
        code_reference = ray.put(code) if code else None
        return cls(ray.put(trainable), tuple(sys.path), trainable.shown_package(), code_reference)

    def shown_package(self) -> str:
        """See `Trainable`."""
        return self.package

    @contextlib.contextmanager
    def loaded(self) -> Iterator[TrainFunction]:
        """See `Trainable`."""
        _held_references[self.reference.hex()] = self.reference
        before = list(sys.path)
        sys.path += [entry for entry in self.search_path if entry not in before]
        try:
            with (
                self._code_importable(),
                ray.get(self.reference, timeout=_TRANSFER_S).loaded() as function,
            ):
                yield function
        finally:
            sys.path[:] = before

    def _code_importable(self) -> AbstractContextManager[None]:
        if self.code_reference is None:
            return contextlib.nullcontext()
        _held_references[self.code_reference.hex()] = self.code_reference
        return staying_imported(ray.get(self.code_reference, timeout=_TRANSFER_S))


class SweepTaskRunner(RayTaskRunner[Any]):
    """prefect-ray's task runner for many short tasks on a Ray that is there already.

    Differences from its base: it starts no Ray (`connect` does); a task whose process died is not
    executed again in silence (`max_retries=0`); the flow's context is pickled once a flow run, not
    once a task, and rebuilt once a worker.
    """

    def __init__(
        self, address: str | None = None, init_kwargs: dict[str, Any] | None = None
    ) -> None:
        super().__init__(address, init_kwargs)
        self._shared: dict[int, Any] = {}
        self._context: tuple[str, Any] | None = None

    def __enter__(self) -> SweepTaskRunner:
        self._started = True
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self._started = False

    def submit(
        self,
        task: Task[Any, Any],
        parameters: dict[str, Any],
        wait_for: Iterable[PrefectFuture[Any]] | None = None,
        dependencies: dict[str, Any] | None = None,
    ) -> PrefectRayFuture[Any]:
        """Submit a task with the options of the `remote_options` context.

        Its parameters may hold no futures.
        """
        if not self._started:
            raise RuntimeError("The task runner must be started before submitting work.")
        task_run_id = uuid4()
        options = dict(RemoteOptionsContext.get().current_remote_options)
        remote = _isolated_function() if options.pop("max_calls", None) else _warm_function()
        flow_run_id, context = self._flow_context()
        reference = remote.options(name=task.name, **options).remote(
            self._put_once(task), context, flow_run_id, task_run_id, parameters
        )
        return PrefectRayFuture(task_run_id=task_run_id, wrapped_future=reference)

    def _flow_context(self) -> tuple[str, Any]:
        flow_run = FlowRunContext.get()
        key = str(flow_run.flow_run.id) if flow_run and flow_run.flow_run else ""
        if self._context is None or self._context[0] != key:
            self._context = (key, ray.put(serialize_context()))
        return self._context

    def _put_once(self, value: Any) -> Any:
        if id(value) not in self._shared:
            self._shared[id(value)] = (ray.put(value), value)
        return self._shared[id(value)][0]


@functools.cache
def _warm_function() -> Any:
    return ray.remote(max_retries=0)(_run_in_worker)


@functools.cache
def _isolated_function() -> Any:
    return ray.remote(max_retries=0, max_calls=1)(_run_in_worker)


@dataclass(frozen=True)
class _FlowContext:
    """A flow's context in a worker.

    `held` are the managers that keep it open, which close it when they are collected.
    """

    variables: contextvars.Context
    held: tuple[AbstractContextManager[Any], ...]


_flow_contexts: dict[str, _FlowContext] = {}
_held_references: dict[str, Any] = {}
"""Of the sweep that this worker works for.

Ray 2.60 may lose an object that a trial of the same process is just letting go of in another thread
(Ray's garbage collector's, say): `ray.get` then waits for ever. What is held is never let go of.
"""


def _run_in_worker(
    task: Task[Any, Any],
    context: Mapping[str, Any],
    flow_run_id: str,
    task_run_id: UUID,
    parameters: dict[str, Any],
) -> State[Any]:
    """Run a Prefect task in a Ray worker; returns its final state.

    Rebuilding the settings models and opening the HTTP clients cost more than a short trial: both
    are kept for the life of the process.
    """
    if flow_run_id not in _flow_contexts:
        _flow_contexts.clear()
        try:
            _flow_contexts[flow_run_id] = _open_flow_context(dict(context))
        except Exception as exc:  # noqa: BLE001 - Prefect is away: the trial runs all the same, without a task run
            logger.warning("the trial has no task run: %s", exc)
            return cast("State[Any]", task.fn(**parameters))
        _held_references.clear()
    run = functools.partial(
        run_task_sync, task, task_run_id=task_run_id, parameters=parameters, return_type="state"
    )
    with replaced(task_engine, "_concurrency", _without_slot(task_run_id)):
        return cast("State[Any]", _flow_contexts[flow_run_id].variables.copy().run(run))


def _without_slot(task_run_id: UUID) -> Callable[..., AbstractContextManager[Any]]:
    """Prefect's slots for tags, but none for this task run.

    A trial must not depend on a server that may be away.
    """
    with_slot: Callable[..., AbstractContextManager[Any]] = task_engine._concurrency  # type: ignore[attr-defined]

    def concurrency(**options: Any) -> AbstractContextManager[Any]:
        return (
            contextlib.nullcontext()
            if options["holder"].id == task_run_id
            else with_slot(**options)
        )

    return concurrency


def _open_flow_context(context: dict[str, Any]) -> _FlowContext:
    variables = contextvars.copy_context()
    held = (hydrated_context(context), SyncClientContext())
    for manager in held:
        variables.run(manager.__enter__)
    root = logging.getLogger()
    for handler in [h for h in root.handlers if isinstance(h, PrefectConsoleHandler)]:
        # What the engine says to the console would stand in the trial's log
        root.removeHandler(handler)
    return _FlowContext(variables, held)


def warm_up(cluster: Cluster) -> None:
    """Have the workers of a local cluster import what a trial needs, while other things start."""
    if not cluster.is_remote:
        for _ in range(min(int(cluster.cpu), _WARM_WORKERS)):
            ray.remote(imported).remote()
