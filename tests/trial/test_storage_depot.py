"""A storage has the checkpoints of every machine's attempts, whole ones alone, as many as are kept."""

import shutil
import threading

import pytest

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.checkpoint import CheckpointRef, CheckpointRules, KeptCheckpoint
from tune_tasks.model.files import AttemptPaths, attempt_folder
from tune_tasks.model.objective import Objective
from tune_tasks.model.trial import EndedBy, Outcome, TrialState
from tune_tasks.result import TrainingResult
from tune_tasks.testing.recorder import FakeRecorder
from tune_tasks.testing.samples import make_trial
from tune_tasks.trial import depot as depots
from tune_tasks.trial.depot import DepotAwayError
from tune_tasks.trial.fetching import Depots
from tune_tasks.trial.recorder_depot import RecorderDepot
from tune_tasks.trial.recorder_link import RecorderLink
from tune_tasks.trial.reports import TrialReports
from tune_tasks.trial.restoring import restore
from tune_tasks.trial.sending import Sending
from tune_tasks.trial.storage_depot import StorageDepot, expect_writable

RETURNED = Outcome(TrialState.TERMINATED, EndedBy.RETURNED, "train() returned")
LOSS = Objective("mean_loss", "min")


class Attempt:
    """An attempt that sends to a storage; its machine has `folder` for itself."""

    def __init__(self, url, folder, number=1, ref=None, keep=1):
        self.paths = AttemptPaths(attempt_folder(folder, number))
        self.paths.create({})
        rules = CheckpointRules(keep=keep, objective=LOSS)
        self.trial = make_trial(checkpoint=rules)
        recorder = RecorderDepot(FakeRecorder(), "", sleep=lambda _: None)
        lookup = StorageDepot(url, folder, number, rules)
        self.restored = restore(self.paths, number, ref, Depots(lookup, recorder))
        self.reports = TrialReports(self.trial, self.paths.results, "id", self.restored)
        self.reports.begin()
        begun_from = self.restored.ref if self.restored else None
        self.depot = StorageDepot(url, folder, number, rules, begun_from)
        self.sending = Sending(self.depot, self.paths, self.reports.checkpoints)

    def save(self, loss=0.5):
        self.reports.add(TrainingResult(timesteps_total=1, mean_loss=loss))
        with self.reports.checkpoints.write() as folder:
            (folder / "net").mkdir()
            (folder / "net" / "weights").write_text(f"loss {loss}")

    def send(self):
        while self.sending.step():
            pass


@pytest.fixture
def storage(tmp_path):
    return tmp_path / "storage"


@pytest.fixture
def url(storage):
    return f"file://{storage}"


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "trial"


def there(storage):
    return sorted(str(path.relative_to(storage)) for path in storage.rglob("*") if path.is_file())


def test_as_many_are_kept_as_on_the_trials_machine(url, folder, storage):
    attempt = Attempt(url, folder)
    for loss in (0.3, 0.1, 0.5, 0.6):
        attempt.save(loss)
        attempt.send()
    assert sorted(path.name for path in (storage / "checkpoints").iterdir()) == ["000002", "000004"]
    assert there(storage / "checkpoints" / "000004") == ["net/weights", "tune_tasks.json"]
    assert attempt.sending.latest(10**9) == KeptCheckpoint(4, 4)
    assert StorageDepot(url, folder, 1, CheckpointRules()).best(LOSS) == f"{url}/checkpoints/000002"


def test_one_that_an_attempt_has_begun_from_is_kept(url, folder, storage):
    first = Attempt(url, folder)
    first.save(0.9)
    first.send()
    second = Attempt(url, folder, 2, CheckpointRef(1, 1, 1))
    for _ in range(2):
        second.save(0.1)
        second.send()
    kept = sorted(
        str(path.parent.relative_to(storage)) for path in storage.rglob("tune_tasks.json")
    )
    assert kept == ["attempt_2/checkpoints/000003", "checkpoints/000001"]


def test_it_goes_on_on_another_machine(url, folder):
    first = Attempt(url, folder)
    first.save(0.25)
    first.send()
    shutil.rmtree(first.paths.checkpoints)  # the reports are here: the recorder has brought them
    second = Attempt(url, folder, 2, CheckpointRef(1, 1, 1))
    assert (second.restored.path / "net" / "weights").read_text() == "loss 0.25"
    assert second.reports.progress.reports == 1


def test_one_without_a_manifest_is_none(url, folder, storage, capsys):
    first = Attempt(url, folder, keep=2)
    for loss in (0.5, 0.4):
        first.save(loss)
        first.send()
    (storage / "checkpoints" / "000002" / "tune_tasks.json").unlink()
    shutil.rmtree(first.paths.checkpoints)
    second = Attempt(url, folder, 2, CheckpointRef(1, 2, 2))
    assert second.restored.ref == CheckpointRef(1, 1, 1)
    assert "000002 cannot be used" in capsys.readouterr().err


def test_a_storage_that_is_away_is_tried_again(url, folder, storage, monkeypatch):
    attempt = Attempt(url, folder)
    attempt.save()
    storage.write_text("a file is in the way")
    assert attempt.sending.step() is False
    assert attempt.sending.latest(10**9) is None
    assert "1 checkpoint could not be sent from its machine: the storage says" in (
        attempt.sending.missing()
    )
    storage.unlink()
    attempt.send()
    assert attempt.sending.missing() == ""


def test_an_address_is_shown_without_its_password(folder):
    depot = StorageDepot("ftp://me:secret@host/runs", folder, 1, CheckpointRules())
    assert depot.address(folder / "checkpoints") == "ftp://me:***@host/runs/checkpoints"


def test_a_package_that_is_missing_is_named(folder, monkeypatch):
    monkeypatch.setattr(depots, "DEPOT_AWAY_S", -1.0)
    depot = StorageDepot("oci://bucket/runs", folder, 1, CheckpointRules())
    with pytest.raises(DepotAwayError, match=r"ImportError: .*ocifs"):
        depot.names(folder)


def test_a_link_sends_beside_the_monitor_from_the_drivers_machine_too(url, folder, storage):
    paths = AttemptPaths(folder)
    paths.create({})
    trial = make_trial(checkpoint=CheckpointRules(keep=1))
    reports = TrialReports(trial, paths.results, "id")
    recorder = FakeRecorder()
    link = RecorderLink(recorder, paths, StorageDepot(url, folder, 1, trial.checkpoint))
    info = AttemptInfo(trial, 1, folder)
    link.open(info)
    link.update(reports)
    reports.begin()
    reports.add(TrainingResult(timesteps_total=1))
    with reports.checkpoints.write() as saved:
        (saved / "weights").touch()
    (folder / "plot.txt").write_text("of the script")
    paths.log.write_text("line\n")
    assert link.close(reports, RETURNED) == RETURNED
    assert recorder.attempts[info.key].checkpoint == KeptCheckpoint(1, 1)
    assert there(storage) == [
        "checkpoints/000001/tune_tasks.json",
        "checkpoints/000001/weights",
        "params.json",
        "plot.txt",
        "result.json",
        "trial.log",
    ]
    for thread in threading.enumerate():
        if thread.name == "sending":
            thread.join(5)
            assert not thread.is_alive()


def test_whether_it_can_be_written_is_tried(storage):
    expect_writable(f"file://{storage}/new")
    assert there(storage) == []
    (storage / "file").write_text("")
    with pytest.raises(DepotAwayError, match="the storage says"):
        expect_writable(f"file://{storage}/file/in")
