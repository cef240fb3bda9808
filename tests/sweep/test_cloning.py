"""A checkpoint that is copied from one trial to another."""

import pytest

from tune_tasks.model.checkpoint import CheckpointRef
from tune_tasks.model.checkpoint_folder import (
    checkpoints_in,
    gone_on_from,
    latest_of,
    note_restored_from,
    remove,
)
from tune_tasks.model.checkpoint_manifest import CheckpointUnusableError, Manifest, seal, verified
from tune_tasks.model.files import AttemptPaths, attempt_folder
from tune_tasks.sweep import cloning
from tune_tasks.sweep.cloning import Cloned, clone, remove_unheard


def write(of_trial, number, text, again=""):
    folder = AttemptPaths(of_trial).checkpoints / f"{number:06d}{again}"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "weights").write_text(text)
    report = {"training_iteration": number, "mean_loss": 0.5, "of": text}
    seal(folder, Manifest(number, 10 * number, 1.0, number, 100 * number, report))
    return folder


@pytest.fixture
def donor(tmp_path):
    folder = tmp_path / "donor"
    write(folder, 5, "donor at 5")
    write(folder, 10, "donor at 10")
    return folder


@pytest.fixture
def member(tmp_path):
    folder = tmp_path / "member"
    write(folder, 10, "member at 10")
    return folder


LATEST = CheckpointRef(1, 10, 10)


def copied(donor, member, checkpoint=LATEST, report=10):
    return clone(donor, checkpoint, AttemptPaths(member), 1, report).copy


def test_the_copy_is_the_members_latest_checkpoint_with_the_donors_files(donor, member):
    ref = copied(donor, member)
    assert ref == CheckpointRef(1, 10, 10, again=2)
    latest = checkpoints_in(AttemptPaths(member).checkpoints)[0].path
    manifest = verified(latest)
    assert (latest / "deep" / "weights").read_text() == "donor at 10"
    assert (manifest.reports, manifest.size, manifest.report["of"]) == (10, 1000, "member at 10")


def test_the_copy_stays_if_the_donor_removes_its_checkpoints(donor, member):
    copied(donor, member)
    for stored in checkpoints_in(AttemptPaths(donor).checkpoints):
        remove(stored.path)
    verified(checkpoints_in(AttemptPaths(member).checkpoints)[0].path)


def test_files_are_copied_if_they_cannot_be_linked(donor, member, monkeypatch):
    def refused(*_):
        raise PermissionError

    monkeypatch.setattr(cloning.os, "link", refused)
    copied(donor, member)
    verified(checkpoints_in(AttemptPaths(member).checkpoints)[0].path)


def test_a_damaged_checkpoint_gives_place_to_the_one_before(donor, member):
    (AttemptPaths(donor).checkpoints / "000010" / "deep" / "weights").write_text("d")
    copied(donor, member)
    latest = checkpoints_in(AttemptPaths(member).checkpoints)[0].path
    assert (latest / "deep" / "weights").read_text() == "donor at 5"


def test_what_cannot_be_copied_leaves_nothing(donor, member, tmp_path):
    before = sorted(member.rglob("*"))
    with pytest.raises(CheckpointUnusableError, match="it has written none"):
        copied(donor, member, None)
    with pytest.raises(CheckpointUnusableError, match="it is gone, or damaged"):
        copied(tmp_path / "elsewhere", member)
    with pytest.raises(CheckpointUnusableError, match="the trial itself has written none there"):
        copied(donor, member, report=7)
    assert sorted(member.rglob("*")) == before


def test_what_the_member_has_written_later_is_not_gone_on_from(donor, member):
    ref = copied(donor, member)
    write(member, 12, "too late")
    found = [(stored.number, stored.again) for _, stored in gone_on_from(member, ref)]
    assert found == [(10, 2), (10, 1)]
    own = CheckpointRef(1, 12, 12)
    assert next(gone_on_from(member, own))[1].number == 12


def test_a_donor_that_was_replaced_since_gives_what_it_had(donor, member, tmp_path):
    """A driver died before the copy; meanwhile the donor went on from a third one."""
    third = tmp_path / "third"
    write(third, 10, "third at 10")
    copied(third, donor)
    copied(donor, member)
    latest = checkpoints_in(AttemptPaths(member).checkpoints)[0].path
    assert (latest / "deep" / "weights").read_text() == "donor at 10"


def test_a_donor_that_was_replaced_before_gives_what_it_has_taken(donor, member, tmp_path):
    third = tmp_path / "third"
    write(third, 10, "third at 10")
    taken = copied(third, donor)
    copied(donor, member, taken)
    latest = checkpoints_in(AttemptPaths(member).checkpoints)[0].path
    assert (latest / "deep" / "weights").read_text() == "third at 10"


def test_a_copy_that_nobody_has_heard_of_is_removed(donor, member):
    """The driver died between the copy and its journal: the trial itself has written none later."""
    paths = AttemptPaths(member)
    copy = copied(donor, member)
    assert latest_of(paths, 1) == LATEST
    remove_unheard(paths, 1, copy)
    assert [stored.again for stored in checkpoints_in(paths.checkpoints)] == [2, 1]
    remove_unheard(paths, 1, LATEST)
    assert [stored.again for stored in checkpoints_in(paths.checkpoints)] == [1]


def test_a_second_checkpoint_of_a_report_is_the_trials_own(member):
    write(member, 10, "member at 10, again", again="_2")
    remove_unheard(AttemptPaths(member), 1, LATEST)
    assert [stored.again for stored in checkpoints_in(AttemptPaths(member).checkpoints)] == [2, 1]


def test_a_copy_is_known_as_one_if_the_attempt_has_no_checkpoint_of_that_report(donor, tmp_path):
    """The driver died before the copy, and the next attempt has asked again."""
    first = tmp_path / "member"
    write(first, 10, "member at 10")
    second = AttemptPaths(attempt_folder(first, 2))
    second.folder.mkdir(parents=True)
    note_restored_from(second, LATEST)
    found = clone(donor, LATEST, second, 2, 10)
    assert found == Cloned(CheckpointRef(2, 10, 10, again=2), taken=LATEST)


def test_a_donor_that_removes_its_checkpoint_just_now_has_a_later_one(donor, member, monkeypatch):
    link = cloning._link

    def while_it_is_removed(source, target):
        if source.parts[-3] == "000010":
            write(donor, 15, "donor at 15")
            remove(AttemptPaths(donor).checkpoints / "000010")
        link(source, target)

    monkeypatch.setattr(cloning, "_link", while_it_is_removed)
    copied(donor, member)
    latest = checkpoints_in(AttemptPaths(member).checkpoints)[0].path
    verified(latest)
    assert (latest / "deep" / "weights").read_text() == "donor at 15"


def test_what_was_taken_is_told(donor, member):
    write(donor, 15, "donor at 15")
    assert clone(donor, LATEST, AttemptPaths(member), 1, 10).taken == CheckpointRef(1, 15, 15)
