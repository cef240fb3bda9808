"""What a report does at a milestone: it waits, hears the answer, or goes on without one."""

import shutil
import threading
import time

import pytest

from tune_tasks.errors import TrialStopped
from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.checkpoint import CheckpointRef, CheckpointRules
from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.milestones import Milestones
from tune_tasks.model.objective import Objective
from tune_tasks.model.plateau import Plateau
from tune_tasks.model.stopping import parse_criterion
from tune_tasks.model.trial import EndedBy, Outcome, Stop, Trial, TrialState
from tune_tasks.result import TrainingResult
from tune_tasks.testing.recorder import FakeRecorder
from tune_tasks.trial import monitor, questions
from tune_tasks.trial.monitor import Monitor
from tune_tasks.trial.questions import Questions
from tune_tasks.trial.recorder_link import RecorderLink
from tune_tasks.trial.reports import TrialReports
from tune_tasks.trial.restoring import Restored
from tune_tasks.trial.stop_decision import StopDecision

LOSS = Objective("mean_loss", "min")
RUNGS = Milestones(LOSS, "training_iteration", (1, 3))
RETURNED = Outcome(TrialState.TERMINATED, EndedBy.RETURNED, "train() returned")
WORSE = Stop(EndedBy.SCHEDULER, "rank 5 of 12 at 9 iterations, the best 4 go on")


class Scene:
    """A trial in this process with its monitor's thread, and a recorder in memory."""

    def __init__(self, folder, milestones=(RUNGS,), **fields):
        trial = Trial("e", 0, "script_0", "script", {}, {}, 1, **fields)
        self.recorder = FakeRecorder()
        self.info = AttemptInfo(trial, 1, folder)
        paths = AttemptPaths(folder)
        self.reports = TrialReports(trial, paths.results, "id", milestones=milestones)
        self.reports.begin()
        self.interrupts = []
        self.monitor = Monitor(
            self.info,
            self.reports,
            paths,
            RecorderLink(self.recorder, paths),
            interrupt=lambda: self.interrupts.append(1),
            forward_log=lambda: None,
            exit_process=lambda _code: None,
        )
        threading.Thread(target=self.monitor.run, daemon=True).start()
        self.monitor.wait_until_ready()

    def report(self, loss=0.5):
        self.reports.add(TrainingResult(timesteps_total=1, mean_loss=loss))

    def driver(self, does):
        """Do something once the trial asks, as the driver does it."""

        def wait_and_do():
            asked = self.question()
            while not asked:
                time.sleep(0.005)
                asked = self.question()
            does(asked)

        threading.Thread(target=wait_and_do, daemon=True).start()

    def question(self):
        status = self.recorder.attempts.get(self.info.key)
        return status.question if status else None

    def go_on(self, question):
        self.recorder.answer(self.info.key, question.number)

    def end(self, _question):
        self.recorder.request_stop(WORSE, [self.info.key])


@pytest.fixture
def make(tmp_path):
    made = []

    def make_scene(**keys):
        made.append(Scene(tmp_path, **keys))
        return made[-1]

    yield make_scene
    for scene in made:
        scene.monitor.finish(RETURNED)


@pytest.fixture
def scene(make):
    return make()


def test_a_report_waits_until_it_is_judged(scene):
    asked = []
    scene.driver(lambda question: asked.append(question) or scene.go_on(question))
    scene.report(0.25)
    assert [(each.milestone, each.value) for each in asked[0].reached] == [(1, 0.25)]
    assert (asked[0].number, asked[0].waits) == (1, True)
    began = time.monotonic()
    scene.report()  # between milestones nothing waits
    assert time.monotonic() - began < questions.MILESTONE_S / 2
    assert scene.reports.questions.open == ()


def test_a_trial_ends_in_the_very_report_that_is_judged(scene):
    scene.driver(scene.end)
    with pytest.raises(TrialStopped, match="rank 5 of 12"):
        scene.report()
    assert scene.reports.stop == WORSE
    assert scene.reports.progress.reports == 1
    # Nobody has signalled the main thread, which has raised by itself.
    assert scene.interrupts == []


def test_the_trial_goes_on_if_nobody_answers_and_waits_no_more(scene, monkeypatch):
    monkeypatch.setattr(questions, "MILESTONE_S", 0.2)
    monkeypatch.setattr(monitor, "HEARTBEAT_S", 0.05)
    scene.recorder.is_away = True
    scene.report()
    scene.report()
    began = time.monotonic()
    monkeypatch.setattr(questions, "MILESTONE_S", 60)
    scene.report()  # the second milestone
    assert time.monotonic() - began < 30
    assert [each.milestone for each in scene.reports.questions.open] == [1, 3]
    # Once somebody answers, the next one waits again.
    scene.recorder.is_away = False
    scene.recorder.open(scene.info)
    scene.driver(scene.go_on)
    deadline = time.monotonic() + 30
    while scene.reports.questions.open:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_report_that_meets_a_criterion_asks_nobody(make):
    scene = make(stop=(parse_criterion("training_iteration", 1),))
    with pytest.raises(TrialStopped, match="training_iteration 1 >= 1"):
        scene.report()


def test_an_attempt_that_goes_on_asks_about_what_was_reached_before(make, tmp_path):
    first = make(milestones=())
    for loss in (0.3, 0.2, 0.1):
        first.report(loss)
    manifest = first.reports.manifest()
    restored = Restored(CheckpointRef(1, 3, 3), tmp_path, manifest)
    trial = first.info.trial
    again = TrialReports(trial, tmp_path / "result.json", "id", restored, (RUNGS,))
    found = [(each.milestone, each.value) for each in again.questions.open]
    assert found == [(1, 0.3), (3, 0.1)]


def test_a_trial_that_gets_no_better_ends_in_the_report(make):
    scene = make(milestones=(), plateau=Plateau(LOSS, 2, 0.1))
    scene.report(0.5)
    scene.report(0.5)
    with pytest.raises(TrialStopped, match="was not improved by more than"):
        scene.report(0.45)
    assert scene.reports.stop.ended_by is EndedBy.SCHEDULER


EVERY = Milestones(LOSS, "training_iteration", (2,), 2, awaits_checkpoint=True)
TAKEN = Stop(EndedBy.EXPLOITED, "rank 8 of 8 at 2 iterations; goes on from trial 3, lr 1 -> 2")


def write_checkpoint(scene):
    with scene.reports.checkpoints.write() as folder:
        (folder / "weights").write_text("1")


def test_a_member_of_a_population_is_judged_once_it_has_written_a_checkpoint(make):
    scene = make(milestones=(EVERY,))
    asked = []
    scene.driver(lambda question: asked.append(question) or scene.go_on(question))
    scene.report()
    assert not scene.reports.checkpoints.is_wanted()
    scene.report()
    assert scene.reports.checkpoints.is_wanted()
    assert not asked
    write_checkpoint(scene)
    assert [(each.number, each.waits) for each in asked] == [(2, True)]
    assert scene.recorder.attempts[scene.info.key].checkpoint.reports == 2
    assert not scene.reports.checkpoints.is_wanted()


def test_what_a_report_reaches_beside_a_population_is_asked_together_with_it():
    """An answer goes by the report's number: one must not stand for two questions."""
    own = Milestones(LOSS, "training_iteration", (1, 2))
    asking = Questions((EVERY, own), StopDecision())
    assert asking.note({"training_iteration": 1}, 1)
    asking.answered(1)
    assert not asking.note({"training_iteration": 2}, 2)
    assert asking.asked() is None
    assert asking.release()
    both = asking.asked()
    assert (both.number, [each.judge for each in both.reached]) == (2, [0, 1])


def test_what_was_held_is_asked_in_the_order_in_which_it_was_reached():
    own = Milestones(LOSS, "training_iteration", (1,), 1)
    asking = Questions((EVERY, own), StopDecision())
    for number in (1, 2, 3, 4, 5):  # of an earlier attempt: nobody waits
        asking.note({"training_iteration": number}, number)
    asking.release()
    steps = [(each.judge, each.milestone) for each in asking.asked().reached]
    assert steps == [(1, 1), (1, 2), (1, 3), (0, 4), (1, 4), (1, 5)]


def test_it_ends_at_the_end_of_its_checkpoint_if_it_goes_on_from_another(make):
    scene = make(milestones=(EVERY,))
    scene.driver(lambda _: scene.recorder.request_stop(TAKEN, [scene.info.key]))
    scene.report()
    scene.report()
    with pytest.raises(TrialStopped, match="goes on from trial 3"):
        write_checkpoint(scene)
    assert scene.interrupts == []
    write_checkpoint(scene)  # as it cleans up


def test_without_a_checkpoint_it_is_judged_before_its_next_report(make):
    scene = make(milestones=(EVERY,))
    asked = []
    scene.report()
    scene.report()
    scene.driver(lambda question: asked.append(question) or scene.end(question))
    with pytest.raises(TrialStopped):
        scene.report()
    assert [each.number for each in asked] == [2]
    assert scene.reports.progress.reports == 2


def test_of_what_was_reached_before_the_last_is_asked_about_again(make, tmp_path):
    first = make(milestones=())
    for loss in (0.5, 0.4, 0.3, 0.2, 0.1):
        first.report(loss)
    restored = Restored(CheckpointRef(1, 5, 5), tmp_path, first.reports.manifest())
    trial = first.info.trial
    again = TrialReports(trial, tmp_path / "result.json", "id", restored, (EVERY,))
    found = [(each.milestone, each.value) for each in again.questions.open]
    assert found == [(4, 0.2)]


WAITING = Milestones(LOSS, "training_iteration", (1, 3), awaits_checkpoint=True, judges_each=True)
PAUSED = Stop(EndedBy.PAUSED, "paused at 1 iteration: rank 2 of 2, one goes on once 3 are there")


def test_who_is_paused_ends_at_the_end_of_its_checkpoint(make):
    scene = make(milestones=(WAITING,))
    scene.driver(lambda _: scene.recorder.request_stop(PAUSED, [scene.info.key]))
    scene.report()
    assert scene.reports.checkpoints.is_wanted()
    with pytest.raises(TrialStopped, match="paused at 1 iteration"):
        write_checkpoint(scene)
    assert scene.reports.checkpoints.last.reports == scene.reports.progress.reports == 1


def test_of_rungs_that_were_reached_before_each_is_asked_about_again(make, tmp_path):
    first = make(milestones=())
    for loss in (0.5, 0.4, 0.3):
        first.report(loss)
    restored = Restored(CheckpointRef(1, 3, 3), tmp_path, first.reports.manifest())
    trial = first.info.trial
    again = TrialReports(trial, tmp_path / "result.json", "id", restored, (WAITING,))
    found = [(each.milestone, each.value) for each in again.questions.open]
    assert found == [(1, 0.5), (3, 0.3)]


def test_a_checkpoint_on_the_way_out_leaves_the_copy_that_the_next_attempt_goes_on_from(make):
    scene = make(milestones=(), checkpoint=CheckpointRules(keep=1))
    write = scene.reports.checkpoints.write
    scene.report()
    with write() as folder:
        (folder / "own").touch()
    copy = folder_of_copy(scene)
    scene.reports.request_stop(Stop(EndedBy.EXPLOITED, "rank 4 of 4"))
    with write() as folder:
        (folder / "own").touch()
    assert copy.is_dir()


def folder_of_copy(scene):
    """A second checkpoint of the same report, as the driver puts one beside the first."""
    checkpoints = scene.reports.logdir / "checkpoints"
    return shutil.copytree(checkpoints / "000001", checkpoints / "000001_2")
