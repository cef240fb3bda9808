"""A local Ray cluster is its owner's alone: Ray executes whatever it is sent."""

import ipaddress
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import ray

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")


@pytest.fixture(scope="module")
def token(cluster):
    """The cluster's, while a worker and an actor of it are there."""

    @ray.remote(num_cpus=0)
    class Actor:
        def token(self):
            return os.environ["RAY_AUTH_TOKEN"]

    actor = Actor.remote()
    yield ray.get(actor.token.remote())
    ray.kill(actor)


@pytest.fixture(scope="module")
def processes(token):
    """Those of the cluster, the driver being the first."""
    import psutil  # Ray brings it along

    started = [
        found.process.pid
        for kind in ray._private.worker._global_node.all_processes.values()
        for found in kind
    ]
    own = [psutil.Process(pid) for pid in started]
    return [
        psutil.Process(),
        *own,
        *(child for process in own for child in process.children(recursive=True)),
    ]


@pytest.fixture(scope="module")
def sockets(processes):
    driver, *others = processes
    own = {process.pid for process in processes}
    # Prefect's server, say
    foreign = [child for child in driver.children(recursive=True) if child.pid not in own]
    return listening([driver]) - listening(foreign) | listening(others)


def listening(processes):
    connections = [
        connection for process in processes for connection in process.net_connections("inet")
    ]
    return {
        (connection.laddr.ip, connection.laddr.port)
        for connection in connections
        if connection.status == "LISTEN"
    }


@pytest.fixture(scope="module")
def session():
    return Path(ray._private.worker._global_node.get_session_dir_path())


@pytest.fixture(scope="module")
def intruder(processes, sockets, session):
    """What somebody else gets.

    Another user if we are root, else only somebody without the token.
    """
    ports, pids = (
        ",".join(map(str, found))
        for found in ({port for _, port in sockets}, [p.pid for p in processes])
    )
    script = Path(__file__).with_name("intruder.py")
    command = [
        sys.executable,
        str(script),
        ray.get_runtime_context().gcs_address,
        str(session),
        ports,
        pids,
    ]
    return json.loads(
        subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=120).stdout
    )


def command_line(process):
    """That of a process; empty if it has ended, as Ray ends a worker that nobody needs."""
    import psutil

    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def test_ray_listens_on_loopback_alone(sockets):
    # GCS, two of the raylet, two of an agent, the other agent, the driver and the actor
    assert len(sockets) >= 8
    for address, _ in sockets:
        found = ipaddress.ip_address(address)
        assert (getattr(found, "ipv4_mapped", None) or found).is_loopback, sockets


def test_every_port_turns_somebody_without_the_token_away(intruder):
    for answers in intruder["ports"].values():
        assert answers in ([401, "UNAVAILABLE"], [None, "UNAUTHENTICATED", "UNIMPLEMENTED"]), (
            intruder
        )
    assert "InvalidAuthToken" in intruder["code"]


@as_root
def test_another_user_reads_neither_the_token_nor_the_files(intruder):
    assert "Permission denied" in intruder["files"]
    assert "Permission denied" in intruder["environments"][str(os.getpid())]
    # Ray ends a worker that nobody needs at any time
    gone = ("No such process", "No such file")
    for said in intruder["environments"].values():
        assert "Permission denied" in said or any(text in said for text in gone), intruder


def test_the_token_stands_in_no_command_line_log_or_environment_of_ours(token, processes, session):
    assert len(token) > 30
    assert not [process for process in processes if token in command_line(process)]
    assert "RAY_AUTH_TOKEN" not in os.environ
    files = [path for path in session.rglob("*") if path.is_file() and not path.is_symlink()]
    assert files
    assert not [path for path in files if token.encode() in path.read_bytes()]


def test_a_folder_that_others_have_or_can_enter_is_not_taken(tmp_path):
    from tune_tasks.cluster.local import _private_folder

    ours = _private_folder(tmp_path)
    assert ours == _private_folder(tmp_path) == tmp_path / f"ray-{os.getuid()}"
    ours.chmod(0o755)
    other = _private_folder(tmp_path)
    assert other != ours
    assert other.stat().st_mode & 0o777 == 0o700
    ours.rmdir()
    ours.symlink_to(other)
    assert _private_folder(tmp_path) not in (ours, other)
