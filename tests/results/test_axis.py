"""Values as positions on an axis."""

import math

import pytest

from tune_tasks.results.axis import ABSENT, Axis


def test_an_axis():
    log = Axis.of("lr", [1e-4, 1e-2, 1.0])
    assert log.is_log
    assert log.fractions() == pytest.approx([0, 0.5, 1])
    assert log.ticks() == {0.0: "0.0001", 1.0: "1"}
    words = Axis.of("act", ["relu", None, "tanh", True])
    assert (words.fractions(), list(words.ticks().values())) == (
        [2 / 3, 0, 1, 1 / 3],
        ["None", "True", "relu", "tanh"],
    )
    assert Axis.of("same", [3, 3]).fractions() == [0.5, 0.5]


def test_a_domain_says_whether_the_axis_is_logarithmic():
    assert Axis.of("lr", [1.0, 2.0], is_log=True).is_log
    assert not Axis.of("lr", [1.0, 2000.0], is_log=False).is_log
    assert not Axis.of("lr", [0.0, 2000.0], is_log=True).is_log


def test_a_trial_that_lacks_the_parameter_has_no_position():
    axis = Axis.of("act", ["relu", ABSENT, None, "elu"])
    assert (list(axis.positions[:1]), list(axis.positions[2:])) == ([2.0], [0.0, 1.0])
    assert math.isnan(axis.positions[1])
    assert list(axis.labels.values()) == ["None", "elu", "relu"]
    assert math.isnan(Axis.of("lr", [0.5, ABSENT]).fractions()[1])


def test_a_number_that_one_trial_lacks_stays_a_number():
    axis = Axis.of("lr", [0.5, None, 1.5])
    assert (axis.labels, axis.fractions()[0], axis.fractions()[2]) == ({}, 0, 1)
    assert math.isnan(axis.fractions()[1])
