"""Where our own servers listen."""

import socket

import pytest

from tune_tasks.services import same_port


def test_a_server_has_the_port_that_the_last_one_had(tmp_path):
    port = same_port(tmp_path / "port")
    assert same_port(tmp_path / "port") == port
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        another = same_port(tmp_path / "port")
    assert another != port
    assert same_port(tmp_path / "port") == another


@pytest.mark.parametrize("text", ["", "x", "-1", "99999999"])
def test_what_is_no_port_is_replaced(tmp_path, text):
    (tmp_path / "port").write_text(text)
    assert same_port(tmp_path / "port") == int((tmp_path / "port").read_text())
