"""The command that runs a sweep: what it refuses before anything starts."""

from pathlib import Path
from types import SimpleNamespace

from tests.sweep.drivers import Driver
from tune_tasks.cli import main
from tune_tasks.commands import run
from tune_tasks.commands.supervisor import DeadDriver
from tune_tasks.results.summary import Summary
from tune_tasks.sweep.request import Request


def test_a_folder_of_results_that_is_a_file_is_refused(refusal):
    config = '{"script_file_path": "os:getpid"}'
    said = refusal("--config", config, "--local-dir", "spec.yaml/x")
    assert said.endswith("/spec.yaml is a file\n")


def test_a_storage_that_cannot_be_written_is_refused(refusal, spec_folder):
    said = refusal("-f", "spec.yaml", "--storage", f"file://{spec_folder}/spec.yaml/in")
    assert f"mnist.storage: file://{spec_folder}/spec.yaml/in cannot be written from" in said


def test_a_sweep_that_a_driver_has_in_hand_is_refused(refusal):
    driver = Driver(Request(spec_file="spec.yaml"), cwd=Path.cwd())
    said = refusal("-f", "spec.yaml", "--resume", driver.sweep)
    assert f"the sweep {driver.sweep} is in " in said
    driver.die()


def test_a_sweep_to_be_resumed_that_is_not_there_is_named(refusal):
    assert "cannot read the spec file 'no.yaml'" in refusal("-f", "no.yaml", "--resume")
    said = refusal("-f", "spec.yaml", "--resume")
    assert "--resume: there is no unfinished sweep of this spec in " in said


def test_a_driver_that_takes_over_runs_the_spec_as_it_was(spec_folder, monkeypatch):
    """The file was edited while the sweep ran."""
    launched = []

    def supervised(drive, *_others):
        drive(lambda _journal: None, None)
        (spec_folder / "spec.yaml").write_text("other: {}")
        return drive(lambda _journal: None, DeadDriver("a-sweep", "it was killed"))

    def launch(request, session, as_flow):
        launched.append((request, session))
        return Summary("a-sweep", [])

    monkeypatch.setattr(run, "supervise", supervised)
    monkeypatch.setattr(run, "launch", launch)
    monkeypatch.setattr("sys.argv", ["tune-tasks", "run", "-f", "spec.yaml"])
    assert main() == 0
    assert [request.resume for request, _ in launched] == [None, "a-sweep"]
    for request, session in launched:
        assert list(request.plan({}, spec_text=session.spec_text).source) == ["mnist"]


def test_so_does_one_of_a_sweep_that_was_resumed_by_its_id(spec_folder, monkeypatch):
    """Its own file was edited meanwhile, although no file was given."""
    asked = []
    read = SimpleNamespace(request=Request(spec_file="spec.yaml"))
    monkeypatch.setattr(run, "beginning_of", lambda request: asked.append(request) or read)
    text = run._spec_text(Request(resume="a-sweep"))
    assert text == (spec_folder / "spec.yaml").read_text()
    assert [request.resume for request in asked] == ["a-sweep"]
    assert run._spec_text(Request(spec={"e": {}}, resume="a-sweep")) is None


def test_a_sweep_is_resumed_where_it_began(spec_folder, monkeypatch):
    driver = Driver(Request(spec_file="spec.yaml"), cwd=spec_folder)
    driver.die()
    launched = []

    def launch(request, session, as_flow):
        launched.append((Path.cwd(), request.results, request.spec_file))
        return Summary("a-sweep", [])

    (spec_folder / "elsewhere").mkdir()
    monkeypatch.chdir(spec_folder / "elsewhere")
    monkeypatch.setattr(run, "launch", launch)
    where = ["-f", "../spec.yaml", "--local-dir", "../tune_results"]
    assert main(["run", "--resume", driver.sweep, *where]) == 0
    ((cwd, results, spec_file),) = launched
    assert cwd == spec_folder
    assert (results.resolve(), Path(spec_file).resolve()) == (
        spec_folder / "tune_results",
        spec_folder / "spec.yaml",
    )
