"""A checkpoint is whole when its block ends, or it is not there at all, whatever happens."""

import contextlib
import multiprocessing
import os
import signal
import threading

import pytest

from tests.trial.rigs import CANCEL, WORSE, Rig
from tune_tasks.errors import ReportError, TrialStopped
from tune_tasks.model.checkpoint import CheckpointRef, KeptCheckpoint
from tune_tasks.model.checkpoint_folder import checkpoints_in, restored_from
from tune_tasks.model.checkpoint_manifest import MANIFEST, verified
from tune_tasks.model.objective import Objective
from tune_tasks.model.trial import EndedBy
from tune_tasks.trial import checkpoints


@pytest.fixture
def rig(tmp_path):
    return Rig(tmp_path)


# ── Writing ─────


def test_it_belongs_to_the_last_report_before_it(rig):
    rig.report(10)
    rig.now += 2
    rig.report(20, mean_loss=0.5)
    with rig.reporter.checkpoint() as folder:
        (folder / "weights").write_text("w")
        rig.now += 1
        rig.report(30)
        assert rig.saved() == {}
    (stored,) = checkpoints_in(rig.paths.checkpoints)
    manifest = verified(stored.path)
    assert stored.path == rig.paths.checkpoints / "000002"
    assert (manifest.training_iteration, manifest.timesteps_total) == (2, 20)
    assert (manifest.time_total_s, manifest.reports) == (2, 2)
    assert manifest.report == {k: v for k, v in rig.rows()[1].items() if k != "config"}
    lines = rig.paths.results.read_bytes().splitlines(keepends=True)
    assert manifest.size == len(lines[0] + lines[1])
    assert rig.reports.checkpoints.last == KeptCheckpoint(2, 2)


def test_before_the_first_report_it_belongs_to_the_beginning(rig):
    rig.save()
    assert rig.saved() == {0: "weights"}


def test_a_block_that_raises_leaves_nothing(rig):
    rig.report()
    rig.save("the first")
    rig.report()
    with pytest.raises(ZeroDivisionError):
        rig.save("half", lambda: 1 / 0)
    assert rig.saved() == {1: "the first"}
    assert rig.asides() == []
    rig.save("the second")
    assert rig.saved() == {2: "the second", 1: "the first"}


def test_a_disk_that_fails_leaves_nothing(rig, monkeypatch):
    rig.report()

    def fail(path):
        raise OSError("I/O error")

    monkeypatch.setattr("tune_tasks.model.checkpoint_manifest.sync_file", fail)
    with pytest.raises(OSError, match="I/O error"):
        rig.save()
    assert rig.saved() == {}
    assert rig.asides() == []
    monkeypatch.undo()
    rig.save()
    assert rig.saved() == {1: "weights"}


def test_the_manifest_has_a_name_of_ours(rig):
    rig.report()
    with rig.reporter.checkpoint() as folder:
        (folder / MANIFEST).write_text("a script's own")
    (stored,) = checkpoints_in(rig.paths.checkpoints)
    assert verified(stored.path).files == {}


def test_one_within_another_is_refused(rig):
    rig.report()
    with rig.reporter.checkpoint() as folder:
        (folder / "weights").write_text("outer")
        with pytest.raises(ReportError, match="within the block of another"):
            rig.save()
    assert rig.saved() == {1: "outer"}


def test_the_last_two_are_kept_and_the_best(tmp_path):
    rig = Rig(tmp_path, objective=Objective("mean_loss", "min"))
    for loss in (0.9, 0.1, 0.5, 0.4, 0.3):
        rig.report(mean_loss=loss)
        rig.save(f"{loss}")
    assert rig.saved() == {5: "0.3", 4: "0.4", 2: "0.1"}


def test_a_damaged_one_is_no_reason_to_remove_another(rig):
    for number in (1, 2, 3):
        rig.report(number)
        rig.save(f"{number}")
        if number == 2:
            damaged(rig.paths.checkpoints / "000002")
    assert [each.number for each in checkpoints_in(rig.paths.checkpoints)] == [3, 2, 1]


@pytest.mark.parametrize("step", ["seal", "put_in_place", "superfluous", "remove"])
def test_a_process_that_is_killed_leaves_whole_ones_alone(tmp_path, monkeypatch, step):
    """At each step: what is there under a name is whole, and the next attempt clears the rest."""

    def die(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    def run():
        rig = Rig(tmp_path, keep=1, keep_best=False)
        rig.report()
        rig.save("1")
        rig.report()
        setattr(checkpoints, step, die)
        rig.save("2")

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    expected = {"seal": 1, "put_in_place": 1, "superfluous": 2, "remove": 2}[step]
    after = Rig(tmp_path, 2, CheckpointRef(1, 1, 1))
    assert (after.restored.path / "weights").read_text() == f"{expected}"
    assert [row["training_iteration"] for row in after.rows()] == list(range(1, expected + 1))
    assert not list(after.restored.path.parent.glob(".*"))


def test_threads_write_one_after_the_other(rig):
    rig.report()
    inside = []

    def work(number):
        with rig.reporter.checkpoint() as folder:
            inside.append(number)
            (folder / "weights").write_text(f"{number}")
            assert inside == [number]
            inside.remove(number)

    threads = [threading.Thread(target=work, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (_,) = rig.saved()
    assert len(checkpoints_in(rig.paths.checkpoints)) == 1
    assert rig.asides() == []


def test_threads_report_while_another_one_writes(rig):
    rig.report(1)
    goes_on = threading.Event()

    def report():
        for step in range(2, 200):
            rig.report(step)
        goes_on.set()

    thread = threading.Thread(target=report)
    with rig.reporter.checkpoint() as folder:
        (folder / "weights").write_text("w")
        thread.start()
        assert goes_on.wait(10)
    thread.join()
    (stored,) = checkpoints_in(rig.paths.checkpoints)
    assert verified(stored.path).reports == 1
    assert len(rig.rows()) == 199


def in_a_fork(function):
    """What the function raises in a forked process, as text; it has ten seconds."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def run():
        try:
            sender.send(str(function()))
        except BaseException as exc:
            sender.send(f"{type(exc).__name__}: {exc}")

    process = context.Process(target=run)
    process.start()
    assert receiver.poll(10), "it hangs"
    process.join()
    return receiver.recv()


def test_a_forked_process_is_refused(rig):
    rig.report()
    with rig.decision.lock:  # as another thread may, while this one forks
        assert in_a_fork(rig.save).startswith("ReportError: checkpoint() was called in process")
        asked = in_a_fork(lambda: rig.reporter.wants_checkpoint)
    assert asked.startswith("ReportError: wants_checkpoint was asked in process")
    assert rig.saved() == {}


@pytest.mark.parametrize("raises", [False, True])
def test_a_child_that_leaves_the_block_changes_nothing(rig, raises):
    rig.report()
    owner = os.getpid()
    statuses = []

    def fork():
        child = os.fork()
        if child:
            statuses.append(os.waitpid(child, 0)[1])
        elif raises:
            raise ReportError("the child's own")

    try:
        rig.save("the parent's", fork)
    except ReportError:
        os._exit(7)
    if os.getpid() != owner:
        os._exit(1)
    assert list(map(os.waitstatus_to_exitcode, statuses)) == [7]
    assert rig.saved() == {1: "the parent's"}


def test_after_train_has_returned_there_is_none(rig):
    rig.report()
    with pytest.raises(TrialStopped, match=r"^train\(\) has returned$"):
        rig.save("w", rig.reports.close)
    assert rig.saved() == {}
    assert rig.asides() == []
    with pytest.raises(TrialStopped, match=r"^train\(\) has returned$"):
        rig.save()


# ── Going on ─────


def test_the_next_attempt_goes_on_with_the_whole_history(tmp_path):
    first = Rig(tmp_path)
    first.now += 60
    first.report(100, mean_loss=0.5)
    first.save("after 100")
    first.now += 60
    first.report(200)
    second = Rig(tmp_path, 2, CheckpointRef(1, 1, 1))
    assert (second.reporter.restore() / "weights").read_text() == "after 100"
    assert second.rows() == first.rows()[:1]
    assert (second.reports.progress.reports, second.reports.train_time_s()) == (1, 60)
    second.now += 5
    second.report(130)
    row = second.rows()[-1]
    assert (row["training_iteration"], row["timesteps_this_iter"]) == (2, 30)
    assert (row["time_this_iter_s"], row["time_total_s"]) == (5, 65)
    assert restored_from(second.paths) == CheckpointRef(1, 1, 1)
    assert second.reports.progress.size == second.paths.results.stat().st_size
    second.save("after 130")
    third = Rig(tmp_path, 3, CheckpointRef(2, 2, 2))
    assert [row["timesteps_total"] for row in third.rows()] == [100, 130]
    assert third.restored.folders == (second.paths.checkpoints, first.paths.checkpoints)


def test_a_first_attempt_begins_anew(rig):
    assert rig.reporter.restore() is None
    assert restored_from(rig.paths) is None


def damaged(folder):
    (folder / "weights").write_text("something else")


@pytest.fixture
def three(tmp_path):
    """A trial with a checkpoint of attempt 1, and two of attempt 2, which went on from it."""
    rigs = Rig(tmp_path), None
    rigs[0].report(1)
    rigs[0].save("1")
    second = Rig(tmp_path, 2, CheckpointRef(1, 1, 1))
    for number in (2, 3):
        second.report(number)
        second.save(f"{number}")
    return rigs[0], second


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_damaged_one_gives_place_to_the_one_before(tmp_path, three, count, capsys):
    first, second = three
    all_three = [second.paths.checkpoints / "000003", second.paths.checkpoints / "000002"]
    all_three.append(first.paths.checkpoints / "000001")
    for folder in all_three[:count]:
        damaged(folder)
    third = Rig(tmp_path, 3, CheckpointRef(2, 3, 3))
    said = capsys.readouterr().err
    for folder in all_three[:count]:
        assert f"tune-tasks: the checkpoint {folder} cannot be used: weights" in said
    if count == 3:
        assert third.reporter.restore() is None
        assert third.rows() == []
        assert "tune-tasks: no checkpoint of this trial can be used here: it begins anew" in said
    else:
        assert third.reporter.restore() == all_three[count]
        assert len(third.rows()) == 3 - count


def test_one_whose_reports_are_gone_cannot_be_used(tmp_path, three, capsys):
    three[1].paths.results.write_text("")
    third = Rig(tmp_path, 3, CheckpointRef(2, 3, 3))
    assert (third.restored.ref, len(third.rows())) == (CheckpointRef(1, 1, 1), 1)
    assert "has no longer the reports up to it" in capsys.readouterr().err


def test_an_attempt_that_was_forgotten_goes_on_from_its_own(tmp_path):
    """Its process ran, but nobody has heard of it: the next one has its number and folder."""
    rig = Rig(tmp_path)
    rig.report(1)
    rig.save("1")
    rig.report(2)
    again = Rig(tmp_path, 1, CheckpointRef(1, 1, 1))
    assert (again.reporter.restore() / "weights").read_text() == "1"
    again.report(3)
    assert [row["timesteps_total"] for row in again.rows()] == [1, 3]


def test_one_that_begins_anew_has_no_reports_of_a_process_that_was_forgotten(tmp_path):
    Rig(tmp_path).report(1)
    again = Rig(tmp_path)
    again.report(7)
    assert [row["timesteps_total"] for row in again.rows()] == [7]


@pytest.mark.parametrize(
    ("stop", "fields", "ended_by"),
    [({"training_iteration": "== 1"}, {}, EndedBy.CRITERION), ({}, {"done": True}, EndedBy.DONE)],
)
def test_one_that_goes_on_from_its_last_report_has_ended(tmp_path, stop, fields, ended_by):
    """The process died after it had saved at the end, before it could say that it has ended."""
    first = Rig(tmp_path, stop=stop)
    with pytest.raises(TrialStopped):
        first.report(1, **fields)
    first.save()
    second = Rig(tmp_path, 2, CheckpointRef(1, 1, 1), stop=stop)
    assert second.decision.stop.ended_by is ended_by
    with pytest.raises(TrialStopped):
        second.report(2)
    assert len(second.rows()) == 1


def test_what_an_attempt_has_begun_from_stays_as_long_as_it_runs(tmp_path, three):
    third = Rig(tmp_path, 3, CheckpointRef(2, 3, 3), keep_best=False)
    for step in (4, 5, 6):
        third.report(step)
        third.save(f"{step}")
    assert third.saved() == {6: "6", 5: "5"}
    first, second = three
    assert second.saved() == {3: "3"}
    assert first.saved() == {}


# ── When one is wanted ─────


def test_by_time(tmp_path):
    rig = Rig(tmp_path, every_s=300)
    assert not rig.reporter.wants_checkpoint
    rig.now += 300
    assert not rig.reporter.wants_checkpoint  # there is nothing to save yet
    rig.report()
    assert rig.reporter.wants_checkpoint
    rig.save()
    assert not rig.reporter.wants_checkpoint
    rig.now += 299
    rig.report()
    assert not rig.reporter.wants_checkpoint
    rig.now += 1
    assert rig.reporter.wants_checkpoint


def test_never_if_nothing_is_said(rig):
    rig.now += 1_000_000
    rig.report()
    assert not rig.reporter.wants_checkpoint


def test_a_script_that_never_asks_is_ended_at_once(rig):
    rig.report()
    assert not rig.decision.postpones(CANCEL)
    rig.reports.request_stop(CANCEL)
    with pytest.raises(TrialStopped, match=r"^Ctrl-C$"):
        rig.report()
    assert len(rig.rows()) == 1


def test_a_script_that_asks_writes_one_before_it_ends(rig):
    rig.report(1)
    assert not rig.reporter.wants_checkpoint
    assert rig.decision.postpones(CANCEL)
    rig.report(2)
    assert rig.decision.stop is None
    assert rig.reporter.wants_checkpoint
    with pytest.raises(TrialStopped, match=r"^Ctrl-C$"):
        rig.save()
    assert rig.saved() == {2: "weights"}
    assert (rig.decision.stop, rig.decision.raised_in_main) == (CANCEL, True)
    assert rig.decision.interruption() is None
    assert not rig.decision.postpones(CANCEL)
    with pytest.raises(TrialStopped):
        rig.report(3)
    assert len(rig.rows()) == 2


def test_a_script_that_comes_to_ask_just_then_need_not_report_once_more(rig):
    assert not rig.reporter.wants_checkpoint
    rig.report(1)
    assert rig.decision.postpones(CANCEL)
    assert rig.reporter.wants_checkpoint


def test_a_script_that_asks_and_writes_none_is_ended_by_its_second_report(rig):
    assert not rig.reporter.wants_checkpoint
    assert rig.decision.postpones(CANCEL)
    rig.report(1)
    assert rig.reporter.wants_checkpoint
    with pytest.raises(TrialStopped, match=r"^Ctrl-C$"):
        rig.report(2)
    assert len(rig.rows()) == 1


def test_what_no_attempt_comes_after_waits_for_no_checkpoint(rig):
    rig.report()
    assert not rig.reporter.wants_checkpoint
    assert not rig.decision.postpones(WORSE)


def test_a_criterion_ends_the_trial_in_its_report_also_then(tmp_path):
    rig = Rig(tmp_path, stop={"mean_loss": 0.1})
    assert not rig.reporter.wants_checkpoint
    assert rig.decision.postpones(CANCEL)
    with pytest.raises(TrialStopped):
        rig.report(1, mean_loss=0.05)
    assert len(rig.rows()) == 1
    assert rig.decision.stop.ended_by is EndedBy.CRITERION


@pytest.mark.parametrize("stop", [CANCEL, WORSE])
def test_a_stop_in_the_middle_of_a_block_takes_effect_at_its_end(rig, stop):
    rig.report()

    def decide():
        assert rig.decision.postpones(stop)
        assert rig.decision.interruption() is None

    with pytest.raises(TrialStopped, match=stop.reason):
        rig.save("whole", decide)
    assert rig.saved() == {1: "whole"}
    assert rig.decision.stop == stop


def test_a_block_that_takes_too_long_is_broken_into(rig):
    rig.report()

    def lose_patience():
        assert rig.decision.postpones(CANCEL)
        rig.reports.request_stop(CANCEL)
        raise TrialStopped(rig.decision.interruption())

    with pytest.raises(TrialStopped):
        rig.save("half", lose_patience)
    assert rig.saved() == {}


def test_an_error_in_the_block_is_the_scripts_and_the_trial_ends_all_the_same(rig):
    rig.report()
    with pytest.raises(ZeroDivisionError):
        rig.save("half", lambda: rig.decision.postpones(CANCEL) and 1 / 0)
    with pytest.raises(TrialStopped, match=r"^Ctrl-C$"):
        rig.report()


def test_a_script_may_save_while_it_cleans_up(tmp_path):
    rig = Rig(tmp_path, stop={"training_iteration": 1})
    after = []

    def train():
        try:
            rig.report()
        finally:
            rig.save()
            after.append("the block's end has raised nothing")

    with pytest.raises(TrialStopped):
        train()
    assert after
    assert rig.saved() == {1: "weights"}


def test_a_thread_writes_and_another_one_reports(rig):
    """The one that reports is ended by its second report; the other one keeps its checkpoint."""
    rig.report(1)
    ends = []

    def report():
        with contextlib.suppress(TrialStopped):
            for step in (2, 3):
                rig.report(step)
            ends.append("nothing was raised")

    def meanwhile():
        assert rig.decision.postpones(CANCEL)
        thread = threading.Thread(target=report)
        thread.start()
        thread.join()

    with pytest.raises(TrialStopped):
        rig.save("w", meanwhile)
    assert (len(rig.rows()), ends) == (2, [])
    assert rig.saved() == {1: "w"}


def test_the_monitor_is_woken_at_the_end_of_a_block(rig):
    woken = []
    rig.report()
    rig.reports.on_change(lambda: woken.append(rig.decision.is_saving))
    rig.save()
    assert woken == [False]
