"""On which port a server listens."""

import socket

import pytest

from tune_tasks.servers.ports import listen, port_of


def test_a_server_has_the_port_that_the_last_one_had(tmp_path):
    with listen(tmp_path / "port") as first:
        port = port_of(first)
        with listen(tmp_path / "port") as second:  # while the first listens
            another = port_of(second)
    assert another != port
    with listen(tmp_path / "port") as third:
        assert port_of(third) == another


def test_nobody_else_gets_a_port_that_a_server_has(tmp_path):
    with listen(tmp_path / "port") as listener, socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port_of(listener)))


@pytest.mark.parametrize("text", ["", "x", "-1", "99999999"])
def test_what_is_no_port_is_replaced(tmp_path, text):
    (tmp_path / "port").write_text(text)
    with listen(tmp_path / "port") as listener:
        assert port_of(listener) == int((tmp_path / "port").read_text())
