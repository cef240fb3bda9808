"""What a later execution of a flow run takes over of the sweep, and who has it in hand."""

import dataclasses
import json

import pytest

from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.trial import EndedBy, Outcome, Trial, TrialState
from tune_tasks.sweep.resumption import BegunSweep, SweepFile, record_of

TRIAL = Trial("exp", 0, "script_exp_0", "script", {"lr": 0.1}, {"lr": 0.1}, seed=1)
WELL = Outcome(TrialState.TERMINATED, EndedBy.RETURNED, "train() returned", reports=2)
FAILED = Outcome(TrialState.ERROR, EndedBy.ERROR, "failed", error="ValueError: x")
CANCELLED = Outcome(TrialState.TERMINATED, EndedBy.CANCELLED, "cancelled")
ROWS = [
    {
        "timesteps_total": n,
        "mean_loss": 1 / n,
        "training_iteration": n,
        "time_total_s": n,
        "timestamp": n,
    }
    for n in (1, 2)
]
BEGUN = BegunSweep("2026-01-01_00-00-00_abcd", 7)


def attempted(folder, *outcomes):
    """The trial's attempts, one for each outcome; None: its process died."""
    for number, outcome in enumerate(outcomes, 1):
        paths = AttemptPaths.of(folder, TRIAL, number)
        paths.create(TRIAL.config)
        paths.results.write_text(
            "".join(json.dumps(row | {"config": {}}) + "\n" for row in ROWS) + '{"timesteps_tot'
        )
        if outcome:
            paths.write_outcome(outcome)
    return record_of(TRIAL, folder)


def test_a_trial_that_never_began(tmp_path):
    record = attempted(tmp_path)
    assert (record.attempts, record.outcome, record.state) == (0, None, TrialState.PENDING)


def test_a_trial_that_ended_well_is_taken_as_it_is(tmp_path):
    record = attempted(tmp_path, WELL)
    assert (record.attempts, record.outcome, record.state) == (1, WELL, TrialState.TERMINATED)
    assert (record.progress.reports, record.progress.last) == (2, ROWS[1])
    assert record.info.folder == tmp_path / TRIAL.folder


@pytest.mark.parametrize("outcome", [FAILED, CANCELLED, None], ids=["failed", "cancelled", "died"])
def test_a_trial_that_did_not_end_well_is_run_again(tmp_path, outcome):
    record = attempted(tmp_path, outcome)
    assert (record.attempts, record.outcome, record.state) == (1, None, TrialState.PENDING)


def test_a_config_that_has_changed_since_is_run(tmp_path):
    attempted(tmp_path, WELL)
    changed = dataclasses.replace(TRIAL, config={"lr": 0.2})
    record = record_of(changed, tmp_path)
    assert (record.trial, record.attempts, record.outcome) == (changed, 1, None)


def test_a_trial_whose_reports_are_gone_is_run_again(tmp_path):
    info = attempted(tmp_path, WELL).info
    (info.folder / "result.json").write_text("mine")
    assert record_of(TRIAL, tmp_path).state is TrialState.PENDING
    (info.folder / "params.json").unlink()
    assert record_of(TRIAL, tmp_path).attempts == 1  # the next one has a folder of its own


def test_only_the_last_attempt_counts(tmp_path):
    record = attempted(tmp_path / "mended", FAILED, WELL)
    assert (record.attempts, record.outcome) == (2, WELL)
    assert record.info.folder.name == "attempt_2"
    record = attempted(tmp_path / "worse", WELL, FAILED)
    assert (record.attempts, record.outcome) == (2, None)


@pytest.fixture
def sweep_file(tmp_path, monkeypatch):
    """Makes drivers' files.

    They leave them at the test's end, as the end of their processes does.
    """
    monkeypatch.setattr("tune_tasks.sweep.resumption._LOOK_S", 0.01)
    files = []

    def make(flow_run_id="run"):
        files.append(SweepFile(tmp_path, flow_run_id))
        return files[-1]

    yield make
    for file in files:
        if file._lock:
            file._lock.close()


def test_a_sweep_that_was_begun_is_read(sweep_file):
    assert sweep_file().take(BEGUN, lambda: pytest.fail("nobody has it"))
    assert sweep_file().read() == BEGUN
    assert sweep_file("other").read() is None


@pytest.mark.parametrize(
    "text",
    [None, "", "{", "[]", "1", '{"sweep": "x"}', '{"sweep": "x", "drawn_seed": 1, "more": 1}'],
)
def test_a_file_that_cannot_be_read_is_none(tmp_path, text):
    (tmp_path / ".sweeps").mkdir()
    if text is not None:
        (tmp_path / ".sweeps" / "run.json").write_text(text)
    assert SweepFile(tmp_path, "run").read() is None


def test_a_second_holder_waits_and_gives_up_when_told(sweep_file):
    first, second = sweep_file(), sweep_file()
    assert first.take(BEGUN, lambda: True)
    answers = iter([False, False, True])
    assert not second.take(dataclasses.replace(BEGUN, drawn_seed=8), lambda: next(answers))
    assert list(answers) == []
    assert second.read() == BEGUN


def test_a_second_holder_has_it_once_the_first_has_gone(sweep_file):
    first, second = sweep_file(), sweep_file()
    assert first.take(BEGUN, lambda: True)
    asked = []

    def ask():
        if asked:
            first._lock.close()  # as the end of its process does
        asked.append(1)
        return len(asked) > 5

    assert second.take(BEGUN, ask)
    assert len(asked) == 2
