"""A trial's names, outcome and files."""

import json
import traceback

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tune_tasks.model.failure import Failure, FailureCause
from tune_tasks.model.files import AttemptPaths, write_aside
from tune_tasks.model.trial import (
    EndedBy,
    Outcome,
    Resources,
    Trial,
    TrialState,
    attempt_name,
    last_line,
    safe_name,
    shown_name,
)


def trial(name="script_mnist_0", index=0, config=None):
    return Trial("exp", index, name, "script", config or {}, {}, seed=1)


@given(st.text())
@example("..")
@example("")
@example("a/../b")
def test_a_safe_name_is_a_folders_name_everywhere(name):
    safe = safe_name(name)
    assert 0 < len(safe.encode()) <= 100
    assert safe.strip(".")
    assert all(c.isascii() and (c.isalnum() or c in "._=,+-") for c in safe)


def test_an_ordinary_name_is_its_own_folder():
    assert trial("script_mnist_0_activation=relu").folder == "script_mnist_0_activation=relu"
    assert trial("script_a b_1_x=[1, 2]", 1).folder == "script_a_b_1_x=_1,_2_"


@given(st.integers(0, 110), st.integers(0, 110), st.sampled_from("x_1"))
def test_trials_of_one_experiment_have_folders_of_their_own(env, values, letter):
    indices = [0, 1, 2, 10, 11, 21, 111, 1111]
    folders = [trial(f"script_{letter * env}_{i}_k={letter * values}", i).folder for i in indices]
    assert len(set(folders)) == len(indices)
    assert max(map(len, folders)) <= 100


def test_words_of_2017():
    assert [str(state) for state in TrialState] == ["PENDING", "RUNNING", "TERMINATED", "ERROR"]
    assert trial().key == "exp/0"
    assert str(Resources(0.5, 1, 2**31)) == "0.5 CPUs, 1 GPU, 2 GiB of memory"


def test_an_outcome_is_read_as_it_was_written(tmp_path):
    paths = AttemptPaths.of(tmp_path, trial(config={"lr": 0.1}), 1)
    paths.create({"lr": 0.1, "f": print})
    assert paths.read_outcome() is None
    outcome = Outcome(
        TrialState.ERROR, EndedBy.ERROR, "error", "Traceback …\nValueError: bad é", reports=3
    )
    paths.write_outcome(outcome)
    assert paths.read_outcome() == outcome
    assert outcome.error_summary == "ValueError: bad é"
    assert paths.error.read_text(encoding="utf-8") == "Traceback …\nValueError: bad é\n"
    assert json.loads(paths.params.read_text()) == {"lr": 0.1, "f": repr(print)}
    assert sorted(p.name for p in paths.folder.iterdir()) == [
        "error.txt",
        "outcome.json",
        "params.json",
    ]


def test_an_outcome_can_be_shown_and_sent_whatever_was_raised():
    raised = "Traceback\n  line\nValueError: \ud800 nul \0 \x1b[31mred\x1b[0m " + "x" * 100_000
    outcome = Outcome(
        TrialState.ERROR, EndedBy.CRITERION, "m\0\n" + "y" * 5_000 + " 3 >= 2", raised
    )
    assert outcome.error == "Traceback\n  line\nValueError: \\ud800 nul \\x00 red " + "x" * 100_000
    assert outcome.error_summary == "ValueError: \\ud800 nul \\x00 red ".ljust(199, "x") + "…"
    assert outcome.stop_reason == "m\\x00\\n".ljust(199, "y") + "…"
    assert Outcome.from_json(outcome.to_json()) == outcome


@pytest.mark.parametrize(
    ("raised", "cause"),
    [
        ("ValueError('one line')", "ValueError: one line"),
        ("ValueError()", "ValueError"),
        (
            r"RuntimeError('state of Net:\n\tsize mismatch\n')",
            r"RuntimeError: state of Net:\n\tsize mismatch",
        ),
        ("exec('x = (')", "SyntaxError: '(' was never closed"),
        (r"ValueError('ray::f()\n  File \"x.py\", line 3, in f\nKeyError: 1')", "KeyError: 1"),
    ],
)
def test_the_cause_is_the_exception_with_all_of_its_lines(raised, cause):
    try:
        exec(raised) if raised.startswith("exec") else exec(f"raise {raised}")
    except Exception:
        assert last_line(traceback.format_exc()) == cause


def test_a_long_name_is_cut_where_it_is_shown_and_keeps_its_index():
    long = trial("x" * 5_000, 12)
    assert attempt_name(long, 1) == shown_name(long.name, 12) == "x" * 196 + "…_12"
    assert attempt_name(long, 2) == "x" * 196 + "…_12 (attempt 2)"
    assert attempt_name(trial(), 2) == "script_mnist_0 (attempt 2)"


def test_an_outcome_says_why_it_failed_and_an_old_one_does_not():
    failed = Outcome.failed(
        Failure(FailureCause.EXCEPTION, "bad", ("ValueError", "Exception")), "ValueError: bad", 3
    )
    assert Outcome.from_json(failed.to_json()) == failed
    old = '{"state": "ERROR", "ended_by": "error", "stop_reason": "error", "error": "x", "reports": 1}'
    assert Outcome.from_json(old).failure is None


def test_a_file_that_cannot_be_written_leaves_no_half_of_it(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(IsADirectoryError):
        write_aside(tmp_path / "a", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_each_attempt_has_its_own_folder(tmp_path):
    assert AttemptPaths.of(tmp_path, trial(), 1).folder == tmp_path / "script_mnist_0"
    assert AttemptPaths.of(tmp_path, trial(), 2).folder == tmp_path / "script_mnist_0" / "attempt_2"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "{",
            "[]",
            "null",
            "{}",
            '{"state": "X"}',
            "\x00",
            '{"state": "ERROR", "ended_by": "error"}',
            "[" * 100_000,
        ),
        '{"state": "ERROR", "ended_by": "error", "stop_reason": 5}',
        '{"state": "ERROR", "ended_by": "error", "stop_reason": "", "error": ["x"]}',
        '{"state": "ERROR", "ended_by": "error", "stop_reason": "", "reports": "3"}',
        '{"state": "ERROR", "ended_by": "error", "stop_reason": "", "failure": "out_of_memory"}',
        '{"state": "ERROR", "ended_by": "error", "stop_reason": "", "failure": {"cause": "x"}}',
    ],
)
def test_a_broken_outcome_is_none(tmp_path, text):
    paths = AttemptPaths(tmp_path)
    paths.outcome.write_text(text)
    assert paths.read_outcome() is None


def test_write_aside_leaves_one_file(tmp_path):
    write_aside(tmp_path / "a", "old")
    write_aside(tmp_path / "a", "new")
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"a": "new"}
