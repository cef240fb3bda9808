"""`tune-tasks ls`: the sweeps of a folder, the latest first, whatever has become of them."""

import io
import json
import os
import re
import socket
import sys

import pytest

from tests.sweep.told import SPEC, Told, cancelled, failed, returned, row
from tune_tasks.sweep.journal import create_locked, journal_path


@pytest.fixture
def results(spec_folder):
    return spec_folder / "tune_results"


def finished(results, sweep):
    told = Told(results, sweep, {"exp": {**SPEC["exp"], "num_trials": 2, "max_failures": 0}})
    told.begin("exp/0", row(1, mean_loss=0.25))
    told.end("exp/0", returned(1))
    told.begin("exp/1")
    told.end("exp/1", failed())
    told.close()
    return told


def stopped(results, sweep):
    told = Told(results, sweep)
    told.begin("exp/0", row(1, mean_loss=0.5))
    told.stop()
    told.end("exp/0", cancelled(1))
    told.close()


def test_every_state_in_one_list(results, call_cli):
    finished(results, "2026-01-01_a")
    stopped(results, "2026-01-02_b")
    dead = Told(results, "2026-01-03_c")
    dead.begin("exp/0", row(1, mean_loss=0.5))
    dead.end("exp/0", returned(1))
    dead.die()
    damaged = finished(results, "2026-01-04_d").path
    lines = damaged.read_bytes().splitlines(keepends=True)
    damaged.write_bytes(b"".join([*lines[:3], b"x" + lines[3], *lines[4:]]))
    running = Told(results, "2026-01-05_e")
    code, out, err = call_cli("ls")
    assert (code, err) == (0, "")
    head, *listed = out.splitlines()
    assert head.split() == ["sweep", "experiments", "state", "done", "best", "started", "age"]
    rows = [re.split(r"  +", line.strip())[:5] for line in listed[:5]]
    assert rows == [
        ["2026-01-05_e", "exp", "running", "0 of 4", "-"],
        ["2026-01-04_d", "damaged"],
        ["2026-01-03_c", "exp", "dead", "1 of 4", "mean_loss 0.5 (script_0_lr=1)"],
        ["2026-01-02_b", "exp", "stopped", "0 of 4", "mean_loss 0.5 (script_0_lr=1)"],
        ["2026-01-01_a", "exp", "finished", "2 of 2, 1 failed", "mean_loss 0.25 (script_0_lr=1)"],
    ]
    process = f"process {os.getpid()} on {socket.gethostname()}"
    runs, hurt, died, hint = listed[5:]
    assert runs.startswith(f"2026-01-05_e: {process} has it in hand, since 20")
    assert hurt.startswith(f"2026-01-04_d: {damaged}:4: the sweep's journal is damaged")
    assert re.fullmatch(f"2026-01-03_c: its driver, {process} since .*, has died", died)
    assert hint == "`tune-tasks run --resume SWEEP` goes on with one that is stopped or dead."
    running.die()


def test_as_json(results, call_cli):
    finished(results, "2026-01-01_a")
    dead = Told(results, "2026-01-03_c")
    dead.die()
    create_locked(journal_path(results, "2026-01-04_d")).close()
    code, out, _ = call_cli("ls", "--json")
    assert code == 0
    damaged, died, ended = json.loads(out)
    assert damaged["state"] == "damaged"
    assert "the sweep had not begun" in damaged["problem"]
    assert died["driver"]["pid"] == os.getpid()
    assert (died["ended"], died["done"], died["trials"]) == (None, 0, 4)
    assert ended["experiments"]["exp"] == {
        "trials": 2,
        "done": 2,
        "failed": 1,
        "best": {
            "trial": "exp/0",
            "name": "script_0_lr=1",
            "metric": "mean_loss",
            "value": 0.25,
            "others": {},
        },
    }
    assert ended["started"] <= ended["ended"]
    assert (ended["driver"], ended["problem"]) == (None, None)


def test_of_several_objectives_all_are_said(results, call_cli):
    two = {**SPEC["exp"], "objectives": {"mean_loss": "min", "ms": "min"}}
    told = Told(results, "2026-01-01_a", {"exp": two})
    told.begin("exp/0", row(1, mean_loss=0.25, info={"ms": 2}))
    told.end("exp/0", returned(1))
    told.close()
    assert "  mean_loss 0.25, ms 2 (script_0_lr=1)  " in call_cli("ls")[1]
    (shown,) = json.loads(call_cli("ls", "--json")[1])
    assert shown["experiments"]["exp"]["best"]["others"] == {"ms": 2}


def test_a_sweep_that_is_just_beginning_runs(results, call_cli):
    with create_locked(journal_path(results, "2026-01-04_d")):
        _, out, _ = call_cli("ls")
    assert "running" in out


def test_a_folder_without_sweeps(call_cli, spec_folder):
    code, out, _ = call_cli("ls", "--local-dir", "elsewhere")
    assert (code, out) == (
        0,
        f"no sweep in {spec_folder}/elsewhere (the folder is given with --local-dir)\n",
    )
    assert call_cli("ls", "--local-dir", "elsewhere", "--json") == (0, "[]\n", "")


def test_a_terminal_has_no_line_that_is_too_long(results, call_cli, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    finished(results, "2026-01-01_00-00-00_aaaa")
    stopped(results, "2026-01-02_00-00-00_aaaa")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    call_cli("ls")
    table = terminal.getvalue().partition("`tune-tasks run")[0]
    lines = re.sub(r"\x1b\[[0-9;]*m", "", table).splitlines()
    assert max(map(len, lines)) <= 60
    assert "finished" in table
