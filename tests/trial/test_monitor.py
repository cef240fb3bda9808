"""The monitor's decisions, with a recorder, a clock and a process end that are played."""

import threading

import pytest

from tune_tasks.errors import TrialStopped
from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.stopping import parse_criterion
from tune_tasks.model.trial import EndedBy, Outcome, Stop, Trial, TrialState
from tune_tasks.result import TrainingResult
from tune_tasks.trial import monitor
from tune_tasks.trial.monitor import Monitor
from tune_tasks.trial.reports import TrialReports

RETURNED = Outcome(TrialState.TERMINATED, EndedBy.RETURNED, "train() returned", reports=1)
CANCEL = Stop(EndedBy.CANCELLED, "cancelled")


class ProcessEndedError(Exception):
    """Stands for the end of the process."""


class Play:
    """A monitor whose surroundings follow a script.

    At each update one of `updates` is done, the last one again and again. An update is called with
    the play; what it returns is the sweep's wish. `events` holds what happened, in order.
    """

    def __init__(self, folder, updates, *, stop=None, on_interrupt=None, grace_s=0, begins=True):
        self.events = []
        self.has_more = False
        self.now = 100.0
        self.updates = iter(updates)
        self.on_interrupt = on_interrupt
        criteria = tuple(parse_criterion(*c) for c in (stop or {}).items())
        trial = Trial("e", 0, "script_0", "script", {}, {}, 1, stop=criteria, stop_grace_s=grace_s)
        self.paths = AttemptPaths(folder)
        self.reports = TrialReports(trial, self.paths.results, "id", clock=lambda: self.now)
        if begins:
            self.reports.begin()
        self.monitor = Monitor(
            AttemptInfo(trial, 1, folder),
            self.reports,
            self.paths,
            self,
            interrupt=self.interrupt,
            forward_log=lambda: None,
            exit_process=self.exit_process,
            clock=lambda: self.now,
        )

    def open(self, info):
        self.events.append("open")
        return {"A": info.trial.name}

    def update(self, reports):
        assert reports is self.reports
        self.action = next(self.updates, getattr(self, "action", None))
        return self.action(self) if callable(self.action) else self.action

    def close(self, reports, outcome):
        self.events.append(("close", outcome.ended_by))
        return outcome

    def interrupt(self):
        self.events.append("interrupt")
        if self.on_interrupt:
            self.on_interrupt(self)

    def exit_process(self, code):
        self.events.append(("exit", code))
        raise ProcessEndedError

    def finish(self):
        self.monitor.finish(RETURNED)

    def report(self):
        self.reports.add(TrainingResult(timesteps_total=1))


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    monkeypatch.setattr(monitor, "HEARTBEAT_S", 0.001)


def test_a_trial_that_ends_by_itself_is_left_alone(tmp_path):
    play = Play(tmp_path, [None, None, Play.finish], stop={"time_total_s": 600})
    assert play.monitor.run() == "train() returned"
    assert play.events == ["open", ("close", EndedBy.RETURNED)]
    assert play.monitor.environment == {"A": "script_0"}
    assert play.monitor.ended


def test_a_trial_that_ends_while_the_sweep_wants_its_end_is_left_alone(tmp_path):
    play = Play(tmp_path, [lambda p: p.finish() or CANCEL])
    assert play.monitor.run() == "train() returned"
    assert play.events == ["open", ("close", EndedBy.RETURNED)]


def test_the_main_thread_waits_until_the_recorder_knows_or_cannot_be_told(tmp_path):
    play = Play(tmp_path, [])
    play.open = lambda _: 1 / 0
    with pytest.raises(ZeroDivisionError):
        play.monitor.run()
    play.monitor.wait_until_ready()
    assert play.monitor.environment == {}


def advance(seconds):
    return lambda play: setattr(play, "now", play.now + seconds)


def test_time_is_up_between_two_reports(tmp_path):
    updates = [advance(599), advance(0.5), advance(0.75), None]
    play = Play(tmp_path, updates, stop={"time_total_s": 600}, on_interrupt=Play.finish)
    play.monitor.run()
    assert play.reports.stop == Stop(EndedBy.CRITERION, "time_total_s 600.25 >= 600")
    assert play.events == ["open", "interrupt", ("close", EndedBy.RETURNED)]


def test_the_clock_starts_with_train(tmp_path):
    updates = [advance(500), lambda p: p.reports.begin(), advance(599), Play.finish]
    play = Play(tmp_path, updates, stop={"time_total_s": 600})
    play.monitor.run()
    assert play.reports.stop is None


@pytest.mark.parametrize("wanted", [CANCEL, Stop(EndedBy.SCHEDULER, "worse than the others")])
def test_what_the_sweep_wants(tmp_path, wanted):
    play = Play(tmp_path, [None, wanted], on_interrupt=Play.finish)
    play.monitor.run()
    assert play.reports.stop == wanted
    assert play.events == ["open", "interrupt", ("close", EndedBy.RETURNED)]


def report_in_main(play):
    with pytest.raises(TrialStopped):
        play.report()


def report_in_thread(play):
    thread = threading.Thread(target=report_in_main, args=[play])
    thread.start()
    thread.join()


@pytest.mark.parametrize(("report", "interrupts"), [(report_in_main, 0), (report_in_thread, 1)])
def test_no_signal_breaks_into_the_clean_up_of_a_trial_that_report_has_ended(
    tmp_path, report, interrupts
):
    play = Play(tmp_path, [report], stop={"training_iteration": 1})
    with pytest.raises(ProcessEndedError):
        play.monitor.run()
    assert play.events.count("interrupt") == interrupts


def test_what_does_not_end_is_ended_with_its_records_closed(tmp_path):
    play = Play(tmp_path, [Play.report, CANCEL])
    with pytest.raises(ProcessEndedError):
        play.monitor.run()
    assert play.events == ["open", "interrupt", ("close", EndedBy.CANCELLED), ("exit", 0)]
    reason = "cancelled; its process was ended 0 s later"
    assert play.paths.read_outcome() == Outcome(
        TrialState.TERMINATED, EndedBy.CANCELLED, reason, reports=1
    )


def test_user_code_has_its_grace_to_end(tmp_path):
    play = Play(tmp_path, [None, CANCEL, advance(9.75), Play.finish], grace_s=10)
    assert play.monitor.run() == "train() returned"
    assert play.events[-1] == ("close", EndedBy.RETURNED)
    play = Play(tmp_path, [None, CANCEL, advance(9.75), advance(0.25), Play.finish], grace_s=10)
    with pytest.raises(ProcessEndedError):
        play.monitor.run()


# ── A checkpoint before the end ─────


def asks(play):
    assert not play.reports.checkpoints.is_wanted()


def begins_saving(play):
    play.block = play.reports.checkpoints.write()
    play.block.__enter__()


def ends_saving(play):
    """In the main thread, where TrialStopped comes out of the block."""
    with pytest.raises(TrialStopped):
        play.block.__exit__(None, None, None)


def test_a_trial_that_asks_is_not_interrupted_before_it_has_written_its_checkpoint(tmp_path):
    steps = [
        None,
        lambda p: asks(p) or CANCEL,
        advance(4.75),
        Play.report,
        begins_saving,
        advance(2.5),
        ends_saving,
        Play.finish,
    ]
    play = Play(tmp_path, steps, grace_s=10)
    assert play.monitor.run() == "train() returned"
    assert play.events == ["open", ("close", EndedBy.RETURNED)]
    assert play.reports.stop == CANCEL
    assert play.reports.checkpoints.last.reports == 1


def test_it_has_half_of_its_grace_to_begin_one(tmp_path):
    steps = [
        None,
        lambda p: asks(p) or CANCEL,
        advance(4.75),
        Play.report,
        advance(0.25),
        Play.finish,
    ]
    play = Play(tmp_path, steps, grace_s=10)
    play.monitor.run()
    assert play.events == ["open", "interrupt", ("close", EndedBy.RETURNED)]


@pytest.mark.parametrize("stop", [CANCEL, Stop(EndedBy.SCHEDULER, "worse than the others")])
def test_it_has_three_quarters_to_have_written_one(tmp_path, stop):
    steps = [None, lambda p: begins_saving(p) or stop, advance(7.25), advance(0.25), Play.finish]
    play = Play(tmp_path, steps, grace_s=10)
    play.monitor.run()
    assert play.events == ["open", "interrupt", ("close", EndedBy.RETURNED)]
    assert play.reports.stop == stop


def test_its_grace_is_not_longer_for_that(tmp_path):
    steps = [None, lambda p: begins_saving(p) or CANCEL, advance(7.5), advance(2.25), advance(0.25)]
    play = Play(tmp_path, steps, grace_s=10)
    with pytest.raises(ProcessEndedError):
        play.monitor.run()
    assert play.now == 110
    assert play.events[-2:] == [("close", EndedBy.CANCELLED), ("exit", 0)]


def test_time_that_is_up_in_the_middle_of_a_checkpoint_waits_for_it(tmp_path):
    steps = [None, begins_saving, advance(600), ends_saving, Play.finish]
    play = Play(tmp_path, steps, stop={"time_total_s": 600}, grace_s=10)
    play.monitor.run()
    assert play.reports.stop == Stop(EndedBy.CRITERION, "time_total_s 600 >= 600")
    assert play.events == ["open", ("close", EndedBy.RETURNED)]


def test_a_script_that_is_imported_too_long_is_stopped(tmp_path):
    steps = [None, advance(59.75), advance(0.25), None]
    play = Play(tmp_path, steps, stop={"time_total_s": 5}, on_interrupt=Play.finish, begins=False)
    play.monitor.run()
    assert play.reports.stop == Stop(
        EndedBy.CRITERION, "time_total_s 60 >= 5, before train() began"
    )


def test_the_process_ends_also_where_its_records_cannot_be_written(tmp_path):
    play = Play(tmp_path, [CANCEL])
    play.paths.folder = tmp_path / "gone"
    with pytest.raises(ProcessEndedError):
        play.monitor.run()
    assert play.events == ["open", "interrupt", ("close", EndedBy.CANCELLED), ("exit", 0)]
