"""What another user of the machine gets of a cluster: prints it as JSON.

Usage: intruder.py GCS_ADDRESS SESSION_FOLDER PORTS PROCESSES, the last two separated by commas.
"""

import http.client
import json
import os
import sys
from pathlib import Path

import grpc
from ray._raylet import GcsClient

NOBODY = 65534
# Of every service that Ray's processes offer one method, the one that does harm if there is one.
METHODS = [
    "InternalKVGcsService/InternalKVPut",
    "NodeManagerService/RequestWorkerLease",
    "ObjectManagerService/Pull",
    "CoreWorkerService/PushTask",
    "ReporterService/GetTraceback",
]


def over_http(port):
    """The status of the answer; None if that port does not speak HTTP/1."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def over_grpc(port):
    """The codes of the answers."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        return sorted({code(channel, method) for method in METHODS})


def code(channel, method):
    try:
        channel.unary_unary(f"/ray.rpc.{method}")(b"", timeout=10)
    except grpc.RpcError as error:
        return error.code().name
    return "OK"


def said(action, *arguments, **options):
    """What an attempt ends with: the error in words, or nothing."""
    try:
        action(*arguments, **options)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


if os.getuid() == 0:  # after the imports: the interpreter's folders may be root's alone
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    os.umask(0o022)
address, session, ports, processes = sys.argv[1:]
os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "guessed"}
print(
    json.dumps(
        {
            "ports": {
                port: [over_http(int(port)), *over_grpc(int(port))] for port in ports.split(",")
            },
            # Where Ray's workers look for the functions to execute.
            "code": said(
                lambda: GcsClient(address=address).internal_kv_put(
                    b"intruder", b"code", True, b"fun"
                )
            ),
            "environments": {
                process: said(Path(f"/proc/{process}/environ").read_bytes)
                for process in processes.split(",")
            },
            "files": said(os.listdir, session),
        }
    )
)
