"""Whether what is installed is of a version that we run with."""

import pytest

from tune_tasks.commands.checks.finding import Level
from tune_tasks.commands.checks.versions import library_findings, python_finding, version_findings

REQUIREMENTS = [
    "ray<2.61,>=2.60",
    "fastapi<0.151",
    "pytest>=8; extra == 'test'",
    "tomli; python_version < '3'",
]


def findings(**installed):
    return [f.line() for f in library_findings(REQUIREMENTS, installed.get)]


def test_what_fits_is_said_of_the_large_ones_alone():
    assert findings(ray="2.60.1", fastapi="0.150") == ["ok      ray: 2.60.1"]


def test_what_does_not_fit_comes_with_the_command_that_mends_it():
    assert findings(ray="2.61.0", fastapi="0.155") == [
        "problem ray: 2.61.0, and tune-tasks was tested with ray<2.61,>=2.60;"
        " pip install 'ray<2.61,>=2.60'",
        "problem fastapi: 0.155, and tune-tasks was tested with fastapi<0.151;"
        " pip install 'fastapi<0.151'",
    ]
    assert findings(fastapi="0.1") == ["problem ray: not installed; pip install 'ray<2.61,>=2.60'"]


@pytest.mark.parametrize(
    ("version", "level"),
    [("3.11.0", Level.OK), ("3.13.5", Level.OK), ("3.10.9", Level.PROBLEM), ("3.14.0", "problem")],
)
def test_python(version, level):
    assert python_finding(version, "<3.14,>=3.11").level == level


def test_what_is_installed_here_fits():
    assert {finding.level for finding in version_findings()} == {Level.OK}
