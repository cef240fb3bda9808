"""Which checkpoints an attempt has, which of them are kept, and where it goes on."""

import pytest

from tune_tasks.model.checkpoint import CheckpointRef, CheckpointRules
from tune_tasks.model.checkpoint_folder import (
    best_of,
    best_of_trial,
    checkpoints_in,
    checkpoints_of,
    latest_of,
    lineage,
    new_aside,
    note_restored_from,
    put_in_place,
    remove,
    remove_leftovers,
    restored_from,
    superfluous,
)
from tune_tasks.model.checkpoint_manifest import MANIFEST, Manifest, seal
from tune_tasks.model.files import AttemptPaths, attempt_folder, trial_folder
from tune_tasks.model.objective import Objective

LOSS = Objective("mean_loss", "min")


def make(folder, number, **report):
    """Write a checkpoint; returns its name."""
    aside = new_aside(folder, number)
    (aside / "weights").write_text(str(number))
    seal(aside, Manifest(number, number * 10, 1.0, number, 0, report or None))
    return put_in_place(aside, folder, number).name


def names(stored):
    return [each.path.name for each in stored]


def test_the_latest_comes_first(tmp_path):
    made = [make(tmp_path, number) for number in (9, 1_000_000, 10, 10)]
    assert made == ["000009", "1000000", "000010", "000010_2"]
    assert names(checkpoints_in(tmp_path)) == ["1000000", "000010_2", "000010", "000009"]
    assert checkpoints_in(tmp_path / "absent") == []


def test_what_somebody_else_has_there_is_none_and_stays(tmp_path):
    make(tmp_path, 10)
    (tmp_path / "000011").mkdir()
    (tmp_path / "best").mkdir()
    (tmp_path / "epoch_3.pt").touch()
    (tmp_path / ".000012.tmp").mkdir()
    remove_leftovers(tmp_path)
    assert names(checkpoints_in(tmp_path)) == ["000010"]
    assert len(list(tmp_path.iterdir())) == 5
    assert make(tmp_path, 11) == "000011_2"


def test_leftovers_of_a_dead_process_are_removed(tmp_path):
    (new_aside(tmp_path, 10) / "half").touch()
    assert checkpoints_in(tmp_path) == []
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_one_that_is_removed_has_gone(tmp_path):
    make(tmp_path, 10)
    remove(checkpoints_in(tmp_path)[0].path)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def curve(tmp_path):
    """Checkpoints after five reports, the second of which was the best."""
    for number, loss in enumerate((0.9, 0.1, 0.5, float("nan"), 0.1), start=1):
        make(tmp_path, number, mean_loss=loss)
    return tmp_path


@pytest.mark.parametrize(
    ("rules", "gone"),
    [
        (CheckpointRules(keep=None), []),
        (CheckpointRules(keep=2, keep_best=False), ["3", "2", "1"]),
        (CheckpointRules(keep=1, objective=Objective("mean_loss", "max")), ["4", "3", "2"]),
        (CheckpointRules(keep=3, objective=LOSS), ["2", "1"]),
        (CheckpointRules(keep=9), []),
    ],
)
def test_the_last_ones_are_kept_and_the_best(curve, rules, gone):
    stored = checkpoints_in(curve)
    assert [path.name.lstrip("0") for path in superfluous(stored, rules)] == gone


def test_the_best_of_old_is_kept(tmp_path):
    for number, accuracy in enumerate((0.1, 0.9, 0.5, 0.6), start=1):
        make(tmp_path, number, mean_accuracy=accuracy)
    gone = superfluous(checkpoints_in(tmp_path), CheckpointRules(keep=1))
    assert [path.name for path in gone] == ["000003", "000001"]


def test_a_damaged_one_does_not_count_as_kept(curve):
    (curve / "000005" / "weights").write_text("cut off")
    rules = CheckpointRules(keep=1, keep_best=False)
    gone = [path.name for path in superfluous(checkpoints_in(curve), rules)]
    assert gone == ["000003", "000002", "000001"]


def test_two_of_one_report_count_as_one(tmp_path):
    for number in (1, 2, 2):
        make(tmp_path, number)
    gone = superfluous(checkpoints_in(tmp_path), CheckpointRules(keep=2))
    assert [path.name for path in gone] == ["000002"]


def test_one_that_an_attempt_has_begun_from_is_spared(curve):
    rules = CheckpointRules(keep=1, keep_best=False)
    gone = superfluous(checkpoints_in(curve), rules, [curve / "000003"])
    assert [path.name for path in gone] == ["000004", "000002", "000001"]


def test_the_best_of_a_trial(curve):
    stored = checkpoints_in(curve)
    assert best_of(stored, LOSS).name == "000005"  # the later one of two
    assert best_of(stored, Objective("mean_loss", "max")).name == "000001"
    assert best_of(stored, None).name == "000005"
    assert best_of(stored, Objective("never_reported", "max")).name == "000005"
    assert best_of([], LOSS) is None


def test_the_best_of_a_trial_may_be_an_earlier_attempts(trial):
    assert best_of_trial(attempt(trial, 2).folder, 2, None) == (
        attempt(trial, 2).checkpoints / "000030"
    )
    make(attempt(trial, 1).checkpoints, 25, mean_loss=0.1)
    assert best_of_trial(attempt(trial, 2).folder, 2, LOSS) == trial / "checkpoints" / "000025"


# ── Several attempts ─────


def attempt(trial, number):
    return AttemptPaths(attempt_folder(trial, number))


@pytest.fixture
def trial(tmp_path):
    """Attempt 2 went on from 1, attempt 3 began anew, attempt 4 went on from 3, and 5 from 4."""
    made = {1: [10, 20], 2: [30], 3: [5], 4: [], 5: [15]}
    for number, numbers in made.items():
        attempt(tmp_path, number).folder.mkdir(exist_ok=True)
        for each in numbers:
            make(attempt(tmp_path, number).checkpoints, each)
    note_restored_from(attempt(tmp_path, 2), CheckpointRef(1, 20, 20))
    note_restored_from(attempt(tmp_path, 4), CheckpointRef(3, 5, 5))
    note_restored_from(attempt(tmp_path, 5), CheckpointRef(3, 5, 5))
    return tmp_path


def test_an_attempt_has_those_that_its_history_comes_from(trial):
    found = {
        number: [(by, each.number) for by, each in checkpoints_of(trial, number)]
        for number in range(1, 6)
    }
    assert found == {
        1: [(1, 20), (1, 10)],
        2: [(2, 30), (1, 20), (1, 10)],
        3: [(3, 5)],
        4: [(3, 5)],
        5: [(5, 15), (3, 5)],
    }


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"attempt": "x", "number": 1, "reports": 1}'])
def test_a_note_that_is_none_is_the_beginning(trial, text):
    attempt(trial, 2).restored_from.write_text(text)
    assert restored_from(attempt(trial, 2)) is None
    assert list(lineage(trial, 2)) == [2]


def test_a_note_that_leads_in_a_circle_ends(trial):
    note_restored_from(attempt(trial, 1), CheckpointRef(2, 30, 30))
    assert list(lineage(trial, 2)) == [2, 1]


def test_the_latest_that_can_be_read(trial):
    assert latest_of(attempt(trial, 1), 1) == CheckpointRef(1, 20, 20)
    (attempt(trial, 1).checkpoints / "000020" / MANIFEST).write_text("torn")
    assert latest_of(attempt(trial, 1), 1) == CheckpointRef(1, 10, 10)
    assert latest_of(attempt(trial, 4), 4) is None


@pytest.mark.parametrize("number", [1, 2, 17])
def test_the_folder_of_the_trial(tmp_path, number):
    assert trial_folder(attempt_folder(tmp_path, number), number) == tmp_path
