"""What a recorder keeps of attempts on other machines, and what it leaves to those it shares with."""

from dataclasses import replace

import pytest

from tests.recording.local import LocalRecorder
from tune_tasks.model.checkpoint import CheckpointRef, CheckpointRules
from tune_tasks.model.checkpoint_folder import checkpoints_in, copy_aside, restored_from
from tune_tasks.model.checkpoint_manifest import Manifest, seal
from tune_tasks.model.files import AttemptPaths, attempt_folder
from tune_tasks.recording.protocol import FilePiece
from tune_tasks.result import TrainingResult
from tune_tasks.testing import FakeTracker
from tune_tasks.testing.samples import RETURNED, make_attempt, make_sweep, make_trial
from tune_tasks.trial.recorder_link import RecorderLink
from tune_tasks.trial.reports import TrialReports


@pytest.fixture
def recorder(tmp_path):
    local = LocalRecorder(FakeTracker("main"), node="the driver's machine")
    local.begin(make_sweep(tmp_path))
    yield local
    local.kill()


@pytest.fixture
def info(tmp_path):
    trial = make_trial(checkpoint=CheckpointRules(keep=2))
    return replace(make_attempt(tmp_path), trial=trial, node="another machine")


def send(recorder, info, number, made):
    """Have the recorder keep a checkpoint."""
    made.mkdir()
    (made / "weights").write_text(str(number))
    seal(made, Manifest(number, number, 1.0, number, 0))
    final = AttemptPaths(info.folder).checkpoints / f"{number:06d}"
    for path in made.iterdir():
        data = path.read_bytes()
        recorder.put(
            info.key, FilePiece(copy_aside(final) / path.name, 0, data, path.stat().st_size)
        )
    assert recorder.settle(info.key, copy_aside(final), final.name)


def test_as_many_checkpoints_are_kept_as_on_the_trials_machine(recorder, info, tmp_path):
    recorder.open(info)
    for number in (1, 2, 3, 4):
        send(recorder, info, number, tmp_path / f"made {number}")
    kept = checkpoints_in(AttemptPaths(info.folder).checkpoints)
    assert [each.number for each in kept] == [4, 3]
    begun = CheckpointRef(1, 3, 3)
    folder = attempt_folder(info.folder, 2)
    second = replace(info, attempt=2, folder=folder, restored_from=begun)
    recorder.close(info.key, RETURNED)
    recorder.open(second)
    for number in (5, 6):
        send(recorder, second, number, tmp_path / f"made {number}")
    assert restored_from(AttemptPaths(folder)) == begun
    kept = checkpoints_in(AttemptPaths(folder).checkpoints)
    assert [each.number for each in kept] == [6, 5]
    kept = checkpoints_in(AttemptPaths(info.folder).checkpoints)
    assert [each.number for each in kept] == [3]  # an attempt has begun from it


def test_what_has_come_by_half_is_removed_at_the_end(recorder, info):
    recorder.open(info)
    paths = AttemptPaths(info.folder)
    recorder.put(info.key, FilePiece(paths.folder / "plot", 0, b"half", 10))
    aside = copy_aside(paths.checkpoints / "000001")
    recorder.put(info.key, FilePiece(aside / "weights", 0, b"all", 3))
    recorder.close(info.key, RETURNED)
    assert not paths.arriving.exists()
    assert not aside.exists()


def test_a_folder_that_both_machines_share_has_each_byte_once(recorder, info):
    """Such as a network's disk, of which the recorder may see an old size."""
    paths = AttemptPaths(info.folder)
    paths.create({})
    reports = TrialReports(info.trial, paths.results, "id")
    sent = []
    update = recorder.update

    def watched(key, heartbeat, offset, data, log):
        sent.append((data, log))
        return update(key, heartbeat, offset, data, log)

    recorder.update = watched
    link = RecorderLink(recorder, paths)
    link.open(info)
    for step in range(1, 4):
        reports.add(TrainingResult(timesteps_total=step))
        paths.log.write_text("line\n" * step)
        link.update(reports)
    assert recorder.recorder.news(0).statuses[0].progress.reports == 3
    assert reports.close() is None
    link.close(reports, RETURNED)
    assert len(paths.results.read_text().splitlines()) == 3
    assert paths.log.read_text() == "line\n" * 3
    assert set(sent) == {(b"", None)}
