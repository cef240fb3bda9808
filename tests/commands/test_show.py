"""`tune-tasks show`: what came out of a sweep, with every attempt."""

import json
import subprocess
import sys

import pytest

from tests.sweep.told import SPEC, Told, cancelled, failed, returned, row


@pytest.fixture
def results(spec_folder):
    return spec_folder / "tune_results"


@pytest.fixture
def told(results):
    made = Told(results)
    made.begin("exp/0", row(1, mean_loss=0.3))
    made.end("exp/0", failed(1))
    made.begin("exp/0", row(1, mean_loss=0.25))
    made.end("exp/0", returned(1))
    made.begin("exp/1", row(1, mean_loss=0.5))
    made.stop()
    made.end("exp/1", cancelled(1))
    made.close()
    return made


def test_for_people(told, call_cli):
    code, out, err = call_cli("show", told.sweep)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"Sweep {told.sweep}: stopped"
    assert lines[1].startswith("  driver: process ")
    assert f"  `tune-tasks run --resume {told.sweep}` goes on with it" in lines
    assert "Best trial: script_0_lr=1 with mean_loss 0.25" in lines
    assert "  config: {'lr': 1}" in lines
    assert "4 trials: 2 PENDING, 2 TERMINATED" in lines
    at = lines.index("== exp: attempts ==")
    trial, first, second, other, its = lines[at + 1 : at + 6]
    assert (trial, other) == (" - script_0_lr=1", " - script_1_lr=2")
    assert first.startswith("     1  ")
    assert first.endswith("  first start; 1 report; ERROR after 1 s: ValueError: bad")
    assert second.endswith(
        "  retry after attempt 1 has failed; 1 report; TERMINATED after 1 s: train() returned"
    )
    assert its.endswith(": Ctrl-C")


def test_as_json_it_is_the_document_of_run_with_more(told, call_cli):
    code, out, _ = call_cli("show", told.sweep, "--json")
    assert code == 0
    document = json.loads(out)
    theirs = json.loads(json.dumps(told.summary().as_json()))
    assert theirs.keys() < document.keys()
    assert document["state"] == "stopped"
    mine, own = document["experiments"]["exp"], theirs["experiments"]["exp"]
    assert [t["attempts"] for t in own["trials"]] == [2, 1, 0, 0]
    assert [[a["number"] for a in t["attempts"]] for t in mine["trials"]] == [[1, 2], [1], [], []]
    assert mine["best"]["name"] == own["best"]["name"]
    assert mine["trials"][0]["last_result"] == own["trials"][0]["last_result"]


@pytest.mark.parametrize("name", ["last", "2026-01-02", "2026-01-02_x"])
def test_a_sweep_by_other_names(results, call_cli, name):
    for sweep in ("2026-01-01_x", "2026-01-02_x"):
        Told(results, sweep).close()
    _, out, _ = call_cli("show", name)
    assert out.startswith("Sweep 2026-01-02_x: ")


def test_a_sweep_that_is_not_there(results, call_cli, refusal):
    assert "no sweep in " in refusal("show", "last")
    for sweep in ("2026-01-01_x", "2026-01-02_x"):
        Told(results, sweep).close()
    assert "; did you mean '2026-01-02_x'?" in refusal("show", "2026-01-02_y")
    assert "2 sweeps begin with '2026': 2026-01-02_x, 2026-01-01_x" in refusal("show", "2026")
    assert "the last ones are 2026-01-02_x, 2026-01-01_x" in refusal("show", "zzzz")


def test_a_damaged_journal_is_named_with_its_line(told, refusal):
    lines = told.path.read_bytes().splitlines(keepends=True)
    told.path.write_bytes(b"".join([*lines[:2], b"x" + lines[2], *lines[3:]]))
    assert f"{told.path}:3: the sweep's journal is damaged" in refusal("show", told.sweep)


def test_a_journal_that_cannot_be_read(told, refusal):
    told.path.unlink()
    told.path.mkdir()
    assert "the sweep's journal cannot be read: [Errno 21]" in refusal("show", told.sweep)


def test_a_long_sweep_is_cut(results, call_cli):
    spec = {"exp": {"num_trials": 30, "config": {"hf_token": "x"}}}
    told = Told(results, spec=spec, room=40)
    for index in range(25):
        told.begin(f"exp/{index}")
        told.end(f"exp/{index}", returned())
    told.die()
    _, out, _ = call_cli("show", "last")
    assert "   … 5 more\n" in out
    _, out, _ = call_cli("show", "last", "--json")
    assert len(json.loads(out)["experiments"]["exp"]["trials"]) == 30


def test_what_was_never_started_has_a_number_alone(results, call_cli):
    Told(results, spec={"exp": {**SPEC["exp"], "num_trials": 9}}).die()
    _, out, _ = call_cli("show", "last", "--json")
    trial = json.loads(out)["experiments"]["exp"]["trials"][8]
    assert (trial["name"], trial["index"], trial["state"], trial["config"]) == (
        "exp/8",
        8,
        "PENDING",
        {},
    )
    assert trial["attempts"] == []


@pytest.mark.processes
def test_it_answers_at_once(told):
    """Ray, Prefect and MLflow take seconds to import, and are not needed."""
    code = (
        "import sys; from tune_tasks.cli import main;"
        " assert main(['show', 'last']) == main(['show', 'last', '--json']) == main(['ls']) == 0;"
        " print(*{'ray', 'prefect', 'mlflow', 'pandas', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=told.results.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.endswith("\n\n")
