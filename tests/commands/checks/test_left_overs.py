"""What is left of sweeps that no driver has in hand."""

from dataclasses import replace

import pytest

from tests.sweep.told import Told, returned, row
from tune_tasks.commands.checks import left_overs
from tune_tasks.commands.checks.left_overs import LeftOvers, ask_servers, idle_sweeps, tidy_up
from tune_tasks.commands.checks.processes import LeftProcess
from tune_tasks.errors import ServiceError
from tune_tasks.recording.delivery import Delivery
from tune_tasks.sweep.journal import create_locked, journal_path


@pytest.fixture
def dead(tmp_path):
    """A sweep whose driver has died."""
    told = Told(tmp_path, "2026-01-01_00-00-00_dead")
    told.die()
    return told


@pytest.fixture
def held(tmp_path):
    """A sweep that a driver has in hand."""
    told = Told(tmp_path, "2026-01-02_00-00-00_held")
    yield told
    told.die()


@pytest.fixture
def servers(monkeypatch):
    """Servers that have left-overs of every sweep that they are asked about, until these end."""

    class Servers:
        def __init__(self):
            self.asked = set()
            self.ended = []
            self.running = True

        def runs(self, uri, sweeps):
            self.asked |= set(sweeps)
            return {sweep: [f"run-of-{sweep}"] for sweep in sweeps if self.running}

        def flow_runs(self, since):
            return list(since) if self.running else []

        def end(self, *args):
            self.running = False
            self.ended.append(args)

    servers = Servers()
    monkeypatch.setattr(left_overs, "running_runs", servers.runs)
    monkeypatch.setattr(left_overs, "_driven_by", lambda sweep: {"run-1": 0.0})
    monkeypatch.setattr(
        left_overs, "_in_prefect", lambda sweeps, away: servers.flow_runs(["run-1"])
    )
    monkeypatch.setattr(left_overs, "_end_records", lambda sweep: servers.end(sweep) or [])
    return servers


def lines(left):
    return [finding.line() for finding in left.findings()]


def test_nothing_is_left():
    assert lines(LeftOvers()) == [
        "ok      sweeps whose driver has died: none",
        "ok      runs that nobody has ended in MLflow: none",
        "ok      runs that nobody has ended in Prefect: none",
        "ok      processes of dead drivers: none",
    ]


def test_what_is_left_is_named_with_what_to_do(tmp_path, dead, held, servers):
    left = ask_servers(idle_sweeps(tmp_path, tmp_path))
    assert lines(left)[:3] == [
        "warning sweeps whose driver has died: 1 (2026-01-01_00-00-00_dead);"
        " `tune-tasks run --resume SWEEP` goes on with one",
        "warning runs that nobody has ended in MLflow: 1 (run-of-2026-01-01_00-00-00_dead);"
        " `tune-tasks doctor --fix` ends them",
        "warning runs that nobody has ended in Prefect: 1 (run-1);"
        " `tune-tasks doctor --fix` ends them",
    ]
    assert servers.asked == {dead.sweep}  # and not about the one that somebody has in hand


def test_what_is_left_is_ended(tmp_path, dead, held, servers):
    left = ask_servers(idle_sweeps(tmp_path, tmp_path))
    assert list(tidy_up(left)) == []
    assert [sweep.path.parent.name for (sweep,) in servers.ended] == [dead.sweep]
    again = ask_servers(idle_sweeps(tmp_path, tmp_path))
    assert lines(again)[1:3] == lines(LeftOvers())[1:3]
    assert list(tidy_up(again)) == []
    assert len(servers.ended) == 1


def test_a_sweep_that_somebody_goes_on_with_meanwhile_is_left_alone(tmp_path, dead, servers):
    left = ask_servers(idle_sweeps(tmp_path, tmp_path))
    dead.take()
    assert list(tidy_up(left)) == []
    assert servers.ended == []
    dead.die()


def test_what_another_driver_has_added_meanwhile_is_delivered_too(tmp_path, dead, monkeypatch):
    left = idle_sweeps(tmp_path, tmp_path)
    (found,) = left.sweeps
    dead.take()
    dead.begin("exp/0", row(1, mean_loss=0.5))
    dead.end("exp/0", returned(1))
    dead.die()
    delivered = []

    def deliver(info, attempts, summary, trackers):
        delivered.extend(attempt.outcome for attempt in attempts)
        return Delivery(summary, {})

    monkeypatch.setattr("tune_tasks.sweep.delivery.deliver", deliver)
    monkeypatch.setattr(left_overs, "running_runs", lambda uri, names: {})
    monkeypatch.setattr(left_overs, "end_runs", lambda uri, runs: None)
    assert list(tidy_up(replace(left, sweeps=[replace(found, runs=["a run"])]))) == []
    assert delivered[0] == returned(1)


def test_a_server_that_is_away_is_said(tmp_path, dead, servers, monkeypatch):
    def away(uri, sweeps):
        raise ServiceError("MLflow at http://x: away")

    monkeypatch.setattr(left_overs, "running_runs", away)
    line = lines(ask_servers(idle_sweeps(tmp_path, tmp_path)))[1]
    assert line == (
        "warning runs that nobody has ended in MLflow: not known: MLflow at http://x: away;"
        " look again later"
    )


def test_what_cannot_be_ended_is_said(tmp_path, dead, servers, monkeypatch):
    def fails(sweep):
        raise ServiceError("MLflow is away")

    left = ask_servers(idle_sweeps(tmp_path, tmp_path))
    monkeypatch.setattr(left_overs, "_end_records", fails)
    assert list(tidy_up(left)) == [f"{dead.sweep}: MLflow is away"]


def test_a_damaged_journal_is_a_problem(tmp_path, dead):
    text = dead.path.read_bytes()
    dead.path.write_bytes(b"x" + text)
    (first, *_) = lines(idle_sweeps(tmp_path, tmp_path))
    assert first.startswith(f"problem journal: {dead.path}:1: the sweep's journal is damaged")


def test_a_sweep_that_is_just_beginning_is_no_problem(tmp_path, dead):
    with create_locked(journal_path(tmp_path, "2026-01-03_begins")):
        left = idle_sweeps(tmp_path, tmp_path)
    assert (left.dead, left.damaged) == ([dead.sweep], [])
    # Nor is one whose driver has died as it began.
    assert idle_sweeps(tmp_path, tmp_path).damaged == []


def test_processes_are_named():
    left = LeftOvers(processes=[LeftProcess(7, "ray::IDLE"), LeftProcess(8, "/ray/raylet --x")])
    assert lines(left)[-1] == (
        "warning processes of dead drivers: 2 (ray::IDLE, /ray/raylet); `tune-tasks doctor --fix`"
        " ends them"
    )
