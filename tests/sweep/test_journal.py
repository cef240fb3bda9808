"""The journal of a sweep survives whatever happens to its writer, and knows if it was damaged."""

import errno
import json
import math
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tune_tasks.errors import UsageError
from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.files import try_lock
from tune_tasks.model.objective import Objective
from tune_tasks.model.stopping import Criterion
from tune_tasks.model.trial import EndedBy, Outcome, Resources, Trial, TrialState
from tune_tasks.recording.protocol import AttemptStatus
from tune_tasks.results.standing import Best, ExperimentStanding
from tune_tasks.results.summary import ExperimentSummary, Summary
from tune_tasks.results.trials import TrialSummary
from tune_tasks.sweep.events import Announced, AttemptEnded, Reported, SweepBegan, Ticked
from tune_tasks.sweep.instructions import KeepEnd, StartAttempt
from tune_tasks.sweep.journal import (
    HeldError,
    Journal,
    create_locked,
    history_of,
    is_held,
    journal_path,
    journals_in,
    open_locked,
    read_history,
    read_sweep,
)
from tune_tasks.sweep.journal_entries import (
    AttemptEntry,
    ClosedEntry,
    DriverEntry,
    HandledEntry,
    Repeated,
    SweepEntry,
    TrialEntry,
    entry_from_json,
    entry_to_json,
    experiments_of,
)
from tune_tasks.sweep.journal_file import JournalFile, entry_of, line_of, read_entries
from tune_tasks.tracking.info import ExperimentInfo, SweepInfo
from tune_tasks.tracking.mlflow_params import SearchedParam

SWEEP = SweepEntry("s1", "run-1", "/cwd", {"spec_file": "a.yaml"}, {"e": {}}, {"e": {}}, 7)
DRIVER = DriverEntry(0.0, 100.0, "host", 42, "run-1", "sqlite:///m.db", {"ray": "2.60"}, {})
WELL = Outcome(TrialState.TERMINATED, EndedBy.RETURNED, "train() returned")
NOTHING = Summary("s1", [])
BEGAN = (SweepBegan(0.0, 2), [StartAttempt("e/0", 1)])
ENDED = (AttemptEnded(2.0, "e/0", 1, WELL), [KeepEnd("e/0", 1, WELL, will_retry=False)])

json_texts = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=4,
).map(json.dumps)
entry_lists = st.lists(json_texts, min_size=1, max_size=4)


def written(entries):
    return b"".join(map(line_of, entries))


def read(data):
    return read_entries(data.splitlines(keepends=True), "journal")


@pytest.mark.long
@given(entry_lists)
def test_entries_read_back(entries):
    data = written(entries)
    assert read(data) == (entries, len(data))
    assert all(
        json.loads(line)["entry"] == json.loads(e)
        for line, e in zip(data.splitlines(), entries, strict=True)
    )


@pytest.mark.long
@given(entry_lists, st.data())
def test_of_any_part_the_whole_entries_are_read(entries, data):
    """A process may die in the middle of a write."""
    whole = written(entries)
    size = data.draw(st.integers(0, len(whole)))
    found, end = read(whole[:size])
    assert found == entries[: len(found)]
    assert end == len(written(found))
    assert len(found) == len(entries) or size < len(written(entries[: len(found) + 1]))


@pytest.mark.long
@given(entry_lists, st.data())
def test_a_flipped_bit_is_found(entries, data):
    whole = bytearray(written(entries))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= 1 << data.draw(st.integers(0, 7))
    line = bytes(written(entries)[:place]).count(b"\n") + 1
    if line < len(entries):
        with pytest.raises(UsageError, match=f"journal:{line}: "):
            read(bytes(whole))
    else:
        assert read(bytes(whole))[0] == entries[:-1]


@pytest.mark.long
@given(entry_lists, st.binary(min_size=1))
def test_garbage_at_the_end_is_cut(entries, garbage):
    """As a file system leaves it behind that had grown the file before the machine lost its power."""
    found, end = read(written(entries) + garbage)
    assert (found, end) == (entries, len(written(entries)))


def test_a_damaged_line_break_is_named():
    whole = written(['"a"', '"b"']).replace(b"\n", b"\x0b", 1)
    with pytest.raises(UsageError, match="journal:1: "):
        read(whole)


def test_a_damaged_middle_is_named():
    lines = [line_of('"a"'), b"what is this\n", line_of('"b"')]
    with pytest.raises(UsageError, match="journal:2: the sweep's journal is damaged"):
        read_entries(lines, "journal")


@pytest.mark.parametrize("line", [b"", b"\n", b"{}\n", line_of('"a"')[:-1], b"x" + line_of('"a"')])
def test_what_is_no_whole_line(line):
    assert entry_of(line) is None


def synced_together(*batches):
    """The lines of entries of which some were synced together."""
    data = b""
    for first, *others in batches:
        data += line_of(first, len(data)) + b"".join(map(line_of, others))
    return data


def test_of_what_was_not_synced_any_part_may_be_missing():
    """As a machine that loses its power leaves it behind."""
    synced = synced_together(['"a"', '"b"'], ['"c"'])
    lines = [line_of('"d"', len(synced)), line_of('"e"'), line_of('"f"')]
    for lost in range(3):
        for hole in (
            bytes(len(lines[lost])),
            lines[lost][:9] + bytes(len(lines[lost]) - 10) + b"\n",
        ):
            tail = b"".join([*lines[:lost], hole, *lines[lost + 1 :]])
            kept = ['"d"', '"e"', '"f"'][:lost]
            entries = ['"a"', '"b"', '"c"', *kept]
            assert read(synced + tail) == (entries, len(synced) + len(b"".join(lines[:lost])))


@pytest.mark.parametrize("line", [1, 2, 3])
def test_what_was_synced_is_damaged_if_it_cannot_be_read(line):
    lines = synced_together(['"a"', '"b"'], ['"c"'], ['"d"', '"e"']).splitlines(keepends=True)
    lines[line - 1] = bytes(len(lines[line - 1]) - 1) + b"\n"
    with pytest.raises(UsageError, match=f"journal:{line}: the sweep's journal is damaged"):
        read(b"".join(lines))


def test_a_mark_is_a_part_of_what_the_checksum_is_of():
    line = line_of('"a"', 120)
    assert entry_of(line) == '"a"'
    assert entry_of(line.replace(b"120", b"121")) is None


def test_a_line_says_what_was_synced_before_it(tmp_path):
    path = tmp_path / "journal"
    with path.open("w+b") as file:
        journal = JournalFile(file, tmp_path, 0)
        for batch in (['"a"', '"b"'], ['"c"']):
            for entry in batch:
                journal.append(entry)
            journal.sync()
    assert path.read_bytes() == synced_together(['"a"', '"b"'], ['"c"'])


def test_an_end_that_was_cut_is_written_over(tmp_path):
    path = tmp_path / "journal"
    path.write_bytes(line_of('"a"') + line_of('"lost"')[:-5])
    with path.open("r+b") as file:
        _, size = read_entries(file, path)
        journal = JournalFile(file, tmp_path, size)
        journal.append('"b"')
        journal.sync()
        kept = line_of('"a"')
    assert path.read_bytes() == kept + line_of('"b"', len(kept))


# ── What an entry holds ─────


def test_a_trial_is_kept_as_json_has_it_without_its_secrets():
    config = {"lr": 0.1, "sizes": (1, 2), 3: object, "hf_token": "secret", "bad": float("nan")}
    trial = Trial(
        "e", 4, "script_4", "script", config, {"lr": 0.1, "hf_token": "secret"}, 7, Resources(2)
    )
    entry = TrialEntry.of(trial)
    assert entry.trial == "e/4"
    kept = {"lr": 0.1, "sizes": [1, 2], "3": repr(object), "hf_token": "***"}
    assert entry.config == {**kept, "bad": entry.config["bad"]}
    assert entry.searched == {"lr": 0.1, "hf_token": "***"}
    text = entry_to_json(entry)
    assert entry_to_json(entry_from_json(text)) == text == entry_to_json(TrialEntry.of(trial))
    assert entry_from_json(text).resources == Resources(2)


def test_an_experiment_is_kept_with_its_script_whatever_bytes_that_has(tmp_path):
    info = ExperimentInfo(
        "e",
        tmp_path,
        seed=1,
        num_trials=9,
        constants={"password": "x", "f": print},
        script=tmp_path / "train.py",
        script_source=b"# \xff\n",
        params=(SearchedParam("lr", is_even=True, is_numeric=True, texts=3),),
        objective=Objective("mean_loss", "min"),
        constraints=(Criterion("size", "<=", 5.0),),
        others=(Objective("ms", "min"),),
    )
    sweep = SweepInfo("s1", {"e": info}, "sqlite:///m.db", "", tmp_path)
    entry = SweepEntry(
        "s1", "run", "/", {}, {}, {}, 7, experiments_of(sweep), repeats=Repeated("s0", "e/3")
    )
    read = entry_from_json(entry_to_json(entry))
    assert read == entry
    assert read.num_trials == 9
    assert read.experiments["e"].script_source == b"# \xff\n"
    assert read.experiments["e"].constants == {"password": "***", "f": repr(print)}


# ── What is kept, and when it is on the disk ─────


@pytest.fixture
def path(tmp_path):
    return journal_path(tmp_path, "s1")


@pytest.fixture
def begin(path):
    """Begins a journal; what it warns of is in `warned`."""
    files = []

    def start(**keys):
        files.append(create_locked(path))
        journal = Journal(
            path, files[-1], 0, start.warned.append, **{"keeps_reports": False, **keys}
        )
        journal.began(SWEEP)
        journal.began(DRIVER)
        return journal

    start.warned = []
    yield start
    for file in files:
        file.close()


def test_a_journal_says_what_happened(begin, path):
    journal = begin()
    journal.handled(*BEGAN)
    journal.handled(*ENDED)
    history = read_history(path)
    assert history.sweep == SWEEP
    assert history.drivers() == [DRIVER]
    assert list(history.handled()) == [HandledEntry(e, tuple(then)) for e, then in (BEGAN, ENDED)]
    assert (history.last_at(), history.unfinished) == (2.0, True)
    assert read_sweep(path) == SWEEP
    journal.closed(0, NOTHING)
    assert not read_history(path).unfinished


@pytest.mark.parametrize("unfinished", [0, 3])
def test_a_sweep_that_was_stopped_is_unfinished(begin, path, unfinished):
    begin().closed(unfinished, NOTHING)
    assert read_history(path).unfinished == bool(unfinished)


def test_what_something_follows_from_is_on_the_disk(begin, path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fdatasync", lambda file: synced.append(path.read_bytes()))
    journal = begin()
    synced.clear()
    journal.handled(Announced(1.0, "e/0", 1), [])
    assert synced == []
    journal.handled(*ENDED)
    (on_disk,) = synced
    assert on_disk == path.read_bytes()
    assert b'"announced"' in on_disk


def test_a_trial_is_on_the_disk_before_it_starts(begin, path):
    journal = begin()
    trial = Trial("e", 0, "script_0", "script", {}, {}, seed=0)
    journal.started([trial])
    assert read_history(path).trials() == {}
    journal.handled(*BEGAN)
    assert read_history(path).trials() == {"e/0": TrialEntry.of(trial)}


def test_what_the_recorder_says_of_an_end_is_kept(begin, path):
    journal = begin()
    trial = Trial("e", 0, "script_0", "script", {}, {}, seed=0)
    info = AttemptInfo(trial, 2, path.parent, pid=5, hostname="h", started_at=3.0)
    journal.heard(AttemptStatus(info, run_id="r"))
    journal.heard(AttemptStatus(info, outcome=WELL, run_id="r"))
    journal.closed(0, NOTHING)
    entries = [e for e in read_history(path).entries if isinstance(e, AttemptEntry)]
    assert entries == [AttemptEntry("e/0", 2, "h", 5, "", "", 3.0, "r", None)]


def test_the_end_says_how_the_sweep_stood(begin, path):
    well = TrialSummary("e", "n1", 1, {}, {}, TrialState.TERMINATED, last_result={"mean_loss": 0.5})
    bad = TrialSummary("e", "n0", 0, {}, {}, TrialState.ERROR, cancelled=True)
    experiment = ExperimentSummary(
        "e", [bad, well], path, Objective("mean_loss", "min"), mlflow_run_id="r", view_url="v"
    )
    begin().closed(3, Summary("s1", [experiment], interrupted=True, ended_early="full"))
    closed = read_history(path).closed
    best = Best("e/1", "n1", "mean_loss", 0.5)
    of_e = ExperimentStanding(2, 1, 1, best, "r", None, "v")
    assert closed == ClosedEntry(closed.time, 3, True, "full", {"e": of_e})


def test_an_edited_spec_takes_the_place_of_the_first(begin, path):
    journal = begin()
    edited = SweepEntry("s1", "run-2", "/cwd", {}, {"e": {}}, {"e": {"num_trials": 9}}, 7)
    journal.began(edited)
    assert read_history(path).sweep == read_sweep(path) == edited


def test_who_looks_at_a_sweep_sees_what_has_happened_by_the_last_tick(begin, path, monkeypatch):
    journal = begin()
    monkeypatch.setattr(os, "fdatasync", lambda file: pytest.fail("it need not be on the disk"))
    journal.handled(Announced(1.0, "e/0", 1), [])
    assert list(read_history(path).handled()) == []
    journal.handled(Ticked(1.25), [])
    journal.handled(Ticked(1.5), [])
    assert list(read_history(path).handled()) == [HandledEntry(Announced(1.0, "e/0", 1))]
    monkeypatch.undo()
    journal.handled(*ENDED)
    assert len(list(read_history(path).handled())) == 2


def test_what_the_disk_has_not_taken_is_written_again(begin, path, monkeypatch):
    journal = begin()

    def refuse(file):
        os.pwrite(file, b"?" * 50, path.stat().st_size - 50)  # a disk may lose what it refuses
        raise OSError(errno.EIO, "an error of the disk")

    monkeypatch.setattr(os, "fdatasync", refuse)
    journal.handled(*BEGAN)
    assert len(begin.warned) == 1
    monkeypatch.undo()
    journal.handled(*ENDED)
    assert len(list(read_history(path).handled())) == 2


@pytest.mark.parametrize("listens", [False, True])
def test_reports_are_kept_if_the_scheduler_listens(begin, path, listens):
    journal = begin(keeps_reports=listens)
    journal.handled(Reported(1.0, "e/0", 1, 1, {"mean_loss": float("nan")}), [])
    journal.handled(Ticked(1.5), [])
    journal.closed(0, NOTHING)
    assert len(list(read_history(path).handled())) == listens


def test_a_tick_a_minute_is_kept_for_the_clock_of_a_later_driver(begin, path):
    journal = begin()
    journal.handled(*BEGAN)
    first = BEGAN[0].at
    for at in (first + 59, first + 60, first + 119, first + 121):
        journal.handled(Ticked(at), [])
    journal.closed(0, NOTHING)
    times = [entry.event.at for entry in read_history(path).handled()]
    assert times == [first, first + 60, first + 121]


def test_a_disk_that_is_full_ends_nothing_and_is_made_up_for(begin, path, monkeypatch):
    journal = begin()
    pwrite = os.pwrite

    def a_little_of_it(file, data, offset):
        return pwrite(file, data[:20], offset)

    monkeypatch.setattr(os, "pwrite", a_little_of_it)
    journal.handled(*BEGAN)
    journal.handled(*BEGAN)
    assert begin.warned == []  # it is said once, by who looks for room for trials
    assert list(read_history(path).handled()) == []
    monkeypatch.setattr(os, "pwrite", pwrite)
    journal.handled(*ENDED)
    assert len(list(read_history(path).handled())) == 3


def test_what_a_full_disk_has_not_taken_at_the_end_is_said(begin, monkeypatch):
    journal = begin()
    monkeypatch.setattr(os, "pwrite", lambda *_: 0)
    journal.handled(*BEGAN)
    journal.close()
    (warning,) = begin.warned
    assert f"cannot be written ([Errno {errno.ENOSPC}]" in warning


def test_a_disk_that_fails_is_said_once(begin, monkeypatch):
    journal = begin()

    def fail(*_):
        raise OSError(errno.EIO, "I/O error")

    monkeypatch.setattr(os, "pwrite", fail)
    journal.handled(*BEGAN)
    journal.handled(*BEGAN)
    (warning,) = begin.warned
    assert "cannot be written ([Errno 5] I/O error)" in warning


def test_a_journal_that_was_removed_is_said_once_and_ends_nothing(begin, path):
    journal = begin()
    shutil.rmtree(path.parent)
    journal.handled(*BEGAN)
    journal.handled(*ENDED)
    (warning,) = begin.warned
    assert "cannot be written ([Errno 2] it was removed while the sweep ran)" in warning


# ── Who has it ─────


def test_two_drivers_never_have_one_sweep(begin, path):
    here = f"process {os.getpid()} on {socket.gethostname()}"
    begin().began(replace(DRIVER, host=socket.gethostname(), pid=os.getpid()))
    with pytest.raises(HeldError, match=f"of another driver: {here}, since 1970-01-01"):
        open_locked(path, lambda: False)


def test_who_has_it_is_not_the_driver_that_has_died(begin, path, monkeypatch):
    begin()
    with pytest.raises(HeldError, match=f"in the hands of process {os.getpid()}: that delivers"):
        open_locked(path, lambda: False)
    # Nobody here has: somebody on another machine.
    monkeypatch.setattr("tune_tasks.model.files._LOCKS", path.with_name("locks"))
    with pytest.raises(HeldError, match="probably of its last driver: process 42 on host, since"):
        open_locked(path, lambda: False)


def test_a_second_driver_may_wait_for_the_first(path):
    file = create_locked(path)
    asked = []

    def waits():
        asked.append(1)
        file.close()  # as the end of its process does
        return True

    open_locked(path, waits).close()
    assert asked == [1]


@pytest.mark.processes
def test_a_driver_that_is_killed_lets_go(path):
    code = (
        "import sys, time; from pathlib import Path; from tune_tasks.sweep.journal import create_locked\n"
        "file = create_locked(Path(sys.argv[1])); print('held', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(HeldError, match="just being begun"):
            open_locked(path, lambda: False)
        process.kill()
        process.wait()
        open_locked(path, lambda: False).close()


def test_one_can_see_whether_a_driver_has_it(begin, path):
    journal = begin()
    assert is_held(path)
    journal.close()
    assert not is_held(path)


def test_looking_hinders_neither_a_driver_nor_another_look(path):
    create_locked(path).close()
    with path.open("rb") as look:
        assert try_lock(look, shared=True)
        assert not is_held(path)
        asked = []

        def waits():
            asked.append(1)
            look.close()
            return True

        open_locked(path, waits).close()
    assert asked == [1]


def test_only_the_user_may_read_it(begin, path):
    begin()
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_latest_sweep_is_first(tmp_path):
    for sweep in ("2026-01-02", "2026-01-03", "2026-01-01"):
        create_locked(journal_path(tmp_path, sweep)).close()
    assert [p.parent.name for p in journals_in(tmp_path)] == [
        "2026-01-03",
        "2026-01-02",
        "2026-01-01",
    ]


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ([], "says nothing"),
        (['{"kind": "closed", "time": 1, "unfinished": 0}'], "says nothing"),
        (['{"kind": "of the future"}'], "does not know"),
        (["5"], "does not know"),
    ],
)
def test_what_is_no_journal_is_refused(texts, said, path):
    with pytest.raises(UsageError, match=said):
        history_of([line_of(text) for text in texts], path)


@pytest.mark.parametrize("begins", [SWEEP, DRIVER])
def test_a_journal_of_a_later_form_is_refused_and_an_older_one_is_read(begins, path):
    texts = [entry_to_json(SWEEP), entry_to_json(replace(begins, version=2))]
    with pytest.raises(UsageError, match="has the form 2 of a later version"):
        history_of([line_of(text) for text in texts], path)
    texts = [entry_to_json(replace(SWEEP, version=0)), entry_to_json(DRIVER)]
    assert history_of([line_of(text) for text in texts], path)[0].drivers() == [DRIVER]


def test_half_a_character_in_a_report_is_no_reason_to_lose_the_rest():
    event = Reported(1.0, "e/0", 1, 1, {"info": {"x": "half \ud800", "y": math.nan}})
    entry = entry_from_json(entry_to_json(HandledEntry(event)))
    assert entry.event.result["info"]["x"] == "half ?"
    assert math.isnan(entry.event.result["info"]["y"])
