"""The file of a trial's reports, whatever else writes into it, and what becomes of it."""

import json
import os
import shutil

import pytest

from tune_tasks.errors import ReportError
from tune_tasks.model.result_file import (
    parse_report,
    read_last_report,
    read_progress,
    read_rows,
)
from tune_tasks.model.trial import Trial
from tune_tasks.result import TrainingResult
from tune_tasks.trial.reports import TrialReports

FOREIGN = [
    *(
        "the end",
        "5",
        "[1]",
        "{}",
        '{"loss": 1}',
        '{"timesteps_total": 1}',
        '{"timesteps_total": 1, ',
        "[" * 100_000,
    ),
    "\ufffd\x00",
]


class Rig:
    """A trial that reports, and what the trackers and the driver read of it."""

    def __init__(self, folder):
        folder.mkdir(exist_ok=True)
        self.path = folder / "result.json"
        self.reports = TrialReports(
            Trial("e", 0, "n", "script", {"lr": 0.1}, {}, seed=1), self.path, "id"
        )

    def report(self, *steps):
        for step in steps:
            self.reports.add(TrainingResult(timesteps_total=step, mean_loss=1 / step))

    def write(self, text):
        with self.path.open("a") as file:
            file.write(text)

    def read(self, limit=2):
        """The steps of every report, as a tracker reads them."""
        steps, offset, size = [], 0, self.reports.progress.size
        while offset < size:
            read = read_rows(self.path, offset, size, limit)
            if read.end == offset:
                break
            steps += [row["timesteps_total"] for row in read.rows]
            offset = read.end
        return steps


@pytest.fixture
def rig(tmp_path):
    return Rig(tmp_path / "trial")


@pytest.mark.parametrize("end", ["\n", ""], ids=["with its end", "without its end"])
@pytest.mark.parametrize("line", FOREIGN, ids=range(len(FOREIGN)))
def test_a_line_that_is_no_report_is_skipped_and_counted_and_blocks_nothing(rig, line, end):
    rig.report(1, 2)
    rig.write(line + end)
    rig.report(3)
    rig.write(line + "\n")
    rig.report(4, 5)
    assert rig.read() == [1, 2, 3, 4, 5]
    progress = read_progress(rig.path)
    assert (progress.reports, progress.foreign_lines) == (5, 2)
    assert (progress.size, progress.last) == (rig.path.stat().st_size, rig.reports.progress.last)
    assert rig.reports.close() is None


@pytest.mark.parametrize("line", FOREIGN, ids=range(len(FOREIGN)))
def test_a_last_line_that_is_no_report(rig, line):
    rig.report(1, 2)
    rig.write(line + "\n")
    assert rig.read() == [1, 2]
    progress = read_progress(rig.path)
    assert (progress.reports, progress.last["timesteps_total"], progress.foreign_lines) == (2, 2, 1)
    assert rig.reports.close() is None


def test_what_was_there_before_the_first_report(tmp_path):
    (tmp_path / "result.json").write_text('{\n  "loss": 1\n}')
    rig = Rig(tmp_path)
    rig.report(1, 2)
    assert rig.read() == [1, 2]
    assert (read_progress(rig.path).reports, read_progress(rig.path).foreign_lines) == (2, 3)


def test_values_that_are_not_finite_are_counted_as_the_trial_counts_them(rig):
    for value in (float("nan"), 1.0, float("-inf")):
        info = {"f1": value, "name": "NaN"}
        rig.reports.add(TrainingResult(timesteps_total=1, mean_loss=value, info=info))
    assert read_progress(rig.path).non_finite == rig.reports.progress.non_finite == 4


def test_the_last_report_is_read_alone(rig, tmp_path):
    rig.report(*range(1, 2_000))
    assert rig.path.stat().st_size > 64_000
    assert read_last_report(rig.path).last == read_progress(rig.path).last
    assert read_last_report(tmp_path / "absent").last is None


def dump(path):
    with path.open("w") as file:
        json.dump({"loss": 1}, file, indent=2)


def dump_more(path):
    path.write_text(json.dumps(list(range(1000)), indent=2) + "\n")


def replace(path):
    dump_more(path.with_name("mine"))
    path.with_name("mine").replace(path)


OVERWRITTEN = {
    "dump": dump,
    "longer than it was": dump_more,
    "truncated": lambda path: os.truncate(path, 0),
}
GONE = {
    "removed": os.remove,
    "replaced": replace,
    "moved": lambda path: path.rename(path.with_name("moved")),
    "folder removed": lambda path: shutil.rmtree(path.parent),
    "folder moved": lambda path: path.parent.rename(path.parent.with_name("elsewhere")),
}
CASES = [(do, "was overwritten by something else") for do in OVERWRITTEN.values()] + [
    (do, "was removed, moved or replaced by something else") for do in GONE.values()
]


@pytest.mark.parametrize(("do", "message"), CASES, ids=[*OVERWRITTEN, *GONE])
def test_reports_that_are_gone_are_noticed_at_the_end(rig, do, message):
    rig.report(1, 2)
    do(rig.path)
    problem = rig.reports.close()
    assert problem.startswith(
        f"result.json {message}, and the reports up to then are gone; have whatever else"
    )


@pytest.mark.parametrize(
    ("do", "message"),
    [case for case in CASES if case[0] not in (GONE["moved"], GONE["folder moved"])],
)
def test_reports_that_are_gone_are_noticed_by_the_next_report(rig, do, message):
    rig.report(1, 2)
    do(rig.path)
    for _ in range(2):
        with pytest.raises(ReportError, match=message):
            rig.report(3)
    assert rig.reports.progress.reports == 2
    assert message in rig.reports.close()
    assert len(rig.read()) < 2
    read_progress(rig.path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("timestamp", None),
        ("timesteps_total", "1"),
        ("timesteps_total", 2**63),
        ("timesteps_total", -1),
        ("training_iteration", True),
        ("mean_loss", "low"),
        ("info", [1]),
    ],
)
def test_a_line_that_only_looks_like_a_report_is_none(rig, key, value):
    rig.report(1)
    line = rig.path.read_bytes()
    assert parse_report(line)["mean_loss"] == 1
    assert parse_report((json.dumps(json.loads(line) | {key: value}) + "\n").encode()) is None


@pytest.mark.parametrize(
    "make", [lambda path: None, lambda path: path.mkdir()], ids=["absent", "a folder"]
)
def test_a_file_that_is_none_holds_nothing(tmp_path, make):
    make(tmp_path / "result.json")
    assert read_progress(tmp_path / "result.json").reports == 0
    assert read_rows(tmp_path / "result.json", 5, 10, 100).end == 5
