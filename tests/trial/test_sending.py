"""A trial goes on on another machine: what it needs there is sent while it runs, and fetched."""

import json
import shutil

import pytest

from tune_tasks.errors import ReportError
from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.checkpoint import CheckpointRef, CheckpointRules, KeptCheckpoint
from tune_tasks.model.checkpoint_folder import checkpoints_in
from tune_tasks.model.files import AttemptPaths, attempt_folder
from tune_tasks.model.trial import EndedBy, Outcome, TrialState
from tune_tasks.recording import protocol
from tune_tasks.result import TrainingResult
from tune_tasks.testing.recorder import FakeRecorder
from tune_tasks.testing.samples import make_trial
from tune_tasks.trial import recorder_depot, recorder_link
from tune_tasks.trial.fetching import Depots
from tune_tasks.trial.recorder_depot import RecorderDepot
from tune_tasks.trial.recorder_link import RecorderLink
from tune_tasks.trial.reporter import StatusReporter
from tune_tasks.trial.reports import TrialReports
from tune_tasks.trial.restoring import restore

RETURNED = Outcome(TrialState.TERMINATED, EndedBy.RETURNED, "train() returned")


class Machine:
    """An attempt on a machine that is not the driver's.

    The machines have the same paths: `lose` empties the disk, and the next attempt is on another.
    """

    def __init__(self, folder, recorder, number=1, ref=None, node="another machine", **rules):
        self.folder = folder
        self.recorder = recorder
        self.trial = make_trial(checkpoint=CheckpointRules(**{"keep": 2, **rules}))
        self.paths = AttemptPaths(attempt_folder(folder, number))
        self.paths.create({})
        lookup = RecorderDepot(recorder, "", clock=iter(range(0, 1000, 50)).__next__, sleep=str)
        self.restored = restore(self.paths, number, ref, Depots(lookup, lookup))
        self.reports = TrialReports(self.trial, self.paths.results, "id", self.restored)
        self.reporter = StatusReporter(self.reports)
        restored_from = self.restored.ref if self.restored else None
        self.info = AttemptInfo(
            self.trial, number, self.paths.folder, node=node, restored_from=restored_from
        )
        self.clock = 0.0
        self.pace = 0.001
        self.link = RecorderLink(recorder, self.paths, clock=self.tick)
        self.link.open(self.info)
        self.link.update(self.reports)
        self.reports.begin()

    def tick(self):
        self.clock += self.pace
        return self.clock

    def report(self, times=1):
        for _ in range(times):
            self.reporter.report(TrainingResult(timesteps_total=1, mean_loss=0.5))

    def save(self, text="weights"):
        with self.reporter.checkpoint() as folder:
            (folder / "weights").write_text(text)
            (folder / "more").mkdir()
            (folder / "more" / "empty").touch()

    def update(self, times=1):
        for _ in range(times):
            self.link.update(self.reports)

    def close(self, outcome=RETURNED):
        return self.link.close(self.reports, outcome)

    def told(self):
        return self.recorder.attempts[self.info.key].checkpoint

    def lose(self):
        shutil.rmtree(self.folder)

    def there(self, *parts):
        return self.recorder.files.get(self.paths.folder.joinpath(*parts))


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch):
    monkeypatch.setattr(recorder_depot, "PIECE_BYTES", 100)
    monkeypatch.setattr(protocol, "PIECE_BYTES", 100)
    monkeypatch.setattr(recorder_link.time, "sleep", lambda _: None)


@pytest.fixture
def recorder():
    """The driver's machine: its copies of `result.json` are among its files."""
    return FakeRecorder(node="the driver's machine")


@pytest.fixture
def machine(tmp_path, recorder):
    return Machine(tmp_path / "trial", recorder)


def keep_copies(recorder, machine):
    recorder.files[machine.paths.results] = recorder.copies[machine.info.key]


# ── Sending ─────


def test_a_checkpoint_is_told_of_once_it_has_arrived(machine):
    machine.report(2)
    machine.save("w" * 1000)
    machine.update()
    assert machine.told() is None
    machine.update()
    assert machine.told() == KeptCheckpoint(2, 2)
    assert machine.there("checkpoints", "000002", "weights") == b"w" * 1000
    assert machine.there("checkpoints", "000002", "more", "empty") == b""


def test_it_is_told_of_once_the_reports_up_to_it_have_arrived(machine, monkeypatch):
    monkeypatch.setattr(recorder_link, "PIECE_BYTES", 300)
    machine.report(2)
    machine.save()
    machine.update(2)
    assert machine.told() is None
    machine.update(4)
    assert machine.told() == KeptCheckpoint(2, 2)


def test_the_latest_goes_first_and_stays_until_it_has_arrived(machine, monkeypatch):
    monkeypatch.setattr(recorder_link, "_SENDING_S", 0.0)
    machine.report()
    machine.save("w" * 1000)
    machine.update(3)
    for _ in range(4):
        machine.report()
        machine.save()
    kept = [each.number for each in checkpoints_in(machine.paths.checkpoints)]
    assert kept == [5, 4, 1]
    machine.update(90)
    assert machine.told() == KeptCheckpoint(5, 5)
    assert machine.there("checkpoints", "000001", "weights") == b"w" * 1000


def test_what_was_broken_off_goes_on_in_the_middle(machine, recorder, monkeypatch):
    monkeypatch.setattr(recorder_link, "_SENDING_S", 0.0)
    machine.report()
    machine.save("w" * 1000)
    machine.update(6)
    put = recorder.put
    recorder.put = lambda *_: None
    machine.update(3)
    pieces = []
    recorder.put = lambda key, piece: pieces.append(piece) or put(key, piece)
    machine.update(60)
    assert machine.told() == KeptCheckpoint(1, 1)
    offsets = [piece.offset for piece in pieces if piece.path.name == "weights"]
    assert offsets == [600, 700, 800, 900]


def test_answers_that_get_lost_double_nothing(machine, recorder):
    calls = iter(range(10_000))
    put, settle = recorder.put, recorder.settle
    recorder.put = lambda *args: (put(*args), None if next(calls) % 3 == 0 else put(*args))[1]
    recorder.settle = lambda *args: (settle(*args), None if next(calls) % 2 else settle(*args))[1]
    machine.report()
    machine.save("w" * 1000)
    machine.update(300)
    assert machine.told() == KeptCheckpoint(1, 1)
    assert machine.there("checkpoints", "000001", "weights") == b"w" * 1000


def test_a_restarted_recorder_gets_the_rest(machine, recorder, monkeypatch):
    monkeypatch.setattr(recorder_link, "_SENDING_S", 0.0)
    machine.report()
    machine.save("w" * 1000)
    machine.update(4)
    recorder.restart()
    machine.update(60)
    assert machine.told() == KeptCheckpoint(1, 1)


def test_one_that_is_altered_on_its_way_is_sent_again(machine, recorder):
    put = recorder.files.put
    pieces = []

    def alter(piece):
        pieces.append(piece)
        if len(pieces) == 1:
            piece = protocol.FilePiece(piece.path, 0, b"?" * len(piece.data), piece.size)
        return put(piece)

    recorder.files.put = alter
    machine.report()
    machine.save("w" * 1000)
    machine.update(3)
    assert machine.told() == KeptCheckpoint(1, 1)


def test_on_the_drivers_machine_nothing_is_sent(tmp_path, recorder):
    machine = Machine(tmp_path / "trial", recorder, node="the driver's machine")
    machine.report()
    machine.save()
    machine.update()
    assert machine.told() == KeptCheckpoint(1, 1)
    assert not recorder.files


def test_in_a_folder_that_both_machines_share_nothing_is_sent(tmp_path, recorder):
    """The recorder has left its mark where the trial reads it."""

    def opened(info, open_it=recorder.open):
        AttemptPaths(info.folder).copies_mark.write_text("mark")
        reply = open_it(info)
        return protocol.OpenReply(reply.environment, wants_bytes=True, mark="mark")

    recorder.open = opened
    machine = Machine(tmp_path / "trial", recorder)
    machine.report()
    machine.save()
    machine.update()
    assert machine.told() == KeptCheckpoint(1, 1)
    assert not recorder.files
    assert not recorder.copies[machine.info.key]


def test_one_that_is_too_large_is_an_error_that_says_what_to_do(machine, monkeypatch):
    machine.reports.checkpoints.limit = 500
    machine.report()
    with pytest.raises(ReportError, match=r"no more than .* GiB go .*: `--storage URL`"):
        machine.save("w" * 1000)
    assert checkpoints_in(machine.paths.checkpoints) == []
    machine.save("w" * 10)
    machine.update(2)
    assert machine.told() == KeptCheckpoint(1, 1)


def test_what_the_script_has_left_is_sent_at_the_end(machine):
    machine.report()
    machine.save()
    plots = machine.paths.folder / "plots"
    plots.mkdir()
    (plots / "loss.txt").write_text("a long text of the script's")
    (plots / "link").symlink_to("loss.txt")
    (machine.paths.folder / ".hidden").touch()
    (machine.paths.folder / "attempt_2").mkdir()
    (machine.paths.folder / "attempt_2" / "result.json").touch()
    assert machine.close() == RETURNED
    assert machine.told() == KeptCheckpoint(1, 1)
    assert machine.there("plots", "loss.txt") == b"a long text of the script's"
    names = {path.name for path in machine.recorder.files}
    assert names == {"loss.txt", "weights", "empty", "tune_tasks.json"}


def test_the_end_says_what_could_not_be_sent(machine, recorder, capsys):
    machine.report()
    machine.save()
    (machine.paths.folder / "plot").touch()
    recorder.put = lambda *_: None
    machine.pace = 5.0
    said = "1 checkpoint and 1 file could not be sent from its machine: nobody answers there"
    assert machine.close().stop_reason == f"train() returned; {said}"
    assert recorder.attempts[machine.info.key].outcome.stop_reason.endswith(said)
    assert said in capsys.readouterr().err


def test_too_much_at_the_end_is_said(machine, monkeypatch):
    monkeypatch.setattr(recorder_depot.RecorderDepot, "limit", 5)
    (machine.paths.folder / "plot").write_text("longer than that")
    machine.report()
    assert "what the trial has left in its folder has" in machine.close().stop_reason
    assert machine.there("plot") is None


# ── Going on elsewhere ─────


def rows(machine):
    return [json.loads(line) for line in machine.paths.results.read_text().splitlines()]


def run_and_lose(machine, reports, *, more=1):
    """Report, save, report more, and lose the machine."""
    machine.report(reports)
    machine.save(f"after {reports}")
    machine.update(3)
    machine.report(more)
    machine.update()
    keep_copies(machine.recorder, machine)
    machine.lose()


def test_it_goes_on_on_a_machine_that_has_no_file_of_it(machine, tmp_path, recorder):
    run_and_lose(machine, 3)
    second = Machine(tmp_path / "trial", recorder, 2, CheckpointRef(1, 3, 3))
    assert (second.reporter.restore() / "weights").read_text() == "after 3"
    assert [row["training_iteration"] for row in rows(second)] == [1, 2, 3]
    run_and_lose(second, 2)
    note = second.paths.restored_from
    recorder.files[note] = b'{"attempt": 1, "number": 3, "reports": 3}\n'
    third = Machine(tmp_path / "trial", recorder, 3, CheckpointRef(2, 5, 5))
    assert (third.reporter.restore() / "weights").read_text() == "after 2"
    assert [row["training_iteration"] for row in rows(third)] == [1, 2, 3, 4, 5]


def test_a_damaged_one_gives_place_to_the_one_before_it(machine, tmp_path, recorder, capsys):
    machine.report()
    machine.save("good")
    machine.update(2)
    run_and_lose(machine, 1)
    damaged = machine.paths.checkpoints / "000002" / "weights"
    recorder.files[damaged] = b"?" * len(recorder.files[damaged])
    second = Machine(tmp_path / "trial", recorder, 2, CheckpointRef(1, 2, 2))
    assert (second.reporter.restore() / "weights").read_text() == "good"
    assert "000002 cannot be used: weights was altered" in capsys.readouterr().err


def test_it_begins_anew_if_nobody_answers(machine, tmp_path, recorder, capsys):
    run_and_lose(machine, 3)
    recorder.is_away = True
    with pytest.raises(KeyError):  # it runs; nobody hears of it
        Machine(tmp_path / "trial", recorder, 2, CheckpointRef(1, 3, 3)).told()
    assert "nobody answers there" in capsys.readouterr().err


def test_what_is_here_is_not_fetched(machine, tmp_path, recorder):
    machine.report(3)
    machine.save()
    recorder.get = recorder.names = None
    second = Machine(tmp_path / "trial", recorder, 2, CheckpointRef(1, 3, 3))
    assert second.restored.ref == CheckpointRef(1, 3, 3)
