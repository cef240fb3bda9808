"""The status block of 2017, the live table, and what is shown when."""

import io
from pathlib import Path
from types import SimpleNamespace

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.objective import Objective
from tune_tasks.model.result_file import Progress
from tune_tasks.model.trial import EndedBy, Outcome, Trial, TrialState
from tune_tasks.recording.protocol import AttemptStatus
from tune_tasks.sweep.records import Attempt, TrialRecord
from tune_tasks.sweep.status import (
    ClassicDisplay,
    LiveDisplay,
    StatusView,
    make_display,
    put,
    status_lines,
)


def record(index, row=None, outcome=None, running=False, non_finite=0):
    trial = Trial("exp", index, f"script_mnist_{index}", "script", {}, {}, seed=0)
    made = TrialRecord(trial, outcome=outcome)
    if row or running:
        made.attempt = Attempt(1, AttemptPaths(Path("/logs")), None, None, 0)
        progress = Progress(
            1, 10, row and {"time_total_s": 16.4, "timesteps_total": 20, **row}, non_finite
        )
        made.status = AttemptStatus(
            AttemptInfo(trial, 1, Path("/logs"), pid=27708), progress=progress
        )
    return made


def view(*records, metric=None, mode=None):
    return StatusView(
        4,
        0,
        {
            "exp": SimpleNamespace(
                folder=Path("/tmp/ray/exp"), objective=Objective.of_spec(metric, mode)
            )
        },
        records,
    )


ENDED = Outcome(TrialState.TERMINATED, EndedBy.RETURNED, "train() returned")
FAILED = Outcome(TrialState.ERROR, EndedBy.ERROR, "error", "Traceback\nValueError: bad")


def test_the_block_of_2017():
    records = [
        record(0, {"mean_accuracy": 0.991}, ENDED),
        record(1, {"mean_accuracy": 0.4567, "mean_loss": 1.5, "episode_reward_mean": 200.0}),
        record(2, running=True),
        record(3),
        record(4, {"info": {"own": 3.14159, "more": {"x": 1}}}, FAILED),
        record(5, {"mean_loss": float("nan")}, non_finite=2),
    ]
    assert list(status_lines(view(*records))) == [
        "== Status ==",
        "Resources used: 3/4 CPUs, 0/0 GPUs",
        "Tensorboard logdir: /tmp/ray/exp",
        " - script_mnist_1:\tRUNNING [pid=27708], 16 s, 20 ts, 200 rew, 1.5 loss, 0.457 acc",
        " - script_mnist_2:\tRUNNING [pid=27708]",
        " - script_mnist_5:\tRUNNING [pid=27708], 16 s, 20 ts, nan loss, 2 values not finite",
        " - script_mnist_0:\tTERMINATED, 16 s, 20 ts, 0.991 acc",
        " - script_mnist_3:\tPENDING",
        " - script_mnist_4:\tERROR, 16 s, 20 ts, 3.14 own, 1 more/x, ValueError: bad",
        "",
    ]


def test_a_long_list_is_folded_with_counts():
    records = [record(i, {}, ENDED) for i in range(30)] + [
        record(30 + i, {"mean_loss": 1.0}) for i in range(3)
    ]
    lines = list(status_lines(view(*records, *(record(40 + i) for i in range(30)))))
    assert lines[3].startswith(" - script_mnist_30:\tRUNNING")
    assert lines[-2] == "   … 43 more trials: 13 PENDING, 30 TERMINATED"


def test_the_block_is_printed_when_something_changed_and_not_too_often():
    out = io.StringIO()
    display = ClassicDisplay(out, every_s=1000)
    for value in (1.0, 2.0, 3.0):
        display.show(view(record(0, {"mean_loss": value})))
    display.close()
    assert [line.rsplit(", ", 1)[1] for line in out.getvalue().splitlines() if "loss" in line] == [
        "1 loss",
        "3 loss",
    ]
    out = io.StringIO()
    display = ClassicDisplay(out, every_s=0)
    for _ in range(3):
        display.show(view(record(0, {"mean_loss": 1.0})))
    assert out.getvalue().count("== Status ==") == 1


def test_a_stream_that_cannot_hold_a_text_gets_it_escaped():
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    display = ClassicDisplay(out)
    display.note("é \ud800 \x1b[2J")
    display.show(
        view(record(0, outcome=Outcome(TrialState.ERROR, EndedBy.ERROR, "error", "ValueError: ü")))
    )
    out.seek(0)
    lines = out.read().splitlines()
    assert lines[0] == r"\xe9 \ud800 \x1b[2J"
    assert lines[4] == " - script_mnist_0:\tERROR, ValueError: \\xfc"


def test_long_texts_are_cut_in_the_table_too():
    out = io.StringIO()
    long = record(0, outcome=Outcome(TrialState.ERROR, EndedBy.ERROR, "error", "x" * 100_000))
    (line,) = [line for line in status_lines(view(long)) if "ERROR" in line]
    assert len(line) < 230
    display = LiveDisplay(out)
    display.show(view(long))
    display.close()
    assert len(out.getvalue()) < 20_000


def test_the_live_table():
    out = io.StringIO()
    display = LiveDisplay(out)
    display.show(view(record(0, {"mean_loss": 1.0}), record(1, {"mean_loss": 0.25}, FAILED)))
    display.note("Prefect: http://127.0.0.1:4200")
    display.close()
    text = out.getvalue()
    assert "exp: 1 RUNNING, 1 ERROR" in text
    assert "ValueError:" in text
    assert "Prefect: http://127.0.0.1:4200" in text


def test_the_live_table_says_how_many_are_done_and_when_the_sweep_may_end():
    def head(*records):
        out = io.StringIO()
        display = LiveDisplay(out)
        display.show(view(*records))
        display.close()
        return out.getvalue().splitlines()[0].strip()

    running = record(0, {"time_total_s": 20.0})
    ended = record(1, {"time_total_s": 60.0}, ENDED)
    failed = record(2, {"time_total_s": 1.0}, FAILED)
    waiting = [record(3 + i) for i in range(9)]
    assert head(running, *waiting) == "1/4 CPUs, 0/0 GPUs in use; 0 of 10 trials done"
    assert (
        head(running, ended, failed, *waiting)
        == "1/4 CPUs, 0/0 GPUs in use; 2 of 12 trials done, about 10 min left"
    )


def test_the_live_table_has_the_metric_that_the_spec_names_and_goes_best_first(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    out = io.StringIO()
    values = [0.5, 0.9, None, float("nan"), 0.7, 0.95]
    outcomes = [None, ENDED, None, ENDED, ENDED, FAILED]
    records = [
        record(i, value and {"mean_validation_accuracy": value, "mean_loss": 1.0}, outcome)
        for i, (value, outcome) in enumerate(zip(values, outcomes, strict=True))
    ]
    display = LiveDisplay(out)
    display.show(view(*records, metric="mean_validation_accuracy"))
    display.close()
    head, *rows = [
        line for line in out.getvalue().splitlines() if "mean_valid" in line or "script_" in line
    ]
    assert "mean_valid" in head
    assert [row.split("script_mnist_")[1][0] for row in rows[:6]] == ["1", "4", "0", "5", "2", "3"]


def test_by_a_loss_the_smallest_is_first():
    losses = [record(i, {"mean_loss": loss}) for i, loss in enumerate([0.5, 0.1, 0.3])]
    assert [r.trial.index for r in view(*losses).best_first("exp")[0]] == [1, 2, 0]
    many = view(*(record(i, {"info": {"f1": i / 100}}, ENDED) for i in range(30)), metric="f1")
    listed, rest = many.best_first("exp")
    assert (listed[0].trial.index, rest) == (29, "… 10 more trials: 10 TERMINATED")


def test_the_block_has_the_metric_that_the_spec_names():
    block = list(
        status_lines(
            view(
                record(0, {"mean_validation_accuracy": 0.5, "mean_loss": 1.0}),
                metric="mean_validation_accuracy",
            )
        )
    )
    assert block[3].endswith("20 ts, 0.5 mean_validation_accuracy, 1 loss")


def test_auto_is_classic_where_there_is_no_terminal():
    assert isinstance(make_display("auto", io.StringIO()), ClassicDisplay)


def test_a_closed_stream_is_not_written_to():
    closed = io.StringIO()
    closed.close()
    put("x", closed)


def test_trials_that_are_not_listed_are_counted():
    many = StatusView(
        4,
        0,
        {"exp": SimpleNamespace(folder=Path("/tmp/ray/exp"), objective=None)},
        [record(0, running=True), *(record(1 + i) for i in range(20))],
        {"exp": 999_979},
    )
    assert list(status_lines(many))[-2] == "   … 999980 more trials: 999980 PENDING"
