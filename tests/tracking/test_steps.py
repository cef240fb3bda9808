"""Steps are done once each."""

import pytest

from tune_tasks.tracking.steps import Steps


class Server:
    """Takes what comes, and fails when it is told to."""

    def __init__(self):
        self.taken = []
        self.failing = set()

    def step(self, name):
        return name, lambda: self.take(name)

    def take(self, name):
        if name in self.failing:
            raise ConnectionError(name)
        self.taken.append(name)


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def steps(server):
    """Steps that note in the same list that one was done."""
    return Steps(lambda: server.taken.append("+"))


def test_what_was_done_is_not_done_again(server, steps):
    server.failing = {"b"}
    names = "abc"
    with pytest.raises(ConnectionError):
        steps.in_order(map(server.step, names))
    assert server.taken == ["a", "+"]
    server.failing = set()
    for _ in range(2):
        steps.in_order(map(server.step, names))
    assert server.taken == ["a", "+", "b", "+", "c", "+"]


def test_what_stands_alone_is_done_though_something_else_fails(server, steps):
    server.failing = {"b"}
    (problem,) = steps.each(map(server.step, "abc"))
    assert str(problem) == "b"
    assert server.taken == ["a", "+", "c", "+"]
    server.failing = set()
    assert steps.each(map(server.step, "abc")) == []
    assert server.taken[-2:] == ["b", "+"]


def test_a_server_that_fails_again_and_again_is_left_alone(server, steps):
    server.failing = set("abcde")
    assert len(steps.each(map(server.step, "abcdef"))) == 3


def test_steps_of_a_name_may_be_done_anew(server, steps):
    steps.in_order([server.step("part 1"), server.step("whole")])
    steps.forget("part ")
    steps.in_order([server.step("part 1"), server.step("whole")])
    assert server.taken[::2] == ["part 1", "whole", "part 1"]
