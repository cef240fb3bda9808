"""The report: its text, and that its pictures show what the trials' files hold."""

import json
import re
import struct
from dataclasses import replace

import pytest

from tune_tasks.model.objective import Objective
from tune_tasks.model.stopping import parse_criterion
from tune_tasks.model.trial import TrialState
from tune_tasks.results import plots
from tune_tasks.results.figure import limit_to_most, new_figure
from tune_tasks.results.report import ReportPaths, report_text, with_pictures_inside, write_report
from tune_tasks.results.summary import ExperimentSummary, Summary
from tune_tasks.results.trials import TrialSummary
from tune_tasks.search.dimension import Dimension

TERMINATED, ERROR = TrialState.TERMINATED, TrialState.ERROR
TITLES = [
    "Learning curves of the best trials",
    "The metric against what was searched",
    "Parallel coordinates",
]


def trial(folder, index, accuracy, state=TERMINATED, **searched):
    logdir = folder / str(index)
    logdir.mkdir()
    more = {"training_iteration": 1, "time_total_s": 1.0, "timestamp": 1.0}
    rows = [
        {"timesteps_total": step, "mean_accuracy": accuracy * step / 20, **more}
        for step in range(1, 21)
    ]
    (logdir / "result.json").write_text("".join(json.dumps(row) + "\n" for row in rows))
    failed = state is ERROR
    return TrialSummary(
        experiment="exp",
        name=f"script_{index}",
        index=index,
        config={"fixed": {"a": [1, (2,)]}, "made": object, **searched},
        searched=searched,
        state=state,
        stop_reason=(
            "ValueError" if failed else f"mean_accuracy {accuracy:g} >= 0.3 after 20 timesteps"
        ),
        last_result=rows[-1],
        error="Traceback …\nValueError: bad | worse" if failed else None,
        logdir=str(logdir),
    )


@pytest.fixture
def experiment(tmp_path):
    trials = [
        trial(tmp_path, 0, 0.5, lr=0.1, act="relu"),
        trial(tmp_path, 1, 0.9, lr=1e-5, act="tanh"),
        trial(tmp_path, 2, 0.99, ERROR, lr=1, act="tanh"),
        trial(tmp_path, 3, 0.7, lr=None, act="relu"),
    ]
    return ExperimentSummary(
        "exp", trials, tmp_path, Objective("mean_accuracy", "max"), ["nowhere"]
    )


def text_of(experiment, **fields):
    return "\n".join(report_text(Summary("a-sweep", [experiment], **fields), experiment))


def test_the_text(experiment):
    text = text_of(experiment)
    assert text.startswith(
        "# exp\n\nSweep `a-sweep`: 4/4 done, best mean_accuracy 0.9, 1 failed.\n"
    )
    assert (
        "`script_1` with mean_accuracy **0.9**\n\n```yaml\nfixed:\n  a:\n  - 1\n  - - 2\nmade:"
        " <class 'object'>\n" in text
    )
    assert (
        "- 3 × `mean_accuracy >= 0.3`: `script_0`, `script_1`, `script_3`\n- `stop.nowhere` never"
        " triggered" in text
    )
    assert "## Failures\n\n- 1 trial: `ValueError: bad | worse` (trial 2)\n" in text
    assert "| script_2 | ERROR | 0.99 | 20 |  | ValueError: bad \\| worse |  |" in text
    assert "Interrupted" not in text
    assert "**Interrupted**" in text_of(experiment, interrupted=True)


@pytest.mark.long
def test_written_with_its_pictures(experiment):
    paths = ReportPaths(experiment.logdir)
    write_report(Summary("a-sweep", [experiment]), experiment)
    files = [paths.picture(title) for title in TITLES]
    assert [f"![{title}]({file.name})" for title, file in zip(TITLES, files, strict=True)] == [
        line for line in paths.text.read_text().splitlines() if line.startswith("![")
    ]
    for file in files:
        signature, width, height = struct.unpack(">8s8xII", file.read_bytes()[:24])
        assert signature == b"\x89PNG\r\n\x1a\n"
        assert min(width, height) > 200
    embedded = with_pictures_inside(paths)
    assert embedded.count("](data:image/png;base64,iVBOR") == 3
    assert ".png)" not in embedded


@pytest.mark.long
def test_the_pictures_of_a_search(tmp_path):
    """A picture of what matters is there once it can be said; what matters most is drawn first."""
    trials = [
        trial(tmp_path, index, lr, lr=lr, dropout=0.1)
        for index, lr in enumerate([0.1 + i / 100 for i in range(20)])
    ]
    dimensions = [
        Dimension("dropout", "dropout", "uniform", (0, 1)),
        Dimension("lr", "lr", "loguniform", (0.01, 1)),
    ]
    ended = [
        replace(each, proposed_by="qmc", attempts=1, point={"lr": i / 20, "dropout": 0.1})
        for i, each in enumerate(trials)
    ]
    whole = ExperimentSummary(
        "exp", ended, tmp_path, Objective("mean_accuracy", "max"), dimensions=dimensions
    )
    assert list(plots.draw(whole)) == [
        TITLES[0],
        "How the best became better",
        "What matters",
        *TITLES[1:],
    ]
    axes = plots._axes(ended, dimensions, {"lr": 0.9, "dropout": 0.1})
    assert [(axis.name, axis.is_log) for axis in axes] == [("lr", True), ("dropout", False)]
    few = replace(whole, trials=ended[:9])
    assert "What matters" not in plots.draw(few)


@pytest.mark.long
@pytest.mark.parametrize(
    ("mode", "values", "limit"),
    [
        ("min", [*range(20), 1e9], 27),
        ("max", [*range(20), -1e9], -8),
        ("min", [*range(20), 30], None),
        ("min", [1.0] * 20, None),
    ],
)
def test_what_is_far_worse_than_the_others_is_left_out(mode, values, limit):
    _, plot = new_figure(4, 4)
    plot.scatter(range(len(values)), values)
    before = plot.get_ylim()
    limit_to_most(plot, values, Objective("m", mode))
    low, high = plot.get_ylim()
    if limit is None:
        assert (low, high) == before
    else:
        assert (high if mode == "min" else low) == limit


@pytest.mark.long
def test_the_curves_are_named_shortly_and_counts_are_whole_numbers(experiment):
    figure = plots._learning_curves(experiment.scored()[:2], "mean_accuracy")
    (plot,) = figure.axes
    labels = [text.get_text() for text in plot.get_legend().get_texts()]
    assert [label.partition(":")[0] for label in labels] == [
        f"trial {trial.index}" for trial in experiment.scored()[:2]
    ]
    steps = [float(tick) for tick in plot.xaxis.get_major_locator().tick_values(0, 3)]
    assert all(step.is_integer() for step in steps)


def test_curves_are_the_reports_and_thinned_out(experiment, monkeypatch):
    best = experiment.best()
    assert steps_of(best)[0] == 1
    assert next(plots._curve(best, "mean_accuracy"))[1] == pytest.approx(0.045)
    monkeypatch.setattr(plots, "_POINTS", 4)
    assert steps_of(best) == [1, 6, 11, 16, 20]


def steps_of(trial):
    return [row["timesteps_total"] for row, _ in plots._curve(trial, "mean_accuracy")]


def test_curves_are_over_iterations_if_timesteps_go_back():
    """As those of a member of a population that goes on from another one's weights."""
    plain = [({"timesteps_total": 10 * n, "training_iteration": n}, 0.5) for n in (1, 2, 3)]
    copied = [*plain, ({"timesteps_total": 10, "training_iteration": 4}, 0.5)]
    assert plots._common_axis([plain, plain[:1]]) == ("timesteps_total", "timesteps")
    assert plots._common_axis([plain, copied]) == ("training_iteration", "iterations")


@pytest.mark.parametrize("metric", [None, "never_reported"])
def test_without_a_value_there_is_no_picture(experiment, metric):
    without = ExperimentSummary(
        "exp", experiment.trials, experiment.logdir, Objective.of_spec(metric, None)
    )
    assert plots.draw(without) == {}
    assert "No best trial: no trial reported" in text_of(without)


@pytest.mark.long
def test_one_trial_has_a_curve_only(experiment):
    one = ExperimentSummary(
        "exp", experiment.trials[:1], experiment.logdir, Objective.of("mean_accuracy")
    )
    assert list(plots.draw(one)) == TITLES[:1]


ODD = {
    "formulas": {"a$_$": ["^a$|_^b$", "$A_$", "x"]},
    "numbers that no float holds": {"x": [10**400, 1, 2]},
    "texts that are no text": {"x": ["\ud800", "b", "c"]},
    "nothing finite": {"x": [float("nan"), float("inf"), 1.0]},
    "flags": {"x": [True, False, True]},
    "lists": {"x": [[1, 2], [3], []]},
}


@pytest.mark.long
@pytest.mark.parametrize("searched", ODD.values(), ids=ODD)
def test_odd_values_are_drawn(tmp_path, searched):
    ((name, values),) = searched.items()
    trials = [
        trial(tmp_path, index, 0.5 + index / 10, **{name: value})
        for index, value in enumerate(values)
    ]
    odd = ExperimentSummary("exp", trials, tmp_path, Objective("mean_accuracy", "max"))
    write_report(Summary("a-sweep", [odd]), odd)
    text = with_pictures_inside(ReportPaths(tmp_path))
    assert re.findall(r"^!\[(.*?)\]\(data:image/png", text, re.MULTILINE) == TITLES


@pytest.mark.long
def test_a_picture_that_cannot_be_drawn_takes_nothing_with_it(experiment, monkeypatch):
    monkeypatch.setattr(plots, "_parallel", lambda *_: 1 / 0)
    write_report(Summary("a-sweep", [experiment]), experiment)
    assert ReportPaths(experiment.logdir).read().count("\n![") == 2


def test_what_only_some_trials_have_is_an_axis_and_too_many_texts_are_none(tmp_path):
    trials = [
        trial(tmp_path, index, 0.5, text=f"t{index}", **({"late": index} if index else {}))
        for index in range(40)
    ]
    assert [axis.name for axis in plots._axes(trials)] == ["late"]


def test_a_line_that_a_dying_process_did_not_finish_is_left_out(tmp_path):
    one = trial(tmp_path, 0, 1.0)
    with (tmp_path / "0" / "result.json").open("a") as file:
        file.write('{"timesteps_total": 21, "mean_acc')
    row, value = list(plots._curve(one, "mean_accuracy"))[-1]
    assert (row["timesteps_total"], value) == (20, 1.0)


def test_what_looks_like_a_picture_in_an_error_is_none(tmp_path):
    failed = replace(trial(tmp_path, 0, 0.5, ERROR), error="ValueError: see\n![x](y.png)")
    odd = ExperimentSummary("exp", [failed], tmp_path, Objective("mean_accuracy", "max"))
    write_report(Summary("a-sweep", [odd]), odd)
    assert "1 trial: `![x](y.png)`" in with_pictures_inside(ReportPaths(tmp_path))


def test_many_causes_are_folded(tmp_path):
    trials = [
        replace(trial(tmp_path, index, 0.5, ERROR), error=f"ValueError: {'x' * (index + 1)}")
        for index in range(30)
    ]
    text = text_of(ExperimentSummary("exp", trials, tmp_path, Objective("mean_accuracy", "max")))
    assert text.count("- 1 trial: `ValueError: ") == 20
    assert "- 10 × something else\n" in text


def test_what_is_not_allowed_is_listed_and_is_not_the_best(experiment):
    first, second, *others = experiment.trials
    not_allowed = replace(second, infeasible="size 9 is not < 5")
    made = replace(
        experiment,
        trials=[first, not_allowed, *others],
        constraints=(parse_criterion("size", "< 5"),),
    )
    text = "\n".join(report_text(Summary("s", [made]), made))
    assert "`script_3` with mean_accuracy **0.7**" in text
    assert "1 trial of 4 that ended did not keep to `size < 5`:" in text
    assert "- `script_1`: size 9 is not < 5" in text
    assert "; infeasible: size 9 is not < 5 |" in text
    assert ", 1 infeasible, 1 failed." in text


@pytest.mark.long
def test_the_front_of_two_objectives_has_a_table_and_a_picture(experiment):
    two = replace(experiment, others=(Objective("timesteps_total", "min"),))
    text = "\n".join(report_text(Summary("s", [two]), two))
    assert "with mean_accuracy **0.9**, timesteps_total **20**" in text
    assert "| script_1 | 0.9 | 20 | {'lr': 1e-05, 'act': 'tanh'} |" in text
    assert list(plots.draw(two)) == ["The front", *TITLES]
    three = replace(two, others=(*two.others, Objective("time_total_s", "min")))
    assert list(plots.draw(three)) == TITLES
