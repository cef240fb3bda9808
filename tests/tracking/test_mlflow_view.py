"""What a saved view holds, and whether MLflow's charts then show every trial."""

import base64
import json
import zlib

import pytest

from tune_tasks.model.objective import Objective
from tune_tasks.tracking.mlflow_params import (
    chart_params,
    flat_params,
    is_number,
    searched_params,
)
from tune_tasks.tracking.mlflow_view import (
    FATE,
    encode_view,
    runs_view,
    sweep_view,
    sweeps_view,
    view_path,
)

SEARCHES = {
    "numbers": [{"lr": 10**-i, "layers": i} for i in range(40)],
    "texts": [{"activation": name} for name in ("relu", "elu", "tanh")],
    "a number or a text": [{"lr": 0.1}, {"lr": "auto"}, {"lr": 0.2}],
    "a number or nothing": [{"lr": 0.1}, {"lr": None}, {"lr": 0.2}],
    "numbers written as texts": [{"lr": "0.1"}, {"lr": "1e-3"}, {"lr": 2}],
    "missing in one": [{"opt": {"name": "sgd", "momentum": 0.9}}, {"opt": {"name": "adam"}}],
    "true and false": [{"bias": True}, {"bias": False}],
    "lists": [{"layers": [64, 64]}, {"layers": [64]}],
    "more texts than an axis takes": [{"name": f"n{i}", "lr": i} for i in range(40)],
    "more than an axis takes, and missing": [{"a": {"x": i}, "lr": i} for i in range(40)]
    + [{"a": {}, "lr": 1}],
}


def shown(runs, axes):
    """The runs that MLflow 3.17's parallel coordinates keep.

    The function `fM` of its module 57990, in Python.
    """
    kept = [run for run in runs if all(axis in run for axis in axes)]
    for axis in axes:
        numbers = [run for run in kept if is_number(run[axis])]
        if len(numbers) >= len(kept) / 2:
            kept = numbers
            continue
        texts, left = set(), []
        for run in kept:
            if len(texts) == 30 and run[axis] in texts:
                left.append(run)
            elif len(texts) < 30 and not is_number(run[axis]):
                texts.add(run[axis])
                left.append(run)
        kept = left
    return kept


@pytest.mark.parametrize("searched", SEARCHES.values(), ids=SEARCHES)
def test_parallel_coordinates_show_every_trial(searched):
    params = searched_params(searched)
    runs = [flat_params(config) | chart_params(params, flat_params(config)) for config in searched]
    view = sweep_view("s", params, Objective("mean_loss", "min"))
    (chart,) = [chart for chart in view["compareRunCharts"] if chart["type"] == "PARALLEL"]
    assert chart["selectedMetrics"] == ["mean_loss"]
    assert chart["selectedParams"]
    assert shown(runs, chart["selectedParams"]) == runs
    scattered = [
        chart["xaxis"]["key"] for chart in view["compareRunCharts"] if chart["type"] == "SCATTER"
    ]
    assert scattered == chart["selectedParams"]


def test_what_some_trials_may_lack_is_not_even_though_all_examples_have_it():
    """A model may propose what no example has."""
    examples = [{"lr": 0.1, "opt": {"momentum": 0.9}}, {"lr": 0.2, "opt": {"momentum": 0.8}}]
    for always, expected in (({"lr"}, (True, False)), (None, (True, True))):
        lr, momentum = searched_params(examples, always)
        assert (lr.is_even, momentum.is_even) == expected
        assert (lr.is_numeric, momentum.is_numeric) == expected


def decoded(value):
    envelope = json.loads(value)
    kind, _, data = envelope["state"].partition(";")
    assert kind == "deflate"
    return (
        envelope["name"],
        envelope["createdAt"],
        json.loads(zlib.decompress(base64.b64decode(data))),
    )


def test_the_view_of_a_sweep():
    params = searched_params([{"lr": 0.1, "act": "relu"}, {"lr": 0.2, "act": "elu"}])
    view = sweep_view("2026_a", params, Objective("grad/norm", "min"), incomplete=True)
    assert decoded(encode_view("Sweep 2026_a", view, 5)) == ("Sweep 2026_a", 5, view)
    assert (
        view["searchFilter"]
        == "tags.`tune_tasks.sweep` = '2026_a' AND tags.`tune_tasks.role` = 'trial'"
    )
    assert (view["orderByKey"], view["orderByAsc"]) == ("metrics.`grad/norm`", True)
    assert view["selectedColumns"][:3] == ["metrics.`grad/norm`", "params.`lr`", "params.`act`"]
    charts = view["compareRunCharts"]
    assert [chart["type"] for chart in charts] == [
        "LINE",
        "PARALLEL",
        "PARALLEL",
        "SCATTER",
        "SCATTER",
    ]
    assert (charts[0]["metricKey"], charts[0]["xAxisKey"]) == ("grad/norm", "step")
    assert (charts[2]["selectedParams"], charts[2]["selectedMetrics"]) == (["lr", "act"], [])
    assert len({chart["uuid"] for chart in charts}) == len(charts)
    assert {chart["metricSectionId"] for chart in charts} <= {
        section["uuid"] for section in view["compareRunSections"]
    }


def test_the_settings_that_change_have_charts_over_time():
    params = searched_params([{"opt.lr": 0.1, "act": "relu"}, {"opt.lr": 0.2, "act": "elu"}])
    view = sweep_view("s", params, Objective("acc", "max"), changing=["opt.lr", "act"])
    curves = [chart for chart in view["compareRunCharts"] if chart["type"] == "LINE"]
    assert [chart["metricKey"] for chart in curves] == ["acc", "config/opt.lr"]
    assert len({chart["uuid"] for chart in curves}) == 2


def test_trials_that_were_stopped_early_are_listed_apart():
    params = searched_params([{"lr": 0.1}])
    plain = sweep_view("s", params, Objective.of("mean_loss"))
    assert "groupBy" not in plain
    grouped = sweep_view("s", params, Objective.of("mean_loss"), grouped=True)
    assert grouped["groupBy"]["groupByKeys"] == [{"mode": "tag", "groupByData": FATE}]
    assert grouped["useGroupedValuesInCharts"] is False
    assert grouped.items() >= plain.items()


def test_a_view_fits_in_its_tag():
    searched = [{f"a_rather_long_name_of_a_param_{i}": i for i in range(200)}]
    assert (
        len(
            encode_view(
                "n",
                sweep_view(
                    "s" * 24,
                    searched_params(searched),
                    Objective("m" * 250, "max"),
                    incomplete=True,
                    changing=list(searched[0]),
                ),
                0,
            )
        )
        < 5000
    )


def test_the_view_of_all_sweeps():
    view = sweeps_view(Objective("recall@1", "max"))
    assert view["orderByKey"] == "metrics.`best/recall_at_1-e740af`"
    view = sweeps_view(Objective("mean_loss", "max"))
    assert (view["orderByKey"], view["orderByAsc"]) == ("metrics.`best/mean_loss`", False)
    assert [(chart["type"], chart["metricKey"]) for chart in view["compareRunCharts"]] == [
        ("LINE", "best/mean_loss"),
        ("BAR", "best/mean_loss"),
    ]


def test_the_view_of_sweeps_with_their_trials():
    view = runs_view(searched_params([{"lr": 0.1}]), Objective.of("mean_loss"))
    assert (view["searchFilter"], view["orderByKey"]) == ("", "attributes.start_time")
    assert view["selectedColumns"][:4] == [
        *(
            "metrics.`best/mean_loss`",
            "metrics.`trials_done`",
            "metrics.`mean_loss`",
            "params.`lr`",
        ),
    ]


def test_the_path_of_a_view():
    assert (
        view_path("3", "s_1") == "/#/experiments/3/runs?viewStateShareKey=s_1&compareRunsMode=CHART"
    )


def test_the_view_of_several_objectives_has_their_front_first_and_a_column_for_each():
    others = [Objective("ms", "min")]
    view = sweep_view("s", [], Objective("acc", "max"), others=others)
    front, *_ = view["compareRunCharts"]
    assert (front["type"], front["xaxis"], front["yaxis"]) == (
        "SCATTER",
        {"key": "ms", "type": "METRIC"},
        {"key": "acc", "type": "METRIC"},
    )
    assert view["selectedColumns"][:2] == ["metrics.`acc`", "metrics.`ms`"]
