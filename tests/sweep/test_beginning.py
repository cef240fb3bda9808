"""How a driver begins: a new sweep, or one that an earlier driver has begun, edited or not."""

import dataclasses

import pytest

from tests.sweep.drivers import FAILED, WELL, Driver
from tune_tasks.errors import BadInputError, UsageError
from tune_tasks.model.code_version import version_of
from tune_tasks.model.snapshot import Snapshot
from tune_tasks.results.summary import Summary
from tune_tasks.sweep.beginning import beginning_of
from tune_tasks.sweep.budget_so_far import budgets_so_far
from tune_tasks.sweep.journal import read_history
from tune_tasks.sweep.lookup import LAST
from tune_tasks.sweep.past_trials import PastTrials
from tune_tasks.sweep.request import Request
from tune_tasks.sweep.resume import edits_of_code

SPEC = {"e": {"num_trials": 4, "config": {"a": {"grid_search": [1, 2, 3, 4]}}}}
GROWN = {"e": {"config": {"a": {"grid_search": [1, 9, 3, 4]}}}}


@pytest.fixture
def request_(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Request(spec=SPEC, local_dir=str(tmp_path))


@pytest.fixture
def drive():
    """Makes drivers; those that are left let go of their journals at the end."""
    made = []

    def make(request, **keys):
        made.append(Driver(request, **keys))
        return made[-1]

    yield make
    for driver in made:
        driver.die()


@pytest.fixture
def dead(request_, drive):
    """A driver that has died: of four trials two have ended, and two ran."""
    driver = drive(request_)
    driver.end()
    driver.end(FAILED)
    driver.die()
    return driver


def resumed(dead, **keys):
    request = dead.beginning.request
    return dataclasses.replace(request, **{"resume": dead.sweep, **keys})


def test_an_end_of_the_journal_that_had_not_reached_the_disk_is_cut_and_said(dead, drive):
    with dead.beginning.path.open("ab") as file:
        file.write(bytes(1_200))
    second = drive(resumed(dead))
    assert second.warned == [
        "the last 1,200 bytes of the sweep's journal cannot be read, and are cut: its last driver"
        " has died before they had reached the disk"
    ]
    second.die()
    assert drive(resumed(dead)).warned == []


def test_what_is_left_is_run(dead, drive):
    second = drive(resumed(dead))
    assert not second.plan.is_edited
    assert second.started == ["e/3", "e/2"] or sorted(second.started) == ["e/2", "e/3"]
    assert second.run() == {"e/0": WELL, "e/1": FAILED, "e/2": WELL, "e/3": WELL}


def test_failed_trials_are_tried_again_also_if_the_driver_dies_at_once(dead, drive, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(Driver, "tell", lambda *_: [])
        drive(resumed(dead, retry_failed=True)).die()
    third = drive(resumed(dead))
    assert third.run()["e/1"] == WELL
    third.die()
    assert not read_history(third.beginning.path).owes_retries


def test_an_edited_spec_is_refused_with_what_it_would_change(dead):
    with pytest.raises(UsageError) as raised:
        beginning_of(resumed(dead, spec=GROWN)).plan({"e": lambda config, reporter: None})
    assert str(raised.value).splitlines() == [
        f"the spec is not what the sweep {dead.sweep} has run so far:",
        "e: 3 trials kept, 1 to begin, 1 dropped",
        "  1 dropped: config.a: 2 is not searched any more",
        "  num_trials: 4 has gone",
        "  config.a.grid_search: [1, 2, 3, 4] → [1, 9, 3, 4]",
        f"`tune-tasks plan --resume {dead.sweep}` shows each trial. To go on with the edited spec"
        " give --accept-changes (in Python and in a flow's parameters accept_changes); the results"
        " of what is dropped stay on the disk and in MLflow",
    ]


def test_an_edited_spec_that_is_accepted_runs_what_it_asks_for(dead, drive):
    second = drive(resumed(dead, spec=GROWN, accept_changes=True))
    # Trial 1, which had failed, is none of the sweep's any more.
    assert second.run() == {"e/0": WELL, "e/2": WELL, "e/3": WELL, "e/4": WELL}
    assert sorted(second.started) == ["e/2", "e/3", "e/4"]
    assert second.core.trial("e/4").config == {"a": 9}


def test_a_later_driver_goes_on_with_the_edited_spec(dead, drive):
    second = drive(resumed(dead, spec=GROWN, accept_changes=True), flow_run_id="another")
    second.end()
    second.die()
    history = read_history(second.beginning.path)
    assert list(history.sweep.spec["e"]["config"]["a"]["grid_search"]) == [1, 9, 3, 4]
    assert (history.sweep.flow_run_id, history.sweep.drawn_seed) == (
        "a-run",
        dead.beginning.drawn_seed,
    )
    assert list(PastTrials(history).experiment("e").indices) == [0, 2, 3, 4]
    third = drive(resumed(dead, spec=None))
    assert not third.plan.is_edited
    assert set(third.run()) == {"e/0", "e/2", "e/3", "e/4"}
    assert len(third.started) <= 2


def test_an_experiment_that_has_gone_is_asked_about_once(dead, drive):
    other = {"other": {"config": {"a": 1}}}
    second = drive(resumed(dead, spec=other, accept_changes=True))
    assert second.run() == {"other/0": WELL}
    second.die()
    third = drive(resumed(dead, spec=other))
    assert (third.run(), third.started) == ({"other/0": WELL}, [])


def test_other_resources_are_those_of_the_trials_that_go_on(dead, drive):
    larger = {"e": {**SPEC["e"], "resources": {"cpu": 2}}}
    second = drive(resumed(dead, spec=larger, accept_changes=True, retry_failed=True))
    second.die()
    trials = read_history(second.beginning.path).trials()
    # Trial 0 has ended as it was, and trial 3 has begun since; trial 1 had failed.
    assert [trials[f"e/{index}"].resources.cpu for index in range(4)] == [1, 2, 2, 2]
    assert len(trials) == 4


def test_a_larger_budget_keeps_what_was_done_and_goes_on(request_, drive):
    def with_budget(seconds):
        return {"e": {**SPEC["e"], "budget": {"time": seconds}}}

    first = drive(dataclasses.replace(request_, spec=with_budget(1)))
    first.end()
    first.end()
    first.die()
    assert (first.is_over, first.kept) == (True, {"e/0": WELL, "e/1": WELL})
    (use,) = budgets_so_far(first.plan, read_history(first.beginning.path)).values()
    assert (use.words, use.used_up) == ("1 of 1 s", "budget: 1 s is over")
    second = drive(resumed(first, spec=with_budget(1)))
    assert (second.is_over, second.started) == (True, [])
    second.die()
    third = drive(resumed(first, spec=with_budget(100), accept_changes=True))
    assert third.plan.edits["e"].changes == ["budget.time: 1 → 100"]
    assert third.run() == dict.fromkeys(["e/0", "e/1", "e/2", "e/3"], WELL)
    assert third.started == ["e/2", "e/3"]


def test_an_edit_can_be_undone(dead, drive):
    second = drive(resumed(dead, spec=GROWN, accept_changes=True))
    second.run()
    second.die()
    third = drive(resumed(dead, spec=SPEC, accept_changes=True))
    assert third.run() == {"e/0": WELL, "e/1": FAILED, "e/2": WELL, "e/3": WELL}
    assert third.started == []


def test_what_was_given_beside_the_spec_holds_until_it_is_given_again(request_, drive):
    first = drive(dataclasses.replace(request_, num_trials=3, seed=5, stop={"mean_loss": 0.1}))
    first.die()
    request = dataclasses.replace(request_, resume=first.sweep)
    again = beginning_of(request).request
    assert (again.num_trials, again.seed, again.stop) == (3, 5, {"mean_loss": 0.1})
    more = beginning_of(dataclasses.replace(request, num_trials=4)).request
    assert (more.num_trials, more.seed) == (4, 5)


def test_the_storage_is_the_one_that_was_given_unless_its_password_is_needed(request_, drive):
    first = drive(dataclasses.replace(request_, storage="ftp://me:secret@host/runs"))
    first.die()
    request = dataclasses.replace(request_, resume=first.sweep)
    callables = {"e": lambda config, reporter: None}
    with pytest.raises(UsageError, match=r"storage: 'ftp://me:\*\*\*@host/runs' .* give it again"):
        beginning_of(request).plan(callables)
    again = dataclasses.replace(request, storage="ftp://me:secret@host/runs")
    plan = beginning_of(again).plan(callables)
    assert plan.experiments[0].spec.storage == "ftp://me:secret@host/runs"


def test_the_last_unfinished_sweep_of_the_file_is_found(request_, drive, tmp_path):
    (tmp_path / "train.py").write_text("def train(config, status_reporter): pass")
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text("e: {num_trials: 2, config: {script_file_path: train.py}}")
    of_file = dataclasses.replace(request_, spec=None, spec_file="a.yaml")
    first = drive(of_file)
    first.die()
    second = drive(dataclasses.replace(of_file, spec_file="b.yaml"))
    second.die()
    # The fake driver says that it ran in /cwd, and a relative path is one from there.
    given = dataclasses.replace(of_file, resume=LAST, spec_file="/cwd/a.yaml")
    assert beginning_of(given).sweep == first.sweep
    other = dataclasses.replace(given, spec_file=str(tmp_path / "c.yaml"))
    with pytest.raises(BadInputError, match="cannot read the spec file"):
        beginning_of(other)
    (tmp_path / "c.yaml").write_text("")
    with pytest.raises(
        UsageError, match=f"no unfinished sweep .* the last ones are .*{first.sweep}"
    ):
        beginning_of(other)


def test_one_that_has_ended_is_named_to_who_wants_its_failed_trials_tried(request_, drive):
    driver = drive(request_)
    driver.run()
    driver.taken.journal.closed(0, Summary(driver.sweep, []))
    driver.die()
    given = dataclasses.replace(request_, resume=LAST, retry_failed=True)
    with pytest.raises(UsageError, match=f"give its id: {driver.sweep}"):
        beginning_of(given)


def test_one_that_has_ended_is_named_to_who_has_edited_its_spec(request_, drive):
    driver = drive(request_)
    driver.run()
    driver.taken.journal.closed(0, Summary(driver.sweep, []))
    driver.die()
    said = f"go on with one that has ended, after an edit, give its id: {driver.sweep}"
    with pytest.raises(UsageError, match=said):
        beginning_of(dataclasses.replace(request_, resume=LAST))


def test_after_an_edit_the_sweep_is_one_of_the_edited_file(request_, drive, tmp_path):
    (tmp_path / "train.py").write_text("def train(config, status_reporter): pass")
    for name, values in {"a.yaml": "[1]", "b.yaml": "[1, 2]"}.items():
        config = f"{{script_file_path: train.py, x: {{grid_search: {values}}}}}"
        (tmp_path / name).write_text(f"e: {{config: {config}}}")
    first = drive(dataclasses.replace(request_, spec=None, spec_file=str(tmp_path / "a.yaml")))
    first.die()
    edited = dataclasses.replace(first.beginning.request, spec_file=str(tmp_path / "b.yaml"))
    drive(dataclasses.replace(edited, resume=first.sweep, accept_changes=True)).die()
    assert beginning_of(dataclasses.replace(edited, resume=LAST)).sweep == first.sweep
    with pytest.raises(UsageError, match="no unfinished sweep of this spec"):
        beginning_of(dataclasses.replace(first.beginning.request, resume=LAST))


def test_the_beginning_of_its_id_names_a_sweep(dead, request_):
    assert beginning_of(dataclasses.replace(request_, resume=dead.sweep[:-2])).sweep == dead.sweep
    with pytest.raises(UsageError, match=f"no sweep 'of old' in .*last ones are {dead.sweep}"):
        beginning_of(dataclasses.replace(request_, resume="of old"))


def test_a_deployments_run_that_is_executed_again_goes_on_with_its_sweep(dead, request_):
    beginning = beginning_of(request_, deployed_run="a-run")
    assert (beginning.sweep, beginning.retry_failed) == (dead.sweep, True)
    assert beginning_of(request_, deployed_run="another").earlier is None


def test_so_does_one_that_went_on_with_a_sweep_of_another_run(dead, drive, request_):
    second = drive(resumed(dead), flow_run_id="another")
    second.run()
    second.taken.journal.closed(0, Summary("a-sweep", []))
    second.die()
    again = dataclasses.replace(request_, resume=LAST)
    beginning = beginning_of(again, deployed_run="another")
    assert (beginning.sweep, beginning.retry_failed) == (dead.sweep, True)


def test_what_another_driver_has_begun_meanwhile_is_not_mixed_up(dead, drive, monkeypatch):
    """The plan was made before the journal was locked."""
    beginning = beginning_of(resumed(dead, spec=GROWN, accept_changes=True))
    other = drive(
        resumed(dead, spec={"e": {"config": {"a": {"grid_search": [1, 7]}}}}, accept_changes=True)
    )
    other.run()
    other.die()
    monkeypatch.setattr("tests.sweep.drivers.beginning_of", lambda request: beginning)
    with pytest.raises(UsageError, match="another driver has gone on with the sweep"):
        drive(beginning.request)


def test_a_spec_of_python_objects_has_a_journal(request_, drive):
    spec = {"e": {"num_trials": 2, "config": {"f": object()}}}
    first = drive(dataclasses.replace(request_, spec=spec))
    first.end()
    first.die()
    second = drive(dataclasses.replace(request_, spec=spec, resume=first.sweep))
    assert second.run() == {"e/0": WELL, "e/1": WELL}


def test_code_that_was_edited_since_the_last_driver_is_said(request_, drive, tmp_path):
    script = tmp_path / "train.py"
    script.write_text("def train(config, status_reporter): pass")
    first = drive(request_, code=version_of(Snapshot.take(script)))
    first.die()
    earlier = read_history(first.beginning.path)
    assert list(edits_of_code(earlier, {"e": Snapshot.take(script), "f": None})) == []
    script.write_text("def train(config, status_reporter): return")
    assert list(edits_of_code(earlier, {"e": Snapshot.take(script), "f": None})) == [
        "e: its code is not what the last driver has run: train.py edited since. What starts from"
        " now on runs the code as it is now"
    ]
