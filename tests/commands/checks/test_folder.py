"""Whether the results can be written, and have room."""

from tune_tasks.commands.checks.folder import folder_findings, room_finding


def test_a_folder_that_is_not_there_yet_can_be_written(tmp_path):
    written, room = folder_findings(tmp_path / "results")
    assert written.line() == f"ok      results folder: {tmp_path}/results can be written"
    assert room.about == "disk"
    assert not (tmp_path / "results").exists()


def test_a_file_in_the_way_is_a_problem(tmp_path):
    (tmp_path / "file").touch()
    (problem,) = folder_findings(tmp_path / "file" / "results")
    assert problem.line().startswith("problem results folder: the results cannot be written to")
    assert problem.advice == "give another --local-dir"


def test_a_disk_that_is_nearly_full():
    assert room_finding(2**29, 2**33).line() == (
        "warning disk: 0.5 of 8.0 GiB free; make room: trials wait while there is none"
    )
    assert room_finding(2**31, 2**33).line() == "ok      disk: 2.0 of 8.0 GiB free"
