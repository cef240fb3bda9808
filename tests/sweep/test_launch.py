"""From a request to a summary: what comes after the sweep takes the summary away from nobody."""

from pathlib import Path

import pytest
from tune_tasks.flows import as_tune

from tests.sweep.drivers import Driver
from tune_tasks.errors import UsageError
from tune_tasks.results.summary import Summary
from tune_tasks.sweep import launch
from tune_tasks.sweep import request as requests
from tune_tasks.sweep.beginning import Beginning
from tune_tasks.sweep.display import NoDisplay
from tune_tasks.sweep.planning import make_plan
from tune_tasks.sweep.request import Request, Session

SUMMARY = Summary("a-sweep", [])


@pytest.fixture
def end(monkeypatch, capsys):
    """Launches a sweep that is over, or not, when something raises.

    Returns the summary and what was printed.
    """

    def end(exc, summary=SUMMARY):
        def launched(request, session, as_flow):
            session.summary = summary
            raise exc

        monkeypatch.setattr(launch, "check", lambda request, session: None)
        monkeypatch.setattr(launch, "_launched", launched)
        return launch.launch(
            Request(), Session(display=NoDisplay()), as_tune
        ), capsys.readouterr().err

    return end


@pytest.mark.parametrize(
    "exc", [FileNotFoundError("server.alive"), RuntimeError("ray"), KeyboardInterrupt("again")]
)
def test_what_fails_after_the_sweep_is_a_warning(end, exc):
    summary, printed = end(exc)
    assert summary is SUMMARY
    assert (
        printed
        == "Warning: the sweep has ended, and its results stand; what comes after it failed:"
        f" {type(exc).__name__}: {exc}\n"
    )


def train(config, status_reporter):
    pass


DRAWS = {"e": {"config": {"lr": {"eval": "random.random()"}}}}


def test_the_plan_that_was_checked_is_the_one_that_runs(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    plans = []

    def made(*args, **keys):
        plans.append(make_plan(*args, **keys))
        return plans[-1]

    def launched(request, session, as_flow):
        assert session.plan_of(session.beginning) is plans[0]
        session.summary = SUMMARY

    monkeypatch.setattr(requests, "make_plan", made)
    monkeypatch.setattr(launch, "_launched", launched)
    session = Session(callables={"e": train}, display=NoDisplay())
    launch.launch(Request(spec=DRAWS), session, as_tune)
    assert len(plans) == 1


def test_a_run_that_nobody_checked_plans_with_the_sweeps_seed():
    beginning = Beginning(Request(spec=DRAWS), "a-sweep", 5, Path("journal.jsonl"))
    plan = Session(callables={"e": train}).plan_of(beginning)
    assert plan.experiments[0].seed == 5


def test_what_fails_before_there_is_a_summary_is_raised(end):
    with pytest.raises(FileNotFoundError):
        end(FileNotFoundError("server.alive"), summary=None)


def test_a_sweep_of_another_folder_is_resumed_there_alone(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    spec = {"e": {"config": {"a": 1}}}
    driver = Driver(Request(spec=spec), cwd=tmp_path)
    driver.die()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    request = Request(spec=spec, local_dir="../tune_results", resume=driver.sweep)
    with pytest.raises(UsageError, match=f"began in the working directory {tmp_path}, to which"):
        launch.check(request, Session())
