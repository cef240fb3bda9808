"""The live table, and what is shown when."""

import io

from tests.sweep.views import ENDED, FAILED, record, view
from tune_tasks.model.trial import EndedBy, Outcome, TrialState
from tune_tasks.sweep.display import ClassicDisplay, LiveDisplay, make_display, put
from tune_tasks.sweep.status import status_lines


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


def test_auto_is_classic_where_there_is_no_terminal():
    assert isinstance(make_display("auto", io.StringIO()), ClassicDisplay)


def test_a_closed_stream_is_not_written_to():
    closed = io.StringIO()
    closed.close()
    put("x", closed)
