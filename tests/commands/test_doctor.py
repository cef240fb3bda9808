"""The command that checks the installation; its checks have tests of their own."""

import json

import pytest

from tune_tasks.commands import doctor
from tune_tasks.commands.checks.finding import ok, problem, warning

FINE = [ok("Python", "3.11.7"), warning("disk", "0.5 GiB free", "make room")]
WRONG = [problem("MLflow", "does not answer", "start it")]


@pytest.fixture
def finds(monkeypatch):
    def find(*findings):
        monkeypatch.setattr(doctor, "_findings", lambda args: iter(findings))

    return find


def test_a_line_for_each_check(call_cli, finds):
    finds(*FINE)
    assert call_cli("doctor") == (
        0,
        "ok      Python: 3.11.7\nwarning disk: 0.5 GiB free; make room\n",
        "",
    )


def test_a_problem_is_a_failure(call_cli, finds):
    finds(*FINE, *WRONG)
    code, out, _ = call_cli("doctor")
    assert (code, out.splitlines()[-1]) == (1, "problem MLflow: does not answer; start it")


def test_as_json(call_cli, finds):
    finds(*WRONG)
    code, out, _ = call_cli("doctor", "--json")
    assert (code, json.loads(out)) == (
        1,
        [
            {
                "level": "problem",
                "about": "MLflow",
                "found": "does not answer",
                "advice": "start it",
            }
        ],
    )
